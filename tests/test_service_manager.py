"""What systemd is told (sd_notify(3)), over a real datagram socket of its kind."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auth_core.service_manager import ServiceManager
from tests.running import running_portal, running_server, write_config
from tests.softphone import Softphone

Prepared = Callable[[Path], None]


class Listener:
    """A service manager: the socket that it gives, and what it hears there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)

    async def heard(self) -> list[str]:
        """The lines of the next message."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20.0):
            return (await loop.sock_recv(self._socket, 4096)).decode().splitlines()

    async def hears(self, line: str) -> list[str]:
        """The next message with that line."""
        while line not in (lines := await self.heard()):
            pass
        return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    abstract = f"@notify-{os.getpid()}-{tmp_path.name}"
    made = Listener(str(tmp_path / "n") if request.param == "file" else abstract)
    yield made
    made.close()


async def test_the_watchdog_hears_us_well_within_its_patience(listener: Listener) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "300000"})
    telling = asyncio.create_task(manager.keep_informed(lambda: "3 calls"))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(3):
        assert await listener.heard() == ["WATCHDOG=1", "STATUS=3 calls"]
    assert loop.time() - begun >= 0.15
    telling.cancel()


async def test_without_a_manager_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    nobody = ServiceManager({})
    nobody.ready("0 calls")
    await asyncio.wait_for(nobody.keep_informed(lambda: ""), 5)
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("0 calls")


async def test_a_watchdog_of_another_process_is_not_ours(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    telling = asyncio.create_task(ServiceManager(environment).keep_informed(lambda: ""))
    await listener.heard()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await listener.heard()
    telling.cancel()


@pytest.mark.socket
async def test_a_server_tells_that_it_is_ready_how_many_calls_there_are_and_that_it_ends(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    listener = Listener(str(tmp_path / "n"))
    environment = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "300000"}
    async with running_server(tmp_path, {"sip.drain_seconds": 40}, environment) as server:
        assert "READY=1" in await listener.heard()
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            assert "WATCHDOG=1" in await listener.hears("STATUS=1 calls")
            server.process.send_signal(signal.SIGTERM)
            assert "EXTEND_TIMEOUT_USEC=70000000" in await listener.hears("STOPPING=1")
            assert "WATCHDOG=1" in await listener.heard()  # also while the last calls end
            await phone.hang_up()
        await asyncio.wait_for(server.process.wait(), 20)
    listener.close()


@pytest.mark.socket
async def test_a_portal_tells_that_it_is_ready_how_many_are_in_and_that_it_ends(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    write_config(tmp_path)
    listener = Listener(str(tmp_path / "n"))
    environment = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "300000"}
    async with running_portal(tmp_path, environment) as portal:
        assert await listener.heard() == ["READY=1", "STATUS=0 sessions"]
        assert await listener.heard() == ["WATCHDOG=1", "STATUS=0 sessions"]
        portal.process.send_signal(signal.SIGTERM)
        assert "EXTEND_TIMEOUT_USEC=5000000" in await listener.hears("STOPPING=1")
        assert await portal.process.wait() == 0

"""`deploy/kamailio`: calls are spread over servers, stay where they began, and go elsewhere once a
server drains."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.running import PROJECT, RunningServer, running_server
from tests.softphone import Softphone

pytestmark = [pytest.mark.socket, pytest.mark.interop, pytest.mark.timeout(120)]

CONFIG = PROJECT / "deploy" / "kamailio" / "kamailio.cfg"
LINE = "0810257510"


@asynccontextmanager
async def kamailio(folder: Path, servers: list[RunningServer]) -> AsyncIterator[int]:
    """The Kamailio of `deploy/` in front of `servers`; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listed = folder / "dispatcher.list"
    listed.write_text("".join(f"1 sip:127.0.0.1:{each.port}\n" for each in servers))
    with (folder / "kamailio.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("kamailio", "-f", str(CONFIG), "-DD", "-E", "-Y", str(folder), "-m", "32", "-M", "4"),
            *("-A", f"LISTEN=udp:127.0.0.1:{port}", "-A", f'SERVERS="{listed}"'),
            *("-A", "TRUNK=127.0.0.1"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def call(port: int) -> None:
    """A whole call through Kamailio, until it is hung up."""
    async with Softphone(f"sip:{LINE}@127.0.0.1:{port}") as phone:
        await phone.answered()
        await phone.keys("0123456")
        await phone.hang_up()


async def test_calls_are_spread_and_go_elsewhere_from_when_a_server_drains(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        servers = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            prepared(folder)
            servers.append(await stack.enter_async_context(running_server(folder)))
        port = await stack.enter_async_context(kamailio(tmp_path, servers))
        for _ in range(4):
            await call(port)
        assert [len(server.records()) for server in servers] == [2, 2]

        async with Softphone(f"sip:{LINE}@127.0.0.1:{port}") as staying:
            await staying.answered()
            state = [await server.state() for server in servers]
            drained = next(i for i, each in enumerate(state) if each["calls"])
            servers[drained].process.send_signal(signal.SIGTERM)
            other = servers[1 - drained]
            taken = len(other.records())
            await call(port)
            await call(port)
            assert len(other.records()) == taken + 2
            await staying.keys("0123456")  # what began there goes on there
            await staying.hang_up()
        await asyncio.wait_for(servers[drained].process.wait(), 30)
        await call(port)
        assert len(other.records()) == taken + 3

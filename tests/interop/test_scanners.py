"""sipsak and SIPVicious, as strangers: they find nothing that they can use, and are counted."""

import asyncio
import os
import re
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningServer, command, running_server

pytestmark = [pytest.mark.socket, pytest.mark.timeout(240)]

LINE = "0810292929"
PASSWORD = "tulip-4711"  # the one of SIPVicious's list that is right
OPERATOR = {"name": "operator", "networks": ["127.0.0.3/32"]}  # not where the scanners are


async def seen(*arguments: str, folder: Path, seconds: float = 60.0) -> tuple[int, str]:
    """What a scanner ended with and told within its time. 124: it was stopped (`timeout`)."""
    process = await asyncio.create_subprocess_exec(
        *("timeout", str(seconds), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(folder)},  # where SIPVicious keeps its sessions
        cwd=folder,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def counted(server: RunningServer, metric: str = "ivr_sip_dropped_total") -> dict[str, float]:
    """A counter of /metrics, by its label."""

    def read() -> str:
        with urllib.request.urlopen(f"{server.ready['console']}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    found = re.findall(rf'^{metric}{{\w+="(\w+)"}} (\S+)$', await asyncio.to_thread(read), re.M)
    return {label: float(value) for label, value in found}


Serve = Callable[..., AbstractAsyncContextManager[RunningServer]]


@pytest.fixture
def serve(prepared: Callable[[Path], None], tmp_path: Path) -> Serve:
    folder = tmp_path / "server"
    folder.mkdir()
    prepared(folder)

    def run(strangers: str, *trunks: dict[str, Any]) -> AbstractAsyncContextManager[RunningServer]:
        changes = {"sip.trunks": [OPERATOR, *trunks], "sip.strangers": strangers}
        return running_server(folder, changes)

    return run


async def nothing_is_left(server: RunningServer) -> None:
    state = await server.state()
    assert (state["calls"], state["dialogs"], state["server_transactions"]) == (0, 0, 0)
    assert server.records() == []
    assert server.process.returncode is None
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("strangers", ["drop", "refuse"])
async def test_svmap_and_svwar(serve: Serve, tmp_path: Path, strangers: str) -> None:
    async with serve(strangers) as server:
        port = str(server.port)
        svmap, svwar = command("sipvicious_svmap"), command("sipvicious_svwar")
        _, mapped = await seen(svmap, "-p", port, "127.0.0.1", folder=tmp_path)
        # A refusal cannot hide that SIP is spoken here; it tells no more.
        assert ("found nothing" in mapped) == (strangers == "drop"), mapped
        assert "voice" not in mapped.lower()
        for method in ("REGISTER", "INVITE", "OPTIONS"):
            # 810292929 is the line as svwar's numbers write it.
            extensions = ("-e", "100-120,810292929", "-z", "10", "-m", method, "--force")
            _, scanned = await seen(svwar, *extensions, "-p", port, "127.0.0.1", folder=tmp_path)
            assert "| Extension" not in scanned, scanned
        dropped = await counted(server)
        requests = await counted(server, "ivr_sip_requests_total")
        assert dropped["stranger"] >= 4
        assert {"OPTIONS", "REGISTER", "INVITE"} <= {name for name, n in requests.items() if n}
        await nothing_is_left(server)


async def test_svcrack_gets_nowhere_with_the_right_password_in_its_list(
    serve: Serve, tmp_path: Path
) -> None:
    password = tmp_path / "branch.password"
    password.write_text(f"{PASSWORD}\n", encoding="ascii")
    password.chmod(0o600)
    words = tmp_path / "words"
    words.write_text("".join(f"{n}\n" for n in range(200)) + f"{PASSWORD}\n", encoding="ascii")
    users = [{"user": "branch", "password_file": str(password)}]
    async with serve("drop", {"name": "branch", "digest": {"users": users}}) as server:
        crack = (command("sipvicious_svcrack"), "-u", "branch", "-d", str(words))
        _, said = await seen(*crack, "-p", str(server.port), "127.0.0.1", folder=tmp_path)
        assert PASSWORD not in said
        assert (await counted(server))["unauthenticated"] > 0
        await nothing_is_left(server)


# Its own MESSAGE mode (-M) ends by SIGSEGV in 0.9.8.1, whoever is asked: a file is sent instead.
MESSAGE = (
    "MESSAGE sip:0810292929@127.0.0.1 SIP/2.0\n"
    "From: <sip:100@127.0.0.1>;tag=1\nTo: <sip:0810292929@127.0.0.1>\n"
    "Call-ID: sipsak-1\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n"
    "Content-Type: text/plain\nContent-Length: 5\n\nhello"
)
SIPSAK = {
    "OPTIONS": (),
    "message": ("-f", "message"),
    "register": ("-U", "-i"),
    "register and message": ("-U", "-M", "-B", "hello", "-i"),
    "traceroute": ("-T",),
    "random": ("-R", "-t", "60"),
    "flood": ("-F", "-e", "2000"),
}


@pytest.mark.parametrize("strangers", ["drop", "refuse"])
async def test_sipsak(serve: Serve, tmp_path: Path, strangers: str) -> None:
    async with serve(strangers) as server:
        (tmp_path / "message").write_text(MESSAGE, encoding="ascii")
        uri = f"sip:{LINE}@127.0.0.1:{server.port}"
        for mode, options in SIPSAK.items():
            before = sum((await counted(server)).values())
            code, said = await seen("sipsak", *options, "-s", uri, folder=tmp_path, seconds=8)
            assert "200 OK\r" not in said, (mode, said)
            assert code != 0 or mode == "flood", (mode, said)
            assert sum((await counted(server)).values()) > before, mode
        async with asyncio.timeout(10):  # a share of messages is all that one address has
            while not {"stranger", "flood"} <= (await counted(server)).keys():
                await asyncio.sleep(0.1)
        await nothing_is_left(server)

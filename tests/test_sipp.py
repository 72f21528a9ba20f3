"""The whole server under sipp: many calls, loss, doubled INVITEs, and nothing left behind."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.running import RunningServer, is_empty, running_server

pytestmark = pytest.mark.socket
SCENARIOS = Path(__file__).parent / "sip" / "scenarios"
_cids = itertools.count(1)


@pytest.fixture
async def server(prepared: Callable[[Path], None], tmp_path: Path) -> AsyncIterator[RunningServer]:
    prepared(tmp_path)
    async with running_server(tmp_path, {"sip.max_calls": 1200}) as running:
        yield running


async def sipp(
    server: RunningServer, scenario: str, *options: str, port: int | None = None
) -> tuple[int, str]:
    """Run a scenario against the server, or a port before it: sipp's exit code and the end of what
    it printed."""
    errors = server.folder / "sipp-errors.log"
    process = await asyncio.create_subprocess_exec(
        "sipp",
        f"127.0.0.1:{port or server.port}",
        *("-sf", str(SCENARIOS / scenario), "-i", "127.0.0.1", "-s", "0810257510"),
        *("-nostdin", "-timeout", "100s", "-timeout_error", *options),
        *("-trace_err", "-error_file", str(errors)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=server.folder,
    )
    out, _ = await process.communicate()
    told = errors.read_text(errors="replace") if errors.exists() else ""
    return process.returncode or 0, out.decode(errors="replace")[-3000:] + told[:3000]


@pytest.mark.parametrize("loss", [(), ("-lost", "10")], ids=["clean", "10% lost"])
async def test_500_calls_at_50_a_second_all_succeed_and_leave_nothing(
    server: RunningServer, loss: tuple[str, ...]
) -> None:
    code, said = await sipp(server, "uac_call.xml", "-m", "500", "-r", "50", "-l", "600", *loss)
    assert code == 0, said
    state = await server.settled(timeout=80)
    assert is_empty(state), state
    assert len(server.records()) == 500


@pytest.mark.parametrize("scenario", ["uac_invite_twice_before.xml", "uac_invite_twice_after.xml"])
async def test_an_invite_sent_twice_is_one_call(server: RunningServer, scenario: str) -> None:
    code, said = await sipp(server, scenario, "-m", "200", "-r", "50")
    assert code == 0, said
    state = await server.settled()
    assert is_empty(state), state
    assert len(server.records()) == 200


async def test_a_trusted_pbx_tells_the_line_that_was_dialled_and_who_calls(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    trunk = {"name": "pbx", "networks": ["127.0.0.1/32"], "trusted": True}
    changes = {"sip.trunks": [trunk], "log.level": "debug"}
    async with running_server(tmp_path, changes) as server:
        options = ("-m", "1", "-d", "200", "-s", "7001")
        code, said = await sipp(server, "uac_sent_on.xml", *options)
        assert code == 0, said
        record = await server.record_number(1)
    assert (record["line"], record["caller"]) == ("0810257510", "+3314455****")
    assert "A Name" not in server.log()
    assert "33144556677" not in server.log()

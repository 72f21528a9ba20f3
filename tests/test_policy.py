"""Who may call, what they may dial, and how many fit: the answers of the running server."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import running_server
from tests.softphone import Softphone

Prepared = Callable[[Path], None]


async def status_of(folder: Path, line: str, changes: dict[str, Any]) -> tuple[int, list[Any]]:
    async with running_server(folder, changes) as server:
        async with Softphone(server.uri(line)) as phone:
            ended = await phone.ended()
        return ended["status"], [record["end_reason"] for record in server.records()]


@pytest.mark.socket
async def test_an_unknown_line_is_404_and_recorded(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    assert await status_of(tmp_path, "0899999999", {}) == (404, ["unknown_line"])


@pytest.mark.socket
async def test_a_stranger_is_403_and_cannot_fill_the_records(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    changes = {"sip.trunks": ["198.51.100.0/24"]}
    assert await status_of(tmp_path, "0810257510", changes) == (403, [])


@pytest.mark.socket
async def test_beyond_max_calls_a_call_is_503(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, {"sip.max_calls": 1}) as server:
        async with Softphone(server.uri("0810257510")) as first:
            await first.answered()
            async with Softphone(server.uri("0810257510")) as second:
                assert (await second.ended())["status"] == 503
            await first.hang_up()
        await server.record_number(2)
        reasons = {record["end_reason"] for record in server.records()}
        assert reasons == {"too_many_calls", "hung_up"}


@pytest.mark.socket
async def test_sigterm_lets_calls_end_and_takes_no_new_ones(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        async with Softphone(server.uri("0810257510")) as inside:
            await inside.answered()
            server.process.send_signal(signal.SIGTERM)
            async with Softphone(server.uri("0810257510")) as late:
                assert (await late.ended())["status"] == 503
            assert server.process.returncode is None
            await inside.hang_up()
        async with asyncio.timeout(10):
            assert await server.process.wait() == 0
        reasons = [record["end_reason"] for record in server.records()]
        assert reasons == ["draining", "hung_up"]


@pytest.mark.socket
@pytest.mark.parametrize(
    ("changes", "signals"),
    [
        ({"sip.drain_seconds": 0.5}, [signal.SIGTERM]),
        ({}, [signal.SIGTERM, signal.SIGTERM]),
        ({}, [signal.SIGINT]),
    ],
    ids=["deadline", "second-signal", "sigint"],
)
async def test_calls_that_last_are_ended_with_bye(
    prepared: Prepared, tmp_path: Path, changes: dict[str, Any], signals: list[signal.Signals]
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, changes) as server:
        async with Softphone(server.uri("0810257510")) as inside:
            await inside.answered()
            for number in signals:
                server.process.send_signal(number)
                await asyncio.sleep(0.2)
            assert (await inside.ended())["status"] == 200
        async with asyncio.timeout(10):
            assert await server.process.wait() == 0
        assert [record["end_reason"] for record in server.records()] == ["stopped"]

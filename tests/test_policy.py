"""Who may call, what they may dial, and how many fit: the answers of the running server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivr.records import EndReason
from ivr.server import Room
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


def test_room_holds_max_calls_at_once() -> None:
    room = Room(max_calls=2, max_cps=100)
    assert room.refusal(calls=1, now=10.0) is None
    assert room.refusal(calls=2, now=10.0) is EndReason.TOO_MANY_CALLS


def test_room_lets_in_max_cps_a_second_and_no_more() -> None:
    room = Room(max_calls=1000, max_cps=10)
    let_in = sum(room.refusal(calls=0, now=100.0 + step / 100) is None for step in range(300))
    assert 30 <= let_in <= 41  # three seconds at 10 a second, after a full allowance of 10
    assert room.refusal(calls=0, now=103.0) in (None, EndReason.TOO_FAST)
    assert room.refusal(calls=0, now=110.0) is None

"""sipp rings the whole server over a bad network, and in every wrong order: nothing is left."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.chaos import CALM, LATE, STORM, Chaos, Weather
from tests.running import RunningServer, is_empty, running_server
from tests.test_sipp import sipp

pytestmark = [pytest.mark.socket, pytest.mark.timeout(240)]
IGNORING = ("-pause_msg_ign",)


@pytest.fixture
async def server(prepared: Callable[[Path], None], tmp_path: Path) -> AsyncIterator[RunningServer]:
    prepared(tmp_path)
    async with running_server(tmp_path, {"sip.max_calls": 1200}) as running:
        yield running


@pytest.mark.parametrize(
    ("scenario", "there", "back", "calls", "options"),
    [
        pytest.param("uac_call", STORM, STORM, 500, (), id="lost, doubled and out of order"),
        pytest.param("uac_call", LATE, LATE, 500, (), id="out of order"),
        pytest.param("uac_call", Weather(doubled=0.5), None, 500, (), id="doubled"),
        pytest.param("uac_slow_ack", STORM, STORM, 200, (), id="slow ACK"),
        pytest.param("uac_no_ack", CALM, CALM, 100, (), id="no ACK"),
        pytest.param("uac_cancel_race", LATE, CALM, 300, (), id="CANCEL meets 200"),
        pytest.param("uac_bye_race", CALM, CALM, 300, (), id="BYE meets re-INVITE"),
        pytest.param("uac_forked", CALM, CALM, 300, (), id="forked early"),
        pytest.param("uac_after_bye", CALM, CALM, 300, IGNORING, id="copies after the BYE"),
    ],
)
async def test_trouble_leaves_nothing(
    server: RunningServer,
    scenario: str,
    there: Weather,
    back: Weather | None,
    calls: int,
    options: tuple[str, ...],
) -> None:
    async with Chaos(("127.0.0.1", server.port), there, back) as chaos:
        count = ("-m", str(calls), "-r", "50", "-l", "600", "-d", "300")
        code, said = await sipp(server, f"{scenario}.xml", *count, *options, port=chaos.port)
    assert code == 0, said
    state = await server.settled(timeout=90)
    assert is_empty(state), state
    assert len(server.records()) == calls

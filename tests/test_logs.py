"""What the log tells: all that was asked for, of which call, and nothing that peers forge."""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from ivr.logs import set_level, set_up_logs
from tests.running import RunningServer, command, run, running_server
from tests.softphone import Softphone

Prepared = Callable[[Path], None]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["human", "json"])
def test_control_characters_are_escaped(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("info", "json" if form == "json" else "human")
    structlog.get_logger("test").info("call ended", call_id="a\x1b[2Jb\r\nforged\x9b")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "forged" in line


def test_a_logger_that_was_bound_before_takes_the_new_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logs("info", "json")
    log = structlog.get_logger("test").bind(call_id="a")
    log.debug("too much")
    set_level("debug")
    log.debug("wanted")
    set_level("error")
    log.warning("too little")
    log.error("wanted too")
    said = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert said == ["wanted", "wanted too"]


async def logged(server: RunningServer, event: str) -> list[dict[str, object]]:
    """The lines of that event, waiting until there is one."""
    async with asyncio.timeout(10.0):
        while True:
            lines = [json.loads(line) for line in server.log().splitlines()]
            if found := [line for line in lines if line["event"] == event]:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.socket
async def test_each_event_of_a_call_is_a_line_with_its_id_whoever_logs_it(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    changes = {"log.format": "json", "auth.surges": {"per_trunk": 1, "in_all": 1}}
    async with running_server(tmp_path, changes) as server:
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.keys("01234564820#")
            await logged(server, "surge of failures")
            await phone.hang_up()
        record = await server.record_number(1)
        lines = [json.loads(line) for line in server.log().splitlines()]
    of_the_call = [line for line in lines if line.get("call_id") == record["call_id"]]
    events = [line["event"] for line in of_the_call]
    for event in ("call came", "call answered", "surge of failures", "tried to come in"):
        assert event in events
    assert events[-1] == "call ended"
    (tried,) = (line for line in of_the_call if line["event"] == "tried to come in")
    assert (tried["outcome"], tried["secret"]) == ("refused", None)
    assert "4820" not in "".join(map(str, (line.values() for line in of_the_call)))


@pytest.mark.socket
async def test_the_level_changes_while_the_server_runs(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    changes = {"log.format": "json", "log.level": "warning"}
    async with running_server(tmp_path, changes) as server:
        config = ("--config", str(server.config))
        said = await run(command("ivr"), "log-level", "info", *config)
        assert said == (0, "Logs info from now on; it was warning.\n", "")
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.hang_up()
        assert await logged(server, "call answered")
        server.process.send_signal(signal.SIGUSR2)
        (changed,) = await logged(server, "log level changed")
        assert changed["to"] == "debug"
        server.process.send_signal(signal.SIGUSR2)
        while len(lines := await logged(server, "log level changed")) < 2:
            await asyncio.sleep(0.05)
        assert lines[1]["to"] == "warning"
        code, _, why = await run(command("ivr"), "log-level", "shout", *config)
        assert code == 2
        assert "shout" in why

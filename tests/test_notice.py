"""A notice before the answer (early media): heard by a real phone, and no key counts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.config import Config
from ivr.operator_files import StartError, load_plans
from tests.listening import heard
from tests.running import PROJECT, running_server
from tests.softphone import Softphone

LINES = [{"number": "0810257510", "caf": "751", "notice": "price_notice"}]
NOTICE = PROJECT / "prompts" / "fr" / "price_notice.wav"


@pytest.mark.socket
async def test_a_notice_is_heard_before_the_answer_and_keys_during_it_are_lost(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    recording = tmp_path / "heard.wav"
    async with running_server(tmp_path, {"lines": LINES}) as server:
        async with Softphone(
            server.uri("0810257510"), record=recording, require=("100rel", "timer")
        ) as phone:
            await phone.event("media")
            assert not phone.heard("answered")
            await phone.keys("*")  # help, were it heard
            await phone.answered()
            await phone.pause(2.0)
            await phone.hang_up()
        answered = await server.record_number(1)
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.event("media")
            await phone.pause(1.0)
            await phone.hang_up()
        given_up = await server.record_number(2)
    assert heard(recording, NOTICE)
    assert answered["prompts"][:2] == ["price_notice", "welcome"]
    assert "help_menu" not in answered["prompts"]
    assert given_up["prompts"] == ["price_notice"]
    assert (given_up["answered"], given_up["end_reason"]) == (None, "cancelled")


def test_a_notice_that_does_not_exist_is_told_before_the_start() -> None:
    config = Config.model_validate(
        {"lines": [{"number": "1", "notice": ["gone"]}], "dialplans": PROJECT / "dialplans"}
    )
    with pytest.raises(StartError, match=r"lines\.0\.notice: there is no prompt gone in fr"):
        load_plans(config, {"fr": frozenset(), "en": frozenset()})

"""A call in the terminal: the real flow is printed, and no key ever is."""

import asyncio
import io
import os
import termios

import pytest
from rich.console import Console

from auth_core import AuthService
from ivr.dialplan import simulator
from ivr.dialplan.interpreter import CallContext, Ending, Facts
from ivr.dialplan.schema import load
from ivr.dialplan.simulator import simulate
from tests.dialplan.catalogue import LANGUAGES, ROOT, texts

PLAN = load(ROOT / "dialplans" / "caller.yaml")
TEXTS = {language: texts(language) for language in LANGUAGES}
PARIS = CallContext(call_id="simulated", line="0810257510", caf="751")


async def simulated(people: AuthService, keys: str) -> tuple[Facts, str]:
    """A call with piped keys, and all that was printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=400)
    facts = await simulate(
        PLAN, TEXTS, people, PARIS, fast=True, keys=io.StringIO(keys), console=console
    )
    return facts, printed.getvalue()


async def test_what_would_be_said_is_printed_with_its_timers(people: AuthService) -> None:
    facts, printed = await simulated(people, "0123456\n4821#\n4")
    assert facts.authenticated == "pin"
    assert facts.end_reason is Ending.COMPLETED
    assert texts("fr")["invite_create_password"] in printed
    assert texts("fr")["password_help"] in printed
    assert "7 s for the first key, 4 s between keys" in printed
    assert printed.index("password_help") < printed.index("goodbye")


@pytest.mark.parametrize("secret", ["4821#", "8264#", "82641937"])
async def test_no_key_is_printed(people: AuthService, secret: str) -> None:
    _, printed = await simulated(people, f"0123456{secret}q")
    assert secret.rstrip("#") not in printed
    assert "0123456" not in printed


async def test_a_comma_waits_until_the_time_for_a_key_is_over(people: AuthService) -> None:
    facts, printed = await simulated(people, ",0123456,4821,q")
    assert texts("fr")["no_input"] in printed
    assert facts.authenticated == "pin"


async def test_v_is_a_caller_who_talks(people: AuthService) -> None:
    facts, printed = await simulated(people, "v0123456v4821,q")
    assert printed.count(texts("fr")["use_keypad"]) == 1
    assert texts("fr")["no_input"] not in printed
    assert facts.authenticated == "pin"


async def test_when_piped_keys_are_over_time_is_skipped_at_any_pace(
    people: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of this call would take a quarter of an hour."""
    monkeypatch.setattr(simulator, "SECONDS_PER_CHARACTER", 0.0)
    printed = io.StringIO()
    async with asyncio.timeout(20):
        facts = await simulate(
            PLAN,
            TEXTS,
            people,
            PARIS,
            keys=io.StringIO("0123456"),
            console=Console(file=printed, width=400),
        )
    assert facts.end_reason is Ending.COMPLETED
    assert printed.getvalue().count(texts("fr")["ask_secret"]) == 4


async def test_q_hangs_up(people: AuthService) -> None:
    facts, printed = await simulated(people, "0123456q")
    assert facts.end_reason is None
    assert "You hung up." in printed


async def test_a_terminal_echoes_nothing_and_is_put_right_afterwards(people: AuthService) -> None:
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    printed = io.StringIO()
    try:
        with os.fdopen(slave, encoding="ascii", closefd=False) as keys:
            call = asyncio.create_task(
                simulate(
                    PLAN, TEXTS, people, PARIS, fast=True, keys=keys,
                    console=Console(file=printed, width=400),
                )
            )  # fmt: skip
            while termios.tcgetattr(slave)[3] & termios.ECHO:
                await asyncio.sleep(0)
            os.write(master, b"01234564821#")
            while texts("fr")["main_menu"] not in printed.getvalue():
                await asyncio.sleep(0.01)
            os.write(master, b"q")
            facts = await call
        assert facts.authenticated == "pin"
        assert termios.tcgetattr(slave) == before
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    finally:
        os.close(slave)
        os.close(master)

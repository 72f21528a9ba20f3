"""Random secrets as canaries: none is found in anything that was written."""

import secrets
from dataclasses import replace

from auth_core import Identity, Secret, SecretKind
from auth_core.demo import DEMO_FILES, lay_down
from tests.auth_core.conftest import WEB, House, ask_provisional, is_in


def canary() -> str:
    return f"{secrets.randbelow(10**8):08}"


async def test_no_keyed_or_issued_secret_is_in_any_file(house: House) -> None:
    rows = [
        replace(row, secret=canary()) if row.kind is not SecretKind.PIN else row
        for row in DEMO_FILES
    ]
    await lay_down(house.settings, house.clock, rows)
    core = await house.open()
    used = [row.secret for row in rows if row.kind is not SecretKind.PIN]
    for row in rows:
        await is_in(core, row.identity, row.secret)
        wrong, chosen = canary(), canary()
        await is_in(core, row.identity, wrong)
        await ask_provisional(core, row.identity, row.born.day_month or "")
        used += [wrong, chosen, await house.provisional(row.identity)]
        house.advance(minutes=30)
        await core.create_password(row.identity, Secret(row.secret), Secret(chosen), WEB)
    assert any("wal" in str(file) for file in house.written()), "the log of the database too"
    assert house.holders(*used) == []
    await core.close()
    assert house.holders(*used) == []


async def test_callers_numbers_are_not_kept(house: House) -> None:
    core = await house.open()
    number = "+33199001122"
    source = replace(WEB, channel=type(WEB.channel).TELEPHONE, caller=number)
    await is_in(core, Identity("751", "9999999"), "4821", source)
    await core.close()
    assert house.holders(number[3:]) == []


async def test_laying_the_demo_down_again_undoes_what_was_done_and_touches_no_other_file(
    house: House,
) -> None:
    first, *others = DEMO_FILES
    elsewhere = Identity("751", "7654321")
    await lay_down(house.settings, house.clock, [replace(first, matricule=elsewhere.matricule)])
    core = await house.open()
    for identity in (first.identity, elsewhere):
        await core.create_password(identity, Secret(first.secret), Secret("52917364"), WEB)
    await ask_provisional(core, first.identity)
    await lay_down(house.settings, house.clock)
    assert await is_in(core, first.identity, first.secret)
    assert await is_in(core, elsewhere, "52917364")
    assert await house.outbox(first.identity) == []
    for row in others:
        verdict = await core.authenticate(row.identity, Secret(row.secret), WEB)
        assert verdict.kind is row.kind
    assert await core.verify_audit() is None
    await core.close()

"""What the rules refuse tells something of a file: only so much of it is told."""

from dataclasses import replace

import pytest

from auth_core import AuthService, Creation, Rule, Secret, TooManyRefusals, UnknownFile
from tests.auth_core.conftest import NOBODY, PASSWORD_HOLDER, PIN_HOLDER, WEB, House, is_in

BIRTH_DATE, GOOD = Secret("14031985"), Secret("52917364")


async def refusals(core: AuthService, times: int, session: str) -> None:
    for _ in range(times):
        [reason] = await core.check_password(
            PIN_HOLDER, BIRTH_DATE, replace(WEB, reference=session)
        )
        assert reason.code is Rule.BIRTH_DATE


async def test_ten_refusals_a_session(core: AuthService) -> None:
    await refusals(core, 10, "one")
    with pytest.raises(TooManyRefusals):
        await core.check_password(PIN_HOLDER, GOOD, replace(WEB, reference="one"))
    assert await core.check_password(PIN_HOLDER, GOOD, replace(WEB, reference="two")) == ()


async def test_twenty_refusals_a_day(core: AuthService, house: House) -> None:
    for session in range(5):
        await refusals(core, 4, str(session))
    for candidate in (GOOD, BIRTH_DATE):
        with pytest.raises(TooManyRefusals):
            await core.check_password(PIN_HOLDER, candidate, replace(WEB, reference="new"))
    assert await core.check_password(PASSWORD_HOLDER, GOOD, WEB) == ()
    house.advance(days=1)
    assert await core.check_password(PIN_HOLDER, GOOD, WEB) == ()


async def test_creating_and_checking_share_the_limit(core: AuthService) -> None:
    await refusals(core, 9, WEB.reference)
    result = await core.create_password(PIN_HOLDER, Secret("4821"), BIRTH_DATE, WEB)
    assert result.outcome is Creation.UNACCEPTABLE
    with pytest.raises(TooManyRefusals):
        await core.create_password(PIN_HOLDER, Secret("4821"), GOOD, WEB)
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_reused_secrets_count_too(core: AuthService) -> None:
    await refusals(core, 9, WEB.reference)
    reused = await core.create_password(PIN_HOLDER, Secret("4821"), Secret("48211403"), WEB)
    assert [reason.code for reason in reused.reasons] == [Rule.REUSED]
    with pytest.raises(TooManyRefusals):
        await core.check_password(PIN_HOLDER, GOOD, WEB)


async def test_refusals_are_kept_without_what_was_refused(core: AuthService) -> None:
    await refusals(core, 1, "one")
    entry = (await core.show(PIN_HOLDER, "tester")).entries[1]
    assert (entry.act, dict(entry.detail)) == ("password_refused", {"rules": ["birth_date"]})


async def test_what_is_acceptable_is_no_refusal(core: AuthService) -> None:
    for _ in range(25):
        assert await core.check_password(PIN_HOLDER, GOOD, WEB) == ()


async def test_no_file_no_judgement(core: AuthService) -> None:
    with pytest.raises(UnknownFile):
        await core.check_password(NOBODY, GOOD, WEB)

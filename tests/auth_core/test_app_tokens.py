"""What an app holds for somebody who is in: for a while, until the secret changes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from auth_core import AuthService, Channel, FileStatus, Role, Secret, SessionEnded, Source
from tests.auth_core.conftest import (
    APPLICANT,
    OWNER,
    PASSWORD_HOLDER,
    WEB,
    House,
    ask_provisional,
)

PASSWORD = "49205817"
NEW = "52917364"
APP = Source(Channel.APP, reference="request-2")


async def token(core: AuthService, source: Source = APP) -> str:
    verdict = await core.authenticate(PASSWORD_HOLDER, Secret(PASSWORD), source)
    assert verdict.session is not None
    return await core.app_tokens.issue(verdict.session)


async def is_over(core: AuthService, token: str) -> bool:
    try:
        await core.app_tokens.session_of(token)
    except SessionEnded:
        return True
    return False


async def test_a_token_gives_the_session_back(core: AuthService) -> None:
    verdict = await core.authenticate(PASSWORD_HOLDER, Secret(PASSWORD), APP)
    assert verdict.session is not None
    held = await core.app_tokens.issue(verdict.session)
    assert await core.app_tokens.session_of(held) == verdict.session
    assert len(await core.payments(await core.app_tokens.session_of(held))) == 3


async def test_two_nodes_share_tokens(core: AuthService, house: House) -> None:
    held = await token(core)
    other = await house.open()
    assert (await other.app_tokens.session_of(held)).matricule == PASSWORD_HOLDER.matricule
    await other.close()


@pytest.mark.parametrize("invented", ["", "é" * 200, "A" * 43])
async def test_an_invented_token_is_no_session(core: AuthService, invented: str) -> None:
    await token(core)
    assert await is_over(core, invented)


async def test_who_logs_out_ends_that_session_alone(core: AuthService) -> None:
    one, other = await token(core), await token(core)
    await core.app_tokens.revoke(one)
    assert await is_over(core, one)
    assert not await is_over(core, other)
    await core.app_tokens.revoke(one)


async def test_it_ends_when_nothing_was_asked_for_half_an_hour(
    core: AuthService, house: House
) -> None:
    held = await token(core)
    for _ in range(3):
        house.advance(minutes=29, seconds=59)
        await core.app_tokens.session_of(held)
    house.advance(minutes=30)
    assert await is_over(core, held)


async def test_it_ends_after_twelve_hours_however_busy(core: AuthService, house: House) -> None:
    held = await token(core)
    began = house.now
    while house.now < began + timedelta(hours=12) - timedelta(minutes=20):
        house.advance(minutes=20)
        await core.app_tokens.session_of(held)
    house.advance(minutes=20)
    assert await is_over(core, held)


Act = Callable[[AuthService], Awaitable[object]]
ACTS: dict[str, Act] = {
    "create": lambda core: core.create_password(
        PASSWORD_HOLDER, Secret(PASSWORD), Secret(NEW), replace(WEB, reference="elsewhere")
    ),
    "nims": lambda core: core.nims(PASSWORD_HOLDER, "tester"),
    "separate": lambda core: core.separate(PASSWORD_HOLDER, Role.BENEFICIARY, "tester"),
    "transfer": lambda core: core.transfer(PASSWORD_HOLDER, "691", "tester"),
    "close": lambda core: core.close_file(PASSWORD_HOLDER, "tester"),
}


@pytest.mark.parametrize("act", ACTS)
async def test_browsers_a_token_and_a_call_end_when_the_secret_changes(
    core: AuthService, act: str
) -> None:
    held = await token(core)
    sessions = [
        (await core.authenticate(PASSWORD_HOLDER, Secret(PASSWORD), source)).session
        for source in (WEB, WEB, OWNER)
    ]
    await ACTS[act](core)
    assert await is_over(core, held)
    for session in sessions:
        assert session is not None
        with pytest.raises(SessionEnded):
            await core.payments(session)


async def test_the_first_use_of_a_pending_provisional_ends_what_the_password_opened(
    core: AuthService, house: House
) -> None:
    held = await token(core)
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    assert not await is_over(core, held), "asking revokes nothing"
    provisional = await house.provisional(PASSWORD_HOLDER)
    verdict = await core.authenticate(PASSWORD_HOLDER, Secret(provisional), WEB)
    assert verdict.session is not None
    assert await is_over(core, held)


async def test_who_created_a_password_stays_in(core: AuthService) -> None:
    before = await token(core)
    result = await core.create_password(PASSWORD_HOLDER, Secret(PASSWORD), Secret(NEW), WEB)
    assert result.session is not None
    held = await core.app_tokens.issue(result.session)
    assert await is_over(core, before)
    assert await core.app_tokens.session_of(held) == result.session
    assert not core.must_create_password(result.session)


async def test_affiliation_opens_the_services_to_who_is_in(core: AuthService) -> None:
    verdict = await core.authenticate(APPLICANT, Secret("70316284"), APP)
    assert verdict.session is not None
    assert core.must_create_password(verdict.session)
    held = await core.app_tokens.issue(verdict.session)
    await core.affiliate(APPLICANT, "tester")
    assert (await core.app_tokens.session_of(held)).status is FileStatus.AFFILIATED


async def test_no_token_lies_in_clear_on_the_disk(core: AuthService, house: House) -> None:
    held = await token(core)
    await core.app_tokens.session_of(held)
    assert not [file for file in house.written() if held.encode() in file.read_bytes()]


async def test_tokens_that_are_over_do_not_pile_up(core: AuthService, house: House) -> None:
    for _ in range(3):
        await token(core)
        house.advance(hours=12)
    await token(core)
    async with core._database.begin() as connection:
        rows = await connection.exec_driver_sql("SELECT count(*) FROM app_tokens")
    assert rows.scalar() == 1

"""Creating a password: what came before is over at once, and bad choices are refused."""

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import (
    AuthError,
    AuthService,
    Creation,
    Identity,
    Rule,
    Secret,
    Source,
    Verdict,
)
from auth_core.delivery.outbox import MessageKind
from auth_core.model import CaseFile
from auth_core.store import repository
from tests.auth_core.conftest import (
    APPLICANT,
    EXPIRED_PASSWORD,
    EXPIRED_PROVISIONAL,
    NOBODY,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    STRANGER,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
)

NEW = "52917364"


async def create(core: AuthService, identity: Identity, present: str, new: str) -> Creation:
    result = await core.create_password(identity, Secret(present), Secret(new), WEB)
    return result.outcome


async def refused_by(core: AuthService, identity: Identity, present: str, new: str) -> set[Rule]:
    result = await core.create_password(identity, Secret(present), Secret(new), WEB)
    assert result.outcome is Creation.UNACCEPTABLE
    return {reason.code for reason in result.reasons}


async def test_the_pin_is_refused_the_moment_a_password_exists(core: AuthService) -> None:
    assert await create(core, PIN_HOLDER, "4821", NEW) is Creation.CREATED
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await is_in(core, PIN_HOLDER, NEW)


@pytest.mark.parametrize(
    ("identity", "present"),
    [(PASSWORD_HOLDER, "49205817"), (APPLICANT, "70316284"), (EXPIRED_PASSWORD, "58147036")],
)
async def test_every_usable_secret_and_an_expired_password_can_be_replaced(
    core: AuthService, identity: Identity, present: str
) -> None:
    assert await create(core, identity, present, NEW) is Creation.CREATED
    assert await is_in(core, identity, NEW)
    assert not await is_in(core, identity, present)


async def test_an_expired_provisional_cannot(core: AuthService) -> None:
    assert await create(core, EXPIRED_PROVISIONAL, "60418275", NEW) is Creation.REFUSED


async def test_a_wrong_present_secret_is_a_failure_like_any_other(core: AuthService) -> None:
    for _ in range(5):
        assert await create(core, PIN_HOLDER, "0000", NEW) is Creation.REFUSED
    assert await create(core, PIN_HOLDER, "4821", NEW) is Creation.REFUSED


async def test_it_does_not_exist_on_the_telephone(core: AuthService) -> None:
    with pytest.raises(AuthError, match=r"caf\.fr"):
        await core.create_password(PIN_HOLDER, Secret("4821"), Secret(NEW), STRANGER)
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_a_new_secret_starts_at_zero(core: AuthService) -> None:
    await guess(core, 4)
    await create(core, PIN_HOLDER, "4821", NEW)
    assert (await core.show(PIN_HOLDER, "tester")).failures == 0


async def test_it_cancels_a_provisional_on_its_way(core: AuthService, house: House) -> None:
    await ask_provisional(core, EXPIRED_PASSWORD, "3001")
    provisional = await house.provisional(EXPIRED_PASSWORD)
    assert await create(core, EXPIRED_PASSWORD, "58147036", NEW) is Creation.CREATED
    [(_, erased), (notice, _)] = await house.outbox(EXPIRED_PASSWORD)
    assert erased is None
    assert notice.kind is MessageKind.PASSWORD_CHANGED
    assert not await is_in(core, EXPIRED_PASSWORD, provisional)


async def test_the_rules_are_judged_on_the_file(core: AuthService) -> None:
    assert await refused_by(core, PIN_HOLDER, "4821", "14031985") == {Rule.BIRTH_DATE}
    assert await refused_by(core, PIN_HOLDER, "4821", "77777777") >= {Rule.IDENTICAL}
    assert await refused_by(core, PIN_HOLDER, "4821", "1234") == {Rule.FORMAT}
    assert await is_in(core, PIN_HOLDER, "4821")


@pytest.mark.parametrize("new", ["48211403", "14034821", "48210000", "00004821"])
async def test_a_password_may_not_be_a_writing_of_the_pin(core: AuthService, new: str) -> None:
    assert await refused_by(core, PIN_HOLDER, "4821", new) == {Rule.REUSED}


async def test_the_last_password_is_refused_whatever_came_between(
    core: AuthService, house: House
) -> None:
    assert await refused_by(core, PASSWORD_HOLDER, "49205817", "49205817") == {Rule.REUSED}
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    provisional = await house.provisional(PASSWORD_HOLDER)
    assert await is_in(core, PASSWORD_HOLDER, provisional)
    for reused in ("49205817", provisional):
        assert await refused_by(core, PASSWORD_HOLDER, provisional, reused) == {Rule.REUSED}
    assert not await is_in(core, PASSWORD_HOLDER, "49205817")


async def test_a_password_lives_two_years(core: AuthService, house: House) -> None:
    await create(core, PIN_HOLDER, "4821", NEW)
    house.now = house.now.replace(year=2028, hour=22, minute=59)
    assert await is_in(core, PIN_HOLDER, NEW)
    house.advance(minutes=1)
    verdict = await core.authenticate(PIN_HOLDER, Secret(NEW), WEB)
    assert verdict.outcome.value == "expired"


@pytest.mark.parametrize(
    ("identity", "present"), [(PIN_HOLDER, "4821"), (EXPIRED_PASSWORD, "58147036")]
)
async def test_of_two_channels_that_create_at_once_one_wins(
    core: AuthService, monkeypatch: pytest.MonkeyPatch, identity: Identity, present: str
) -> None:
    authenticate = core._authenticator.authenticate
    raced = False

    async def overtaken(who: Identity, secret: Secret, source: Source, born: str | None) -> Verdict:
        nonlocal raced
        verdict = await authenticate(who, secret, source, born)
        if not raced:
            raced = True
            assert await create(core, identity, present, "83617294") is Creation.CREATED
        return verdict

    monkeypatch.setattr(core._authenticator, "authenticate", overtaken)
    assert await create(core, identity, present, NEW) is Creation.REFUSED
    assert await is_in(core, identity, "83617294")
    assert not await is_in(core, identity, NEW)


async def test_a_refusal_takes_as_long_whatever_is_known_of_the_file(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.close_file(PASSWORD_HOLDER, "tester")
    find_file = repository.find_file

    async def slowly(connection: AsyncConnection, identity: Identity) -> CaseFile | None:
        found = await find_file(connection, identity)
        house.monotonic += 0.01 if found is None else 0.05
        return found

    monkeypatch.setattr(repository, "find_file", slowly)
    for identity, present in [
        (PIN_HOLDER, "0000"),
        (PASSWORD_HOLDER, "49205817"),
        (EXPIRED_PROVISIONAL, "00000000"),
        (NOBODY, "0000"),
    ]:
        begun = house.monotonic
        assert await create(core, identity, present, NEW) is Creation.REFUSED
        assert house.monotonic - begun == pytest.approx(house.settings.failure_floor)

"""Asking for a provisional without being in: it tells nothing and revokes nothing until used."""

import asyncio

import pytest

from auth_core import (
    AuthService,
    Channel,
    DeliveryChoice,
    Identity,
    Overloaded,
    Secret,
    Source,
    credentials,
)
from auth_core.delivery.outbox import MessageKind
from auth_core.model import Slot
from auth_core.rules import reasons
from auth_core.store import repository
from auth_core.store.database import Database
from tests.auth_core.conftest import (
    NO_MOBILE,
    NOBODY,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    STRANGER,
    WEB,
    House,
    ask_provisional,
    is_in,
    without_room,
)

SMS, LETTER = DeliveryChoice.SMS, DeliveryChoice.LETTER


async def slots(core: AuthService, identity: Identity) -> set[Slot]:
    return {secret.slot for secret in (await core.show(identity, "tester")).secrets}


async def test_one_pending_provisional_goes_to_the_mobile_on_file(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    [(message, text)] = await house.outbox(PIN_HOLDER)
    assert message.destination.way is SMS
    assert message.destination.address == "+33639980123"
    assert text is not None
    assert "02/05/2026" in text
    # A random secret may hold the three digits of a Caf by chance.
    beside = text.replace(await house.provisional(PIN_HOLDER), "")
    for told in ("751", "0123456", "28503751", "http", "www", "caf.fr", "Moreau"):
        assert told not in beside
    assert await slots(core, PIN_HOLDER) == {Slot.LIVE, Slot.PENDING}


async def test_a_letter_goes_to_the_owner_s_address(core: AuthService, house: House) -> None:
    await ask_provisional(core, by=LETTER)
    [(message, _)] = await house.outbox(PIN_HOLDER)
    assert message.destination.way is LETTER
    assert message.destination.address == "Camille Moreau\n12 rue de la Roquette\n75011 PARIS"


async def test_sms_without_a_mobile_becomes_a_letter(core: AuthService, house: House) -> None:
    await ask_provisional(core, NO_MOBILE, "0809", SMS)
    [(message, _)] = await house.outbox(NO_MOBILE)
    assert message.destination.way is LETTER


async def test_a_mobile_changed_lately_gets_no_secret(core: AuthService, house: House) -> None:
    house.now = house.now.replace(year=2025, month=1, day=31)
    await ask_provisional(core)  # the mobile came on file on 26 January 2025
    [(message, _)] = await house.outbox(PIN_HOLDER)
    assert message.destination.way is LETTER


async def test_the_live_secret_works_until_the_provisional_is_used(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    provisional = await house.provisional(PIN_HOLDER)
    assert await is_in(core, PIN_HOLDER, provisional)
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await is_in(core, PIN_HOLDER, provisional)
    told = [message.kind for message, text in await house.outbox(PIN_HOLDER) if text is not None]
    assert told == [MessageKind.SECRET_REVOKED]
    assert await slots(core, PIN_HOLDER) == {Slot.LIVE}


async def test_using_the_live_secret_revokes_the_provisional(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    provisional = await house.provisional(PIN_HOLDER)
    assert await is_in(core, PIN_HOLDER, "4821")
    assert not await is_in(core, PIN_HOLDER, provisional)
    assert [text for _, text in await house.outbox(PIN_HOLDER)] == [None]


async def test_one_hash_judges_a_try_against_both(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    hashes = 0
    real = credentials._argon2id

    def counted(*args: object) -> bytes:
        nonlocal hashes
        hashes += 1
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(credentials, "_argon2id", counted)
    assert not await is_in(core, PASSWORD_HOLDER, "11112222")
    assert hashes == 1


async def test_a_second_request_within_15_minutes_writes_nothing(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    before = await house.outbox(PIN_HOLDER)
    house.advance(minutes=14, seconds=59)
    await ask_provisional(core)
    assert await house.outbox(PIN_HOLDER) == before
    house.advance(seconds=1)
    await ask_provisional(core)
    after = await house.outbox(PIN_HOLDER)
    assert [text is None for _, text in after] == [True, False]


async def test_three_requests_a_day_for_a_file(core: AuthService, house: House) -> None:
    for _ in range(5):
        await ask_provisional(core)
        house.advance(minutes=20)
    assert len(await house.outbox(PIN_HOLDER)) == 3
    house.advance(days=1)
    await ask_provisional(core)
    assert len(await house.outbox(PIN_HOLDER)) == 4


async def test_three_requests_a_day_from_a_number(core: AuthService, house: House) -> None:
    for _ in range(3):
        await ask_provisional(core, NOBODY, source=STRANGER)
    await ask_provisional(core, source=STRANGER)
    assert await house.outbox(PIN_HOLDER) == []
    await ask_provisional(core, source=Source(Channel.TELEPHONE))
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_requests_at_once_are_one(core: AuthService, house: House) -> None:
    await asyncio.gather(*(ask_provisional(core) for _ in range(8)))
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_nothing_tells_what_came_of_a_request(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = 0
    real = credentials._argon2id

    def counted(*args: object) -> bytes:
        nonlocal hashes
        hashes += 1
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(credentials, "_argon2id", counted)
    seen = set()
    for identity, day_month in [
        (PIN_HOLDER, "1403"),  # served
        (PIN_HOLDER, "1403"),  # too soon
        (PIN_HOLDER, "1404"),
        (PIN_HOLDER, ""),
        (PIN_HOLDER, "é" * 1000),
        (NOBODY, "1403"),
    ]:
        hashes, begun = 0, house.monotonic
        await ask_provisional(core, identity, day_month)
        seen.add((round(house.monotonic - begun, 6), hashes))
    assert seen == {(house.settings.failure_floor, 1)}
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_who_asks_too_often_costs_no_hash_and_is_told_nothing(
    core: AuthService, house: House
) -> None:
    for _ in range(house.settings.lost_password.per_caller_per_day):
        await ask_provisional(core, NOBODY, source=STRANGER)
    done = core.hashing.done
    for identity in (PIN_HOLDER, NOBODY):
        begun = house.monotonic
        await ask_provisional(core, identity, source=STRANGER)
        assert house.monotonic - begun == pytest.approx(house.settings.failure_floor)
    assert core.hashing.done == done


async def test_a_request_that_finds_no_room_is_not_charged(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_room(monkeypatch):
        for _ in range(house.settings.lost_password.per_caller_per_day):
            with pytest.raises(Overloaded):
                await ask_provisional(core, source=STRANGER)
    await ask_provisional(core, source=STRANGER)
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_a_wrong_day_writes_nothing_on_the_file(core: AuthService, house: House) -> None:
    before = await core.show(PIN_HOLDER, "tester")
    await ask_provisional(core, day_month="1503")
    after = await core.show(PIN_HOLDER, "tester")
    assert [e.act for e in after.entries[1:]] == [e.act for e in before.entries]
    assert after.secrets == before.secrets
    assert await house.outbox(PIN_HOLDER) == []


async def test_provisionals_pass_the_rules(core: AuthService, house: House) -> None:
    drawn = iter(["12345678", "14031985", "0123456" + "7", "52917364"])
    monkeypatched = pytest.MonkeyPatch()
    monkeypatched.setattr("auth_core.issuing.random_provisional", lambda: Secret(next(drawn)))
    await ask_provisional(core)
    monkeypatched.undo()
    assert await house.provisional(PIN_HOLDER) == "52917364"
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        case_file = await repository.find_file(connection, PIN_HOLDER)
        assert case_file is not None
        case_file = await repository.with_people(connection, case_file)
    await database.close()
    assert reasons("52917364", case_file) == ()


async def test_a_provisional_lives_two_months(core: AuthService, house: House) -> None:
    await ask_provisional(core)
    provisional = await house.provisional(PIN_HOLDER)
    house.now = house.now.replace(month=5, day=2, hour=21, minute=59)
    assert await is_in(core, PIN_HOLDER, provisional)
    house.advance(minutes=1)  # 24:00 of 2 May in Paris
    verdict = await core.authenticate(PIN_HOLDER, Secret(provisional), WEB)
    assert verdict.outcome.value == "expired"

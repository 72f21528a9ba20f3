"""What the calendar does to secrets, and whom it tells before."""

from datetime import UTC, date, datetime

from auth_core import AuthService, Outcome, Secret
from auth_core.delivery.outbox import MessageKind
from auth_core.model import Slot
from tests.auth_core.conftest import (
    EXPIRED_PASSWORD,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    WEB,
    House,
    ask_provisional,
    is_in,
)

# Of the demo's passwords of 2 February 2026: 24:00 of 2 February 2028 in Paris.
LAST_DAY = datetime(2028, 2, 2, 12, tzinfo=UTC)


async def kinds(house: House) -> list[MessageKind]:
    return [message.kind for message, _ in await house.outbox(PASSWORD_HOLDER)]


async def test_owners_are_told_once_30_days_before(core: AuthService, house: House) -> None:
    house.now = LAST_DAY.replace(month=1, day=3)
    assert (await core.expire("nightly")).told == 0
    house.advance(days=1)
    assert (await core.expire("nightly")).told == 2  # another demo password is as old
    assert (await core.expire("nightly")).told == 0
    [(message, text)] = await house.outbox(PASSWORD_HOLDER)
    assert message.kind is MessageKind.PASSWORD_EXPIRES
    assert text is not None
    assert "02/02/2028" in text


async def test_a_new_password_cancels_what_was_to_be_told(core: AuthService, house: House) -> None:
    house.now = LAST_DAY
    await core.expire("nightly")
    await core.create_password(PASSWORD_HOLDER, Secret("49205817"), Secret("52917364"), WEB)
    [(_, told), (_, changed)] = await house.outbox(PASSWORD_HOLDER)
    assert told is None
    assert changed is not None
    assert (await core.expire("nightly")).told == 0


async def test_an_expired_password_stays_so_that_its_owner_is_told_so(
    core: AuthService, house: House
) -> None:
    assert (await core.expire("nightly")).told == 0
    verdict = await core.authenticate(EXPIRED_PASSWORD, Secret("58147036"), WEB)
    assert verdict.outcome is Outcome.EXPIRED


async def test_a_pending_provisional_that_has_passed_its_date_goes(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    house.now = datetime(2026, 5, 2, 21, 59, tzinfo=UTC)
    assert (await core.expire("nightly")).erased == 0
    house.advance(minutes=1)
    assert (await core.expire("nightly")).erased == 1
    story = await core.show(PIN_HOLDER, "tester")
    assert [secret.slot for secret in story.secrets] == [Slot.LIVE]
    assert [text for _, text in await house.outbox(PIN_HOLDER)] == [None]
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_the_pin_era_can_end_on_a_date(house: House) -> None:
    core = await house.open(pin_until=date(2026, 3, 2))
    assert await is_in(core, PIN_HOLDER, "4821")
    house.now = datetime(2026, 3, 2, 23, tzinfo=UTC)  # 24:00 in Paris
    verdict = await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert verdict.outcome is Outcome.EXPIRED
    await core.close()

"""What tries to come in add up to: verdicts, and what slowed them; never why one was refused."""

from auth_core import AuthService, DeliveryChoice, Outcome
from auth_core.model import Channel
from auth_core.tally import Throttle
from tests.auth_core.conftest import NOBODY, PIN_HOLDER, STRANGER, House, guess, is_in


async def test_verdicts_are_counted_by_outcome_and_the_kind_of_a_right_secret(
    core: AuthService,
) -> None:
    assert await is_in(core, PIN_HOLDER, "4821", STRANGER)
    await guess(core, 2)
    await guess(core, 1, NOBODY)
    assert sum(core.tally.verdicts.values()) == 4
    channel = STRANGER.channel
    assert core.tally.verdicts[channel, Outcome.GRANTED, "pin"] == 1


async def test_tries_at_a_locked_file_are_counted(core: AuthService, house: House) -> None:
    await guess(core, house.settings.max_failures)
    assert core.tally.throttled[Throttle.LOCKED] == 0
    await guess(core, 2)
    assert core.tally.throttled[Throttle.LOCKED] == 2


async def test_a_lost_password_asked_for_is_counted_served_or_not(core: AuthService) -> None:
    await core.request_lost_password(NOBODY, "0101", DeliveryChoice.SMS, STRANGER)
    assert core.tally.lost_passwords == {Channel.TELEPHONE: 1}

"""No free guess: the allowance of a file and of a caller, whatever the timing."""

import asyncio

import pytest

from auth_core import AuthError, AuthService, Channel, Outcome, Secret, Source, credentials
from auth_core.store import throttles
from auth_core.store.database import Conflict
from tests.auth_core.conftest import (
    NOBODY,
    OWNER,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    STRANGER,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
    judgements,
)


async def failures(core: AuthService) -> int:
    return (await core.show(PIN_HOLDER, "tester")).failures


async def locked(core: AuthService) -> bool:
    return bool((await core.show(PIN_HOLDER, "tester")).locked_until)


async def test_five_failures_lock_and_the_right_secret_fails_uncounted(
    core: AuthService, house: House
) -> None:
    await guess(core, 4)
    assert not await locked(core)
    await guess(core, 1)
    assert await locked(core)
    house.advance(minutes=14, seconds=59)
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await failures(core) == 5
    house.advance(seconds=1)
    assert await is_in(core, PIN_HOLDER, "4821")
    assert await failures(core) == 0


async def test_locks_grow_four_times_up_to_a_day(core: AuthService, house: House) -> None:
    lengths = []
    for _ in range(3):
        await guess(core, 5)
        story = await core.show(PIN_HOLDER, "tester")
        lengths.append((story.locked_until[0][1] - house.now).total_seconds() / 60)
        house.now = story.locked_until[0][1]
    assert lengths == [15, 60, 240]
    await guess(core, 1)
    assert await is_in(core, PIN_HOLDER, "4821")
    await guess(core, 5)
    story = await core.show(PIN_HOLDER, "tester")
    assert (story.locked_until[0][1] - house.now).total_seconds() == 15 * 60


async def test_a_try_of_another_length_is_not_counted_on_the_file(core: AuthService) -> None:
    for _ in range(8):
        assert not await is_in(core, PASSWORD_HOLDER, "4821")
    assert (await core.show(PASSWORD_HOLDER, "tester")).failures == 0
    assert await is_in(core, PASSWORD_HOLDER, "49205817")


async def test_fifty_parallel_guesses_get_five(
    core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = judgements(core, monkeypatch)
    guesses = [Secret(f"{n:04}") for n in range(49)]
    verdicts = await asyncio.gather(
        *(core.authenticate(PIN_HOLDER, secret, WEB) for secret in guesses),
        core.authenticate(PIN_HOLDER, Secret("4821"), WEB),
    )
    assert len(judged) == 5
    assert all(verdict.outcome is Outcome.REFUSED for verdict in verdicts)
    assert await failures(core) == 5


async def test_two_nodes_on_one_database_share_the_allowance(
    core: AuthService, house: House
) -> None:
    other = await house.open()
    await asyncio.gather(*(guess(node, 1) for node in [core, other] * 10))
    assert await failures(core) == 5
    await other.close()


async def test_a_crash_in_the_hash_leaves_the_charge(
    core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(credentials, "_argon2id", crash)
    for _ in range(3):
        with pytest.raises(MemoryError):
            await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert await failures(core) == 3


async def test_hanging_up_while_the_hash_is_computed_leaves_the_charge(
    core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def held_up(*_: object) -> bytes:
        reached.set()
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr(core._hasher, "_raw", held_up)
    task = asyncio.create_task(core.authenticate(PIN_HOLDER, Secret("4821"), WEB))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await failures(core) == 1


async def test_a_success_clears_only_what_was_charged_before_it(
    core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guess(core, 2)
    charged, later = asyncio.Event(), asyncio.Event()
    real = core._hasher._raw

    async def waiting(*args: object) -> bytes:
        if not charged.is_set():
            charged.set()
            await later.wait()
        return await real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(core._hasher, "_raw", waiting)
    right = asyncio.create_task(core.authenticate(PIN_HOLDER, Secret("4821"), WEB))
    await charged.wait()
    await guess(core, 1)
    later.set()
    assert (await right).outcome is Outcome.GRANTED
    assert await failures(core) == 1


async def test_a_number_on_file_has_an_allowance_of_its_own(
    core: AuthService, house: House
) -> None:
    await guess(core, 5)
    assert not await is_in(core, PIN_HOLDER, "4821", STRANGER)
    assert await is_in(core, PIN_HOLDER, "4821", OWNER)


async def test_a_number_on_file_is_locked_after_five_of_its_own(core: AuthService) -> None:
    await guess(core, 5, source=OWNER)
    assert not await is_in(core, PIN_HOLDER, "4821", OWNER)
    assert await is_in(core, PIN_HOLDER, "4821", WEB)


async def test_strangers_and_the_owner_have_25_tries_a_day_together(house: House) -> None:
    core = await house.open(
        lock={"first_minutes": 1, "factor": 1}, callers={"busy_after": 1000, "slow_after": 1000}
    )
    own_phone = Source(Channel.TELEPHONE, caller="0639980234")
    counts = []
    for source in (WEB, own_phone, WEB):
        for _ in range(30):
            await core.authenticate(PASSWORD_HOLDER, Secret("11112222"), source)
            house.advance(minutes=2)
        counts.append((await core.show(PASSWORD_HOLDER, "tester")).failures)
    assert counts == [20, 25, 25]
    assert not await is_in(core, PASSWORD_HOLDER, "49205817", own_phone)
    house.advance(days=1)
    assert await is_in(core, PASSWORD_HOLDER, "49205817", own_phone)
    await core.close()


async def test_twenty_failures_shut_a_pin_until_a_provisional_is_used(
    core: AuthService, house: House
) -> None:
    for _ in range(4):
        await guess(core, 5)
        house.advance(days=1)
    house.advance(days=2)
    assert not await is_in(core, PIN_HOLDER, "4821")
    with pytest.raises(AuthError, match="provisional"):
        await core.unlock(PIN_HOLDER, "tester")
    await ask_provisional(core)
    provisional = await house.provisional(PIN_HOLDER)
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await is_in(core, PIN_HOLDER, provisional)
    assert await failures(core) == 0


async def test_an_agent_unlocks(core: AuthService) -> None:
    await guess(core, 5)
    await core.unlock(PIN_HOLDER, "tester")
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_a_number_that_sprays_is_slowed_then_busy(core: AuthService, house: House) -> None:
    for _ in range(10):
        await core.authenticate(NOBODY, Secret("4821"), STRANGER)
    assert 2.0 not in house.slept
    for _ in range(10):
        verdict = await core.authenticate(NOBODY, Secret("4821"), STRANGER)
        assert not verdict.busy
    assert house.slept.count(2.0) == 10
    verdict = await core.authenticate(PIN_HOLDER, Secret("4821"), STRANGER)
    assert (verdict.outcome, verdict.busy) == (Outcome.REFUSED, True)
    assert await is_in(core, PIN_HOLDER, "4821", OWNER)
    house.advance(hours=1)
    assert await is_in(core, PIN_HOLDER, "4821", STRANGER)


async def test_a_withheld_number_is_slowed_and_never_busy(core: AuthService, house: House) -> None:
    withheld = Source(Channel.TELEPHONE)
    for _ in range(40):
        verdict = await core.authenticate(NOBODY, Secret("4821"), withheld)
        assert not verdict.busy
    assert house.slept.count(2.0) == 30


async def test_right_secrets_never_make_a_number_busy(core: AuthService) -> None:
    for _ in range(30):
        assert await is_in(core, PIN_HOLDER, "4821", STRANGER)


async def test_the_charge_is_one_conditional_update(core: AuthService) -> None:
    async with core._database.begin() as connection:
        revision, throttle = await throttles.file_throttle(connection, "demo-751-0123456")
        await throttles.replace_file_throttle(connection, "demo-751-0123456", revision, throttle)
        with pytest.raises(Conflict):
            await throttles.replace_file_throttle(
                connection, "demo-751-0123456", revision, throttle
            )

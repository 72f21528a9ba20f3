"""Hashing beside the sound of calls: bounded, polite, counted."""

import asyncio
import os
import threading

import pytest

from auth_core import AuthService, Overloaded, Secret
from auth_core.hash_pool import POLITENESS, WAIT_BOUNDS, HashPool
from tests.auth_core.conftest import PIN_HOLDER, STRANGER, House, is_in, without_room


async def test_what_is_hashed_yields_to_the_rest_of_the_process() -> None:
    pool = HashPool(1, 1)
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert theirs == min(19, ours + POLITENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == ours
    pool.close()


async def held(pool: HashPool) -> tuple[asyncio.Task[None], threading.Event]:
    """A hash that has the only thread until the event is set."""
    gate, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(10)

    task = asyncio.create_task(pool.run(hold))
    await asyncio.to_thread(begun.wait, 10)
    return task, gate


async def test_who_comes_when_too_many_wait_is_told_so() -> None:
    pool = HashPool(1, 1)
    first, gate = await held(pool)
    pool.check_room()
    second = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="try again later"):
        pool.check_room()
    gate.set()
    await asyncio.gather(first, second)
    pool.check_room()
    figures = pool.figures
    assert (figures.done, figures.waiting, figures.refused) == (2, 0, 1)
    pool.close()


async def test_who_gives_up_waiting_makes_room() -> None:
    pool = HashPool(1, 1)
    first, gate = await held(pool)
    second = asyncio.create_task(pool.run(lambda: None))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    assert pool.figures.waiting == 0
    gate.set()
    await first
    pool.close()


async def test_waits_are_counted_by_how_long_they_were() -> None:
    times = iter([0.0, 0.03, 1.0, 1.2])
    pool = HashPool(1, 1, lambda: next(times))
    for _ in range(2):
        await pool.run(lambda: None)
    counts = dict(zip((*WAIT_BOUNDS, None), pool.figures.waits, strict=True))
    assert {bound for bound, count in counts.items() if count} == {0.05, 0.25}
    assert pool.figures.waited == pytest.approx(0.23)
    pool.close()


async def test_a_try_that_finds_no_room_is_neither_judged_nor_charged(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_room(monkeypatch):
        for _ in range(house.settings.max_failures + 1):
            with pytest.raises(Overloaded):
                await core.authenticate(PIN_HOLDER, Secret("1111"), STRANGER)
    assert await is_in(core, PIN_HOLDER, "4821")

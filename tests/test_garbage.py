"""When garbage that refers to itself is collected."""

import asyncio
import gc
import weakref

import pytest

from ivr import garbage
from ivr.garbage import collect_when_quiet, in_our_hands, keep_the_young_few


class Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


async def wait_for(collected: weakref.ref[Knot], calls: int, seconds: float = 0.1) -> bool:
    """Whether it is gone after a while with so many calls."""
    task = asyncio.create_task(collect_when_quiet(lambda: calls, every=0.01))
    await asyncio.sleep(seconds)
    task.cancel()
    return collected() is None


def old_garbage() -> weakref.ref[Knot]:
    """A knot that survived the look at the young ones, and that nobody holds any more."""
    knot = Knot()
    gc.collect(1)
    return weakref.ref(knot)


async def test_it_waits_until_there_are_no_calls() -> None:
    with in_our_hands():
        knot = old_garbage()
        assert not await wait_for(knot, calls=1)
        assert await wait_for(knot, calls=0)


async def test_a_long_day_has_its_collections_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LONGEST", 0.03)
    with in_our_hands():
        assert await wait_for(old_garbage(), calls=5)


async def test_the_young_grow_old_though_nothing_is_made() -> None:
    with in_our_hands():
        task = asyncio.create_task(keep_the_young_few(every=0.01))
        child = Knot()
        await asyncio.sleep(0.1)
        task.cancel()
        assert all(young is not child for young in gc.get_objects(generation=0))


async def test_garbage_that_is_young_goes_with_calls_up() -> None:
    with in_our_hands():
        task = asyncio.create_task(keep_the_young_few(every=0.01))
        gone = weakref.ref(Knot())
        await asyncio.sleep(0.1)
        task.cancel()
        assert gone() is None


def test_python_has_it_back_afterwards() -> None:
    before = gc.get_threshold()
    with in_our_hands():
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0

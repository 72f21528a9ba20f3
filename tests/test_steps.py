"""How long the event loop's steps take."""

import asyncio

from ivr.histogram import Histogram
from ivr.steps import STEP_BOUNDS, timed_loop


def test_a_step_that_holds_the_loop_up_is_counted_by_how_long_it_took() -> None:
    now = 0.0
    steps = Histogram(STEP_BOUNDS)

    async def hold_up() -> None:
        nonlocal now
        await asyncio.sleep(0)
        before = sum(steps.counts)
        now += 0.03
        await asyncio.sleep(0)
        assert sum(steps.counts) == before + 1

    with asyncio.Runner(loop_factory=lambda: timed_loop(steps, lambda: now)) as runner:
        runner.run(hold_up())
    assert steps.counts[STEP_BOUNDS.index(0.05)] == 1
    assert steps.total == 0.03


def test_waiting_for_something_is_no_step() -> None:
    now = 0.0
    steps = Histogram(STEP_BOUNDS)

    def clock() -> float:
        return now

    with asyncio.Runner(loop_factory=lambda: timed_loop(steps, clock)) as runner:
        runner.run(asyncio.sleep(0.02))
    assert steps.total == 0.0

"""How long the steps of the event loop take: what any of them takes, every other call waits."""

import asyncio
import selectors
import time
from collections.abc import Callable

from ivr.histogram import Histogram

STEP_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # seconds


class _Stopwatch(selectors.DefaultSelector):
    """Between two questions to the system the loop takes one step: all that was ready."""

    def __init__(self, steps: Histogram, clock: Callable[[], float]) -> None:
        super().__init__()
        self._steps = steps
        self._clock = clock
        self._begun = clock()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._steps.add(self._clock() - self._begun)
        try:
            return super().select(timeout)
        finally:
            self._begun = self._clock()


def timed_loop(
    steps: Histogram, clock: Callable[[], float] = time.monotonic
) -> asyncio.AbstractEventLoop:
    """An event loop that adds to `steps` how long each of its steps took, in seconds."""
    return asyncio.SelectorEventLoop(_Stopwatch(steps, clock))

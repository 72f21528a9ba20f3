"""The threads in which secrets are hashed: bounded, polite, and what they did is counted.

A hash takes tens of milliseconds of a core. Beside the sound of a thousand calls it must neither
take the core from them nor wait without end, so the threads are of a lower priority than the rest
of the process, and who comes when too many wait is told so instead of waiting.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from auth_core.errors import Overloaded

POLITENESS = 5
"""What the threads add to their nice value: a busy neighbour gets three times as much of a core."""
WAIT_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds

_Result = TypeVar("_Result")


@dataclass(slots=True)
class HashFigures:
    """What a pool did so far and does now. `waits[i]`: hashes that waited at most `WAIT_BOUNDS[i]`
    seconds for a thread (and longer than the bound before); the last counts all the longer ones."""

    waiting: int = 0
    done: int = 0
    refused: int = 0
    waited: float = 0.0
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BOUNDS) + 1))


class HashPool:
    """`threads` threads; `most_waiting` hashes may wait for one."""

    def __init__(
        self,
        threads: int,
        most_waiting: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="argon2", initializer=_step_back
        )
        self._most_waiting = most_waiting
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.figures = HashFigures()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check_room(self) -> None:
        """Raise `Overloaded` when so many wait that one more would wait too long."""
        if self.figures.waiting >= self._most_waiting:
            self.figures.refused += 1
            raise Overloaded(f"{self._most_waiting} secrets wait to be hashed; try again later")

    async def run(self, hashing: Callable[[], _Result]) -> _Result:
        """Call `hashing` in a thread once one is free."""
        begun = self._monotonic()
        with self._lock:
            self.figures.waiting += 1

        def in_turn() -> _Result:
            self._note(self._monotonic() - begun)
            return hashing()

        queued = self._threads.submit(in_turn)
        try:
            return await asyncio.wrap_future(queued)
        finally:
            if queued.cancelled():  # nobody waits for it any more, and it had not begun
                with self._lock:
                    self.figures.waiting -= 1

    def _note(self, waited: float) -> None:
        bucket = sum(waited > bound for bound in WAIT_BOUNDS)
        with self._lock:
            figures = self.figures
            figures.waiting -= 1
            figures.done += 1
            figures.waited += waited
            figures.waits[bucket] += 1


def _step_back() -> None:
    # On Linux a priority is a thread's; elsewhere, or where it may not be, it stays as it was.
    with contextlib.suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, thread) + POLITENESS
        os.setpriority(os.PRIO_PROCESS, thread, nice)

"""The timers of RFC 3261 (table 4), and the queue they wait in. Seconds, all of them."""

import heapq
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T1 = 0.5
T2 = 4.0
T4 = 5.0
TIMEOUT = 64 * T1  # timers B, F, H, J and L

# So many cancelled timers are not worth the trouble of sorting them out.
FEW = 1000

Fire = Callable[[float], None]
Key = TypeVar("Key")


class Timer:
    """One pending timer; `cancel` it as often as you like."""

    __slots__ = ("_fire", "_timers")

    def __init__(self, fire: Fire, timers: "Timers") -> None:
        self._fire: Fire | None = fire
        self._timers = timers

    @property
    def pending(self) -> bool:
        return self._fire is not None

    def cancel(self) -> None:
        if self._fire is not None:
            self._fire = None
            self._timers.cancelled()

    def fire(self, now: float) -> None:
        fire, self._fire = self._fire, None
        if fire is not None:
            fire(now)


class Timers:
    """A heap of timers. Cancelled ones leave when their time comes, or when they are most of it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, deadline: float, fire: Fire) -> Timer:
        """Call `fire(now)` from the first `advance` that reaches `deadline`."""
        timer = Timer(fire, self)
        self._order += 1
        heapq.heappush(self._heap, (deadline, self._order, timer))
        return timer

    def cancelled(self) -> None:
        """One more waits for nothing. A session's timer may do so for half an hour."""
        self._cancelled += 1
        if self._cancelled > max(FEW, len(self._heap) // 2):
            # In place: `advance` may be at work on this very list.
            self._heap[:] = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def advance(self, now: float) -> None:
        """Fire what is due, in order of deadline."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            self._pop().fire(now)

    def next_deadline(self) -> float | None:
        """When `advance` has something to do next."""
        heap = self._heap
        while heap and not heap[0][2].pending:
            self._pop()
        return heap[0][0] if heap else None

    def _pop(self) -> Timer:
        timer = heapq.heappop(self._heap)[2]
        if not timer.pending:
            self._cancelled -= 1
        return timer


class Forgetting(Generic[Key]):
    """Calls `forget(key, now)` for each key TIMEOUT after it was added, or up to T1 later.

    Thousands of keys wait at once and none is in a hurry, so all of one half second share a timer.
    """

    def __init__(self, timers: Timers, forget: Callable[[Key, float], object]) -> None:
        self._timers = timers
        self._forget = forget
        self._batch: list[Key] = []
        self._batch_ends = 0.0

    def add(self, key: Key, now: float) -> None:
        if not self._batch or now >= self._batch_ends:
            self._batch = []
            self._batch_ends = now + T1
            self._timers.at(self._batch_ends + TIMEOUT, partial(self._expire, self._batch))
        self._batch.append(key)

    def _expire(self, batch: list[Key], now: float) -> None:
        if batch is self._batch:
            self._batch = []
        for key in batch:
            self._forget(key, now)

"""The timers of RFC 3261 (table 4), and the queue they wait in. Seconds, all of them."""

import heapq
from collections.abc import Callable

T1 = 0.5
T2 = 4.0
T4 = 5.0
TIMEOUT = 64 * T1  # timers B, F, H, J and L

Fire = Callable[[float], None]


class Timer:
    """One pending timer; `cancel` it as often as you like."""

    __slots__ = ("_fire",)

    def __init__(self, fire: Fire) -> None:
        self._fire: Fire | None = fire

    @property
    def pending(self) -> bool:
        return self._fire is not None

    def cancel(self) -> None:
        self._fire = None

    def fire(self, now: float) -> None:
        fire, self._fire = self._fire, None
        if fire is not None:
            fire(now)


class Timers:
    """A heap of timers. Cancelled ones leave when their time comes, 32 s later at most."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = 0

    def at(self, deadline: float, fire: Fire) -> Timer:
        """Call `fire(now)` from the first `advance` that reaches `deadline`."""
        timer = Timer(fire)
        self._order += 1
        heapq.heappush(self._heap, (deadline, self._order, timer))
        return timer

    def advance(self, now: float) -> None:
        """Fire what is due, in order of deadline."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            heapq.heappop(heap)[2].fire(now)

    def next_deadline(self) -> float | None:
        """When `advance` has something to do next."""
        heap = self._heap
        while heap and not heap[0][2].pending:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

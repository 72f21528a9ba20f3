"""Whether one more call would make the others stutter, told by the clocks of the media workers."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ivr.media.session import WorkerStats

TELLING_SHARE = 0.5
"""Of a worker's time: below it, what a call takes is too little to tell how many would fit."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A media worker, and what it did since the look before: the share of its time that its ticks
    took (0 to 1, and more when it can't keep up), the calls that took it, ticks over 10 ms late,
    and secured datagrams that were dropped, by reason. `calls`: the most there were at either look,
    so that calls which have just ended don't count as dear ones."""

    stats: WorkerStats
    busy: float
    calls: int
    late_ticks: int
    srtp_dropped: Counter[str]


class SoundWatch:
    """Looks at the workers again and again; says when there is no room for more calls.

    Sums are over all workers that ever were.
    """

    def __init__(self, max_late_ticks: int, max_busy: float) -> None:
        self.limit(max_late_ticks, max_busy)
        self._seen: dict[int, WorkerStats] = {}  # by pid
        self.is_late = False
        self.late_ticks = 0
        self.srtp_dropped: Counter[str] = Counter()
        self.workers: Sequence[Workload] = ()
        self.most_calls: float = math.inf
        """How many calls the workers can carry, as far as the busiest of them tells."""

    def limit(self, max_late_ticks: int, max_busy: float) -> None:
        """`max_late_ticks`: between two looks, by one worker, before the sound counts as late.
        `max_busy`: the share of a worker's time that its calls may take."""
        self._max_late_ticks = max_late_ticks
        self._max_busy = max_busy

    def look(self, workers: Sequence[WorkerStats]) -> None:
        """Take the workers as they are just now."""
        loads = [self._since_last_look(stats) for stats in workers]
        self._seen = {stats.pid: stats for stats in workers}
        self.workers = loads
        self.late_ticks += sum(load.late_ticks for load in loads)
        for load in loads:
            self.srtp_dropped += load.srtp_dropped
        self.is_late = any(load.late_ticks > self._max_late_ticks for load in loads)
        self.most_calls = min(
            (
                len(loads) * load.calls * self._max_busy / load.busy
                for load in loads
                if load.busy >= TELLING_SHARE
            ),
            default=math.inf,
        )

    def _since_last_look(self, stats: WorkerStats) -> Workload:
        before = self._seen.get(stats.pid)
        if before is None:
            return Workload(stats, 0.0, stats.calls, stats.late_ticks, Counter(stats.srtp_dropped))
        elapsed = stats.clock - before.clock
        busy = (stats.busy_seconds - before.busy_seconds) / elapsed if elapsed > 0 else 0.0
        return Workload(
            stats,
            busy,
            max(before.calls, stats.calls),
            stats.late_ticks - before.late_ticks,
            Counter(stats.srtp_dropped) - Counter(before.srtp_dropped),
        )

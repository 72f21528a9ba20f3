"""What is known of the packets that calls send us: RFC 3550 appendix A, over all calls at once.

State is one array per quantity, indexed by the call's slot; arrivals of a tick are taken together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.media.rtp import Packets, sequence_distance, timestamp_distance
from ivr.media.stream import SAMPLE_RATE

MAX_DROPOUT = 3000
"""Packets: a jump ahead by less is loss (RFC 3550 A.1)."""
WINDOW = 64
"""Packets: how far back a late packet is still told from a duplicate; the RFC's MAX_MISORDER."""

_ONE = np.uint64(1)
_LONGEST_TRANSIT_STEP = SAMPLE_RATE  # samples: past 1 s the sender's clock was set, not the network


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver report says of a source (RFC 3550 section 6.4.1), but LSR and DLSR."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int


class Reception:
    """Sequence, loss, duplicates and jitter of (capacity,) sources."""

    def __init__(self, capacity: int) -> None:
        self._heard = np.zeros(capacity, np.bool_)
        self._ssrc = np.zeros(capacity, np.int64)
        self._highest = np.zeros(capacity, np.int64)  # extended: cycles << 16 | sequence
        self._base = np.zeros(capacity, np.int64)  # extended, of the source's first packet
        self._probe = np.zeros(capacity, np.int64)  # bad_seq of A.1
        self._window = np.zeros(capacity, np.uint64)  # bit n: packet `highest - n` came
        self._received = np.zeros(capacity, np.int64)
        self._timed = np.zeros(capacity, np.bool_)
        self._arrival = np.zeros(capacity, np.float64)
        self._timestamp = np.zeros(capacity, np.int64)
        self._jitter = np.zeros(capacity, np.float64)  # samples
        # Totals of the sources that a call had before the one it has now.
        self._received_before = np.zeros(capacity, np.int64)
        self._lost_before = np.zeros(capacity, np.int64)
        self._expected_reported = np.zeros(capacity, np.int64)
        self._received_reported = np.zeros(capacity, np.int64)

    def open(self, slot: int) -> None:
        """Forget what the slot's last call left."""
        for state in vars(self).values():
            state[slot] = 0

    def update(
        self,
        slots: NDArray[np.int64],
        packets: Packets,
        rows: NDArray[np.int64],
        sound: NDArray[np.bool_],
        now: float,
    ) -> None:
        """Count packets that arrived at `now`, in their order.

        `slots` (K,): whose; `rows` (K,): which of `packets`; `sound` (K,): whether on the 8 kHz
        clock, which alone tells jitter. Duplicates and strays far from the sequence (A.1) are not
        counted.
        """
        sequence, timestamp, ssrc = packets.sequence, packets.timestamp, packets.ssrc
        for turn in _turns(slots):
            taken = rows[turn]
            self._update_once(
                slots[turn], sequence[taken], timestamp[taken], ssrc[taken], sound[turn], now
            )

    def _update_once(
        self,
        slots: NDArray[np.int64],
        sequence: NDArray[np.int64],
        timestamp: NDArray[np.int64],
        ssrc: NDArray[np.int64],
        sound: NDArray[np.bool_],
        now: float,
    ) -> None:
        """One packet of each of some calls."""
        distance = sequence_distance(sequence, self._highest[slots] & 0xFFFF)
        in_order = (distance == 1) & (self._ssrc[slots] == ssrc) & self._heard[slots]
        if in_order.all():
            self._count_next(slots)
        else:
            self._count_next(slots[in_order])
            rest = np.flatnonzero(~in_order)
            ahead = self._count_others(slots[rest], sequence[rest], ssrc[rest], distance[rest])
            in_order[rest[ahead]] = True
        self._time(slots, timestamp, in_order & sound, now)

    def _count_next(self, slots: NDArray[np.int64]) -> None:
        """The packet right after the highest, as nearly all are."""
        self._highest[slots] += 1
        self._received[slots] += 1
        self._window[slots] = self._window[slots] << _ONE | _ONE

    def _count_others(
        self,
        slots: NDArray[np.int64],
        sequence: NDArray[np.int64],
        ssrc: NDArray[np.int64],
        distance: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """First packets, and those after a loss, late, twice or astray; returns which lead on."""
        is_new_source = ~self._heard[slots] | (self._ssrc[slots] != ssrc)
        strayed = ~is_new_source & ((distance >= MAX_DROPOUT) | (distance <= -WINDOW))
        # Two strays in a row, one after the other: the sender restarted (A.1).
        restarts = is_new_source | (strayed & (sequence == self._probe[slots]))
        strays = strayed & ~restarts
        self._probe[slots[strays]] = (sequence[strays] + 1) & 0xFFFF
        self._restart(slots[restarts], sequence[restarts], ssrc[restarts])

        step = np.where(strayed | restarts, 0, distance)
        ahead = step > 0
        window = self._window[slots]
        moved = np.where(
            ahead & (step < WINDOW),
            window << np.clip(step, 0, WINDOW - 1).astype(np.uint64),
            np.where(ahead, np.uint64(0), window),
        )
        bit = _ONE << np.where(ahead, 0, -step).astype(np.uint64)
        kept = ~strayed & ~restarts & (ahead | (window & bit == 0))
        self._window[slots[kept]] = (moved | bit)[kept]
        self._highest[slots[ahead]] += step[ahead]
        self._received[slots[kept | restarts]] += 1
        leads: NDArray[np.bool_] = ahead | restarts
        return leads

    def _restart(
        self, slots: NDArray[np.int64], sequence: NDArray[np.int64], ssrc: NDArray[np.int64]
    ) -> None:
        self._lost_before[slots] += np.maximum(self._expected(slots) - self._received[slots], 0)
        self._received_before[slots] += self._received[slots]
        self._heard[slots] = True
        self._ssrc[slots] = ssrc
        self._highest[slots] = self._base[slots] = sequence
        self._window[slots] = 1
        self._received[slots] = 0
        self._timed[slots] = False
        self._expected_reported[slots] = self._received_reported[slots] = 0

    def _time(
        self,
        slots: NDArray[np.int64],
        timestamp: NDArray[np.int64],
        tells: NDArray[np.bool_],
        now: float,
    ) -> None:
        """Interarrival jitter (A.8), from packets in order only."""
        timed = slots[tells]
        timestamp = timestamp[tells]
        step = (now - self._arrival[timed]) * SAMPLE_RATE - timestamp_distance(
            timestamp, self._timestamp[timed]
        )
        steady = self._timed[timed] & (np.abs(step) <= _LONGEST_TRANSIT_STEP)
        known = timed[steady]
        self._jitter[known] += (np.abs(step[steady]) - self._jitter[known]) / 16
        self._timed[timed] = True
        self._arrival[timed] = now
        self._timestamp[timed] = timestamp

    def _expected(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(self._heard[slots], self._highest[slots] - self._base[slots] + 1, 0)

    def received(self, slot: int) -> int:
        """Packets so far, duplicates not counted."""
        return int(self._received_before[slot] + self._received[slot])

    def lost(self, slot: int) -> int:
        """Packets that were sent and did not come (A.3), over all sources of the call."""
        expected = int(self._expected(np.array([slot]))[0])
        return int(self._lost_before[slot]) + max(0, expected - int(self._received[slot]))

    def jitter_ms(self, slot: int) -> float:
        """Interarrival jitter in milliseconds."""
        return float(self._jitter[slot]) * 1000 / SAMPLE_RATE

    def report(self, slot: int) -> ReportBlock | None:
        """The report on the call's source since the last one; None before its first packet."""
        if not self._heard[slot]:
            return None
        expected = int(self._highest[slot] - self._base[slot]) + 1
        received = int(self._received[slot])
        expected_since = expected - int(self._expected_reported[slot])
        lost_since = expected_since - (received - int(self._received_reported[slot]))
        self._expected_reported[slot] = expected
        self._received_reported[slot] = received
        fraction = (
            0 if expected_since <= 0 else max(0, min(255, 256 * lost_since // expected_since))
        )
        return ReportBlock(
            ssrc=int(self._ssrc[slot]),
            fraction_lost=fraction,
            cumulative_lost=max(0, min(0x7FFFFF, expected - received)),
            highest_sequence=int(self._highest[slot]) & 0xFFFFFFFF,
            jitter=int(self._jitter[slot]),
        )


def _turns(slots: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Indices of `slots` in as many turns as it takes for no call to come twice in one."""
    if len(set(slots.tolist())) == len(slots):
        return [np.arange(len(slots))] if len(slots) else []
    order = np.argsort(slots, kind="stable")
    begins = np.flatnonzero(np.diff(slots[order], prepend=-1))
    runs = np.diff(begins, append=len(slots))
    turn = np.empty(len(slots), np.int64)
    turn[order] = np.arange(len(slots)) - np.repeat(begins, runs)
    return [np.flatnonzero(turn == number) for number in range(int(runs.max()))]

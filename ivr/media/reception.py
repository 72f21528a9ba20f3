"""What is known of the packets that calls send us: RFC 3550 appendix A, over all calls at once.

State is one array per quantity, indexed by the call's slot; arrivals of a tick are taken together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.media.rtp import Packets, sequence_distance, timestamp_distance
from ivr.media.stream import SAMPLE_RATE
from ivr.media.turns import Turns

MAX_DROPOUT = 3000
"""Packets: a jump ahead by less is loss (RFC 3550 A.1)."""
WINDOW = 64
"""Packets: how far back a late packet is still told from a duplicate; the RFC's MAX_MISORDER."""

_ONE = np.uint64(1)
_NOBODY = -1
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
        self._turns = Turns(capacity)
        self._ssrc = np.full(capacity, _NOBODY)  # so it is before the first packet
        self._highest = np.zeros(capacity, np.int64)  # extended: cycles << 16 | sequence
        self._base = np.zeros(capacity, np.int64)  # extended, of the source's first packet
        self._probe = np.zeros(capacity, np.int64)  # bad_seq of A.1
        self._window = np.zeros(capacity, np.uint64)  # bit n: packet `highest - n` came
        self._received = np.zeros(capacity, np.int64)
        self._arrival = np.full(capacity, -np.inf)  # s; -inf: none to tell jitter from
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
            if isinstance(state, np.ndarray):
                state[slot] = 0
        self._ssrc[slot] = _NOBODY
        self._arrival[slot] = -np.inf

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
        for turn in self._turns.of(slots):
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
        highest = self._highest[slots] + 1
        leads = ((highest ^ sequence) & 0xFFFF == 0) & (self._ssrc[slots] == ssrc)
        if np.count_nonzero(leads) == len(leads):
            self._count_next(slots, highest)
        else:
            self._count_next(slots[leads], highest[leads])
            rest = np.flatnonzero(~leads)
            leads[rest] = self._count_others(slots[rest], sequence[rest], ssrc[rest])
        leads &= sound
        if np.count_nonzero(leads) == len(leads):
            self._time(slots, timestamp, now)
        else:
            self._time(slots[leads], timestamp[leads], now)

    def _count_next(self, slots: NDArray[np.int64], highest: NDArray[np.int64]) -> None:
        """The packet right after the highest, as nearly all are."""
        self._highest[slots] = highest
        self._received[slots] += 1
        self._window[slots] = self._window[slots] << _ONE | _ONE

    def _count_others(
        self, slots: NDArray[np.int64], sequence: NDArray[np.int64], ssrc: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """First packets, and those after a loss, late, twice or astray; returns which lead on."""
        distance = sequence_distance(sequence, self._highest[slots] & 0xFFFF)
        is_new_source = self._ssrc[slots] != ssrc
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
        self._ssrc[slots] = ssrc
        self._highest[slots] = self._base[slots] = sequence
        self._window[slots] = 1
        self._received[slots] = 0
        self._arrival[slots] = -np.inf
        self._expected_reported[slots] = self._received_reported[slots] = 0

    def _time(self, slots: NDArray[np.int64], timestamp: NDArray[np.int64], now: float) -> None:
        """Interarrival jitter (A.8), from packets in order only."""
        step = (now - self._arrival[slots]) * SAMPLE_RATE
        step -= timestamp_distance(timestamp, self._timestamp[slots])
        step = np.abs(step)
        self._arrival[slots] = now
        self._timestamp[slots] = timestamp
        jitter = self._jitter[slots]
        jitter += np.where(step <= _LONGEST_TRANSIT_STEP, (step - jitter) / 16, 0.0)
        self._jitter[slots] = jitter

    def _expected(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        heard = self._ssrc[slots] != _NOBODY
        return np.where(heard, self._highest[slots] - self._base[slots] + 1, 0)

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
        if self._ssrc[slot] == _NOBODY:
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

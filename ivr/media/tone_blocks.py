"""Sound in blocks of 5 ms by its RTP timestamps, correlated with the DTMF frequencies.

What a block keeps of its samples is linear in them, so that packets may come in any order and hold
any part of a block: a block is whole when all its samples have been added. State is one array per
quantity, indexed by the call's slot; the packets of a tick are taken together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.media import g711
from ivr.media.rtp import Packets, sequence_distance, timestamp_distance
from ivr.media.stream import SAMPLE_RATE

BLOCK = 40
"""Samples of a block: 5 ms."""
RING = 64
"""Blocks of a call that are kept, `HISTORY` of them behind the one to be judged next."""
HISTORY = 32

DIAL_TONES = (350.0, 440.0)
LOW_GROUP = (697.0, 770.0, 852.0, 941.0)
HIGH_GROUP = (1209.0, 1336.0, 1477.0, 1633.0)
FREQUENCIES = (*DIAL_TONES, *LOW_GROUP, *HIGH_GROUP)
"""Hz; the place of each is its column among the correlations."""

_LOW = len(DIAL_TONES)  # the first column of the low group

OVERTONES = tuple(2 * frequency for frequency in FREQUENCIES[_LOW:])
"""Hz; the second harmonics of the two groups, which a note has and a key has not."""

COSINES, SINES, ENERGY, WIDTH = 0, len(FREQUENCIES), 2 * len(FREQUENCIES), 24
"""Columns of a block's features: correlations with cosines and with sines, sum of squares."""

DBM0 = 32768 / 10 ** (3.14 / 20)
"""Amplitude of a sine at 0 dBm0, in 16-bit samples (ITU-T G.711: the largest is at 3.14 dBm0)."""

LEAST_AMPLITUDE = DBM0 * 10 ** (-43 / 20)
"""Of either tone: at −43 dBm0 there is nothing to hear."""

_GATE_SHARE = 0.35  # of a block's energy that lies at one low and one high frequency, at least
_GATE_TWIST = 60.0  # power ratio of the two; a block of 5 ms tells them apart no better
_MOST_LOUD = 0.7  # of the packets: with more, sorting the quiet ones out costs more than it saves
_PATIENCE = 10  # blocks that may come after a hole before it is given up, or two packets
_FILLED = 6  # bits: BLOCK fits
_AHEAD = RING - HISTORY
_LONGEST = _AHEAD * BLOCK  # samples of a packet
_BEHIND = SAMPLE_RATE  # samples: further back the sender's clock was set anew
_PAUSE = 4 * BLOCK  # samples left out by a sender that lost no packet: silence (RFC 3551 4.1)


def _templates() -> NDArray[np.float32]:
    phases = 2 * np.pi * np.outer(np.arange(BLOCK), FREQUENCIES) / SAMPLE_RATE
    templates = np.zeros((BLOCK, WIDTH), np.float32)
    templates[:, COSINES:SINES] = np.cos(phases)
    templates[:, SINES:ENERGY] = np.sin(phases)
    return templates


_TEMPLATES = _templates()


def _overtone_templates() -> NDArray[np.float32]:
    """(BLOCK, 2·8): cosines and negative sines, side by side as parts of complex numbers."""
    phases = -2j * np.pi * np.outer(np.arange(BLOCK), OVERTONES) / SAMPLE_RATE
    templates: NDArray[np.float32] = np.exp(phases).astype(np.complex64).view(np.float32)
    return templates


_OVERTONE_TEMPLATES = _overtone_templates()


def _dial_factors() -> NDArray[np.float32]:
    """L, lower triangular, with |L·p|² the energy that least squares find in products p."""
    phases = 2 * np.pi * np.outer(np.arange(BLOCK), DIAL_TONES) / SAMPLE_RATE
    regressors = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
    return np.linalg.inv(np.linalg.cholesky(regressors.T @ regressors)).astype(np.float32)


_DIAL_FACTORS = _dial_factors()
_LAWS = np.stack([g711.ALAW_TO_LINEAR, g711.ULAW_TO_LINEAR]).astype(np.float32)
ALAW, ULAW = 0, 1
"""The encodings, as `TonesBlocks.put` wants them."""


def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, WIDTH) of (N, BLOCK) samples."""
    found = samples @ _TEMPLATES
    found[:, ENERGY] = np.einsum("ij,ij->i", samples, samples)
    return found


def _overtones(samples: NDArray[np.float32]) -> NDArray[np.complex64]:
    """(N, 8) of (N, BLOCK) samples: what they have of `OVERTONES`."""
    return (samples @ _OVERTONE_TEMPLATES).view(np.complex64)


def dial_energy(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,): of the energy of blocks (WIDTH, N), what the dial tones may be."""
    found = _DIAL_FACTORS[:, :_LOW] @ columns[COSINES : COSINES + _LOW]
    found += _DIAL_FACTORS[:, _LOW:] @ columns[SINES : SINES + _LOW]
    energy: NDArray[np.float32] = np.einsum("ij,ij->j", found, found)
    return energy


def may_be_tones(blocks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,): blocks whose energy lies at one low and one high frequency, a dial tone left aside.

    Cheap, and rarely wrong when it says no.
    """
    columns = blocks.T.copy()  # a row each: many times faster than columns of few
    cosines, sines = columns[COSINES + _LOW : SINES], columns[SINES + _LOW : ENERGY]
    power = cosines * cosines + sines * sines
    low = np.maximum(np.maximum(power[0], power[1]), np.maximum(power[2], power[3]))
    high = np.maximum(np.maximum(power[4], power[5]), np.maximum(power[6], power[7]))
    # A sine of amplitude a: energy a²·BLOCK/2, power (a·BLOCK/2)².
    rest = columns[ENERGY] - dial_energy(columns)
    both = low + high
    verdict: NDArray[np.bool_] = both > _GATE_SHARE * BLOCK / 2 * rest
    verdict &= both > 2 * (LEAST_AMPLITUDE * BLOCK / 2) ** 2
    verdict &= (low < _GATE_TWIST * high) & (high < _GATE_TWIST * low)
    return verdict


@dataclass(frozen=True, slots=True)
class Ready:
    """Blocks to be judged, in order: `count` (K,) from number `first` (K,) on, of calls `slots`."""

    slots: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]


class ToneBlocks:
    """The last blocks of (capacity,) calls."""

    def __init__(self, capacity: int) -> None:
        self._features = np.zeros((capacity * RING, WIDTH), np.float32)
        self._gate = np.zeros(capacity * RING, np.bool_)
        # Of the blocks that passed the gate; nobody asks for others.
        self._overtones = np.zeros((capacity * RING, len(OVERTONES)), np.complex64)
        # The number of the block in each place << _FILLED | how many of its samples have come.
        self._come = np.full(capacity * RING, -1, np.int64)
        self._heard = np.zeros(capacity, np.bool_)
        self._edge = np.zeros(capacity, np.int64)  # RTP timestamp of the next block to be judged
        self._next = np.zeros(capacity, np.int64)  # its number
        self._reach = np.zeros(capacity, np.int64)  # the number after the last block begun
        self._sequence = np.zeros(capacity, np.int64)  # of the newest packet

    def forget(self, slot: int) -> None:
        """A call is over; its slot may be another's."""
        self._come[slot * RING : (slot + 1) * RING] = -1
        self._heard[slot] = False
        self._reach[slot] = self._next[slot]

    def put(
        self,
        slots: NDArray[np.int64],
        laws: NDArray[np.int64],
        packets: Packets,
        rows: NDArray[np.int64],
    ) -> tuple[Ready, NDArray[np.int64]]:
        """Add packets, one of each call: row `rows` (K,) of `packets`, encoded by `laws` (K,).

        Returns what can be judged now, to be told `judged`, and the calls that fell silent before
        their packet: there a tone cannot have gone on. Duplicates and what comes too late is left
        out.
        """
        distance = timestamp_distance(packets.timestamp[rows], self._edge[slots])
        step = sequence_distance(packets.sequence[rows], self._sequence[slots])
        length = packets.payload_length[rows]
        if int(length.max()) > _LONGEST:
            length = np.where(length > _LONGEST, 0, length)
        pending = self._reach[slots] - self._next[slots]
        plain = (distance == 0) & (pending == 0) & self._heard[slots]
        broken = np.zeros(0, np.int64)
        if np.count_nonzero(plain) != len(plain):
            starts = ~self._heard[slots]
            starts |= (distance + length > _LONGEST) | (distance < -_BEHIND)
            starts |= (distance >= _PAUSE) & (step == 1) & (pending == 0)
            broken = self._restart(slots[starts], packets.timestamp[rows[starts]])
            distance = np.where(starts, 0, distance)
            plain |= starts
        newer = (step > 0) | plain
        self._sequence[slots[newer]] = packets.sequence[rows[newer]]
        self._place(slots, laws, packets, rows, distance, length)
        ready = self._contiguous(slots, plain & (length % BLOCK == 0), length)
        some = np.flatnonzero(ready)
        chosen = slots[some]
        return Ready(chosen, self._next[chosen], ready[some]), broken

    def judged(self, ready: Ready) -> None:
        """Go on behind the blocks that have been judged."""
        slots, count = ready.slots, ready.count
        self._next[slots] += count
        self._edge[slots] = self._edge[slots] + count * BLOCK & 0xFFFFFFFF
        self._reach[slots] = np.maximum(self._reach[slots], self._next[slots])

    def places(self, slots: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the blocks of those numbers are in the arrays, same shape."""
        return slots * RING + numbers % RING

    def gate(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the blocks `may_be_tones`."""
        return self._gate[places]

    def known(self, places: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the blocks came whole."""
        whole: NDArray[np.bool_] = self._come[places] == (numbers << _FILLED) + BLOCK
        return whole

    def features(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The features of the blocks, one more axis than `places`."""
        return self._features[places]

    def overtones(self, places: NDArray[np.int64]) -> NDArray[np.complex64]:
        """(…, 8): correlations with `OVERTONES` of blocks that passed the gate."""
        return self._overtones[places]

    def _restart(
        self, slots: NDArray[np.int64], timestamps: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        broken = slots[self._heard[slots]]
        self._heard[slots] = True
        self._edge[slots] = timestamps
        self._next[slots] += RING
        self._reach[slots] = self._next[slots]
        return broken

    def _place(
        self,
        slots: NDArray[np.int64],
        laws: NDArray[np.int64],
        packets: Packets,
        rows: NDArray[np.int64],
        distance: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> None:
        """Add the samples, all packets of one shape together."""
        begin = packets.payload_offset[rows]
        fits = (distance >= 0) & (length > 0)
        shape = (begin << 24) + (length << 10) + (laws << 8) + distance % BLOCK
        shape[~fits] = -1
        first = int(shape[0])
        kinds = [first] if np.count_nonzero(shape != first) == 0 else np.unique(shape).tolist()
        for kind in kinds:
            if kind < 0:
                continue
            of_kind = slice(None) if len(kinds) == 1 else np.flatnonzero(shape == kind)
            offset, size = kind >> 24, kind >> 10 & 0x3FFF
            law, skipped = kind >> 8 & 3, kind & 0xFF
            codes = packets.data[rows[of_kind], offset : offset + size]
            samples = _LAWS[law].take(codes, mode="wrap")
            self._add(slots[of_kind], distance[of_kind] // BLOCK, samples, skipped)

    def _add(
        self,
        slots: NDArray[np.int64],
        ahead: NDArray[np.int64],
        samples: NDArray[np.float32],
        skipped: int,
    ) -> None:
        """Add samples that begin `skipped` samples into the block `ahead` of the next."""
        size = samples.shape[1]
        blocks = -(-(size + skipped) // BLOCK)
        numbers = (self._next[slots] + ahead)[:, None] + np.arange(blocks)
        if blocks * BLOCK == size:
            self._add_whole(slots, numbers, samples)
        else:
            self._add_partly(slots, numbers, samples, skipped)
        self._reach[slots] = np.maximum(self._reach[slots], numbers[:, -1] + 1)

    def _add_whole(
        self,
        slots: NDArray[np.int64],
        numbers: NDArray[np.int64],
        samples: NDArray[np.float32],
    ) -> None:
        places = self.places(slots[:, None], numbers)
        stamps = numbers << _FILLED
        begun = self._come[places] >= stamps
        if np.count_nonzero(begun):
            new = ~begun.any(axis=1)
            places, stamps, samples = places[new], stamps[new], samples[new]
        self._come[places] = stamps + BLOCK
        loud = samples.max(axis=1) >= LEAST_AMPLITUDE
        count = np.count_nonzero(loud)
        if count < _MOST_LOUD * len(loud):
            quiet = places[~loud].ravel()
            self._features[quiet] = 0.0
            self._gate[quiet] = False
            places, samples = places[loud], samples[loud]
        flat, samples = places.ravel(), samples.reshape(-1, BLOCK)
        found = features(samples)
        self._features[flat] = found
        self._gate[flat] = gate = may_be_tones(found)
        if np.count_nonzero(gate):
            self._overtones[flat[gate]] = _overtones(samples[gate])

    def _add_partly(
        self,
        slots: NDArray[np.int64],
        numbers: NDArray[np.int64],
        samples: NDArray[np.float32],
        skipped: int,
    ) -> None:
        """Samples that begin or end inside a block."""
        size, blocks = samples.shape[1], numbers.shape[1]
        added = np.diff(np.clip(np.arange(blocks + 1) * BLOCK, skipped, size + skipped))
        places = self.places(slots[:, None], numbers)
        come = np.maximum(self._come[places], numbers << _FILLED)
        new = (come + added <= (numbers << _FILLED) + BLOCK).all(axis=1)
        room = ((0, 0), (skipped, blocks * BLOCK - size - skipped))
        samples = np.pad(samples[new], room).reshape(-1, BLOCK)
        found, overtones = features(samples), _overtones(samples)
        flat = places[new].ravel()
        begun = (come > numbers << _FILLED)[new].ravel()
        found[begun] += self._features[flat[begun]]
        overtones[begun] += self._overtones[flat[begun]]
        self._features[flat], self._overtones[flat] = found, overtones
        self._gate[flat] = may_be_tones(found)
        self._come[flat] = (come + added)[new].ravel()

    def _contiguous(
        self, slots: NDArray[np.int64], plain: NDArray[np.bool_], length: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """How many blocks of each call can be judged: up to the first that may still come."""
        ready = np.where(plain, length // BLOCK, 0)
        rest = np.flatnonzero(~plain)
        if rest.size:
            of_rest = slots[rest]
            numbers = self._next[of_rest, None] + np.arange(_AHEAD)
            whole = self.known(self.places(of_rest[:, None], numbers), numbers)
            reach = self._reach[of_rest, None]
            patience = np.maximum(2 * length[rest] // BLOCK + 1, _PATIENCE)
            passable = (whole | (reach - numbers >= patience[:, None])) & (numbers < reach)
            ready[rest] = np.where(passable.all(axis=1), _AHEAD, passable.argmin(axis=1))
        return ready

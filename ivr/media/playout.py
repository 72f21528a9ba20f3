"""What is sent to each call: prompts and the silence between them, packed for all calls at once.

State is one array per quantity, indexed by the call's slot. Only the packet in which a clip ends is
put together call by call.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ivr.media import g711
from ivr.media.rtp import HEADER, HEADER_SIZE, MARKER, VERSION
from ivr.media.stream import (
    MAX_PTIME_MS,
    SAMPLE_RATE,
    TICK_MS,
    Clip,
    Codec,
    PlayEnded,
    StreamParams,
)

SAMPLES_PER_TICK = SAMPLE_RATE * TICK_MS // 1000
CROWD = 512
"""Calls that send at one and the same tick before the next ones are given another."""
_EVERY = 2  # ticks: how often each call is to be read
_MAX_SAMPLES = SAMPLE_RATE * MAX_PTIME_MS // 1000
_MAX_PERIOD = MAX_PTIME_MS // TICK_MS
FIRST_SILENCE = SAMPLE_RATE // 5
"""Samples of silence before the first prompt: phones are slow to open their ear at the answer."""

_SILENCE = np.array([g711.ALAW_SILENCE, g711.ULAW_SILENCE], np.uint8)
_CODECS = (Codec.PCMA, Codec.PCMU)  # in the order of the bank's halves


@dataclass(frozen=True, slots=True)
class Burst:
    """The packets of one tick that have one length: row i goes to the call in `slots[i]`.

    `slots`: (N,) int64; `data`: (N, 12 + samples) uint8, C-contiguous.
    """

    slots: NDArray[np.int64]
    data: NDArray[np.uint8]


@dataclass(slots=True)
class _Play:
    number: int
    barge_in: bool
    clips: deque[Clip]
    clips_begun: int = 0


class Playout:
    """The sending half of up to `capacity` calls.

    `bank`: (2 * size,) uint8, the recordings in A-law and then the same in µ-law; `entropy` gives
    that many random bytes (RFC 3550 asks for random SSRC, sequence and timestamp).
    """

    def __init__(
        self, capacity: int, bank: NDArray[np.uint8], entropy: Callable[[int], bytes]
    ) -> None:
        self._bank = bank
        self._bank_size = len(bank) // 2
        # For each packet size the bank as overlapping rows (a view), one from each sample: a packet
        # of each of N calls is then one fancy index of N rows.
        self._windows = {
            samples: sliding_window_view(bank, samples)
            for samples in range(SAMPLES_PER_TICK, _MAX_SAMPLES + 1, SAMPLES_PER_TICK)
            if samples <= len(bank)
        }
        self._entropy = entropy
        # Of the slots that send every `period` ticks, those due at a tick are at
        # [period - 1][tick % period].
        self._senders = [
            [np.zeros(0, np.int64) for _ in range(period)] for period in range(1, _MAX_PERIOD + 1)
        ]
        self._beats: dict[int, tuple[int, int]] = {}  # period and phase of each slot that sends
        self._out_of_step = np.zeros(capacity, np.bool_)  # open, and sends less often or nothing
        self._others_at = -_EVERY  # the tick at which those were last in turn
        self._payload_type = np.zeros(capacity, np.uint8)
        self._codec = np.zeros(capacity, np.int64)  # 0 A-law, 1 µ-law
        self._ssrc = np.zeros(capacity, np.uint32)
        self._sequence = np.zeros(capacity, np.uint16)
        self._timestamp = np.zeros(capacity, np.uint32)  # at tick 0
        self._marker = np.zeros(capacity, np.uint8)
        self._first_silence = np.zeros(capacity, np.int64)  # samples still to come
        self._playing = np.zeros(capacity, np.bool_)
        self._cursor = np.zeros(capacity, np.int64)  # into the A-law half
        self._remaining = np.zeros(capacity, np.int64)  # samples of the clip under way
        self._sent = np.zeros(capacity, np.int64)  # packets
        self._octets = np.zeros(capacity, np.int64)  # of payload
        self._plays: dict[int, _Play] = {}
        self._ended: list[tuple[int, PlayEnded]] = []

    def open(self, slot: int) -> None:
        """Begin a call in a free slot: new identifiers, silence first."""
        random = np.frombuffer(self._entropy(10), np.uint8)
        self._ssrc[slot], self._timestamp[slot] = random[:8].view(np.uint32)
        # Below 2^15: a first packet lost does not cost SRTP the count of wraps (RFC 3711 §3.3.1).
        self._sequence[slot] = random[8:].view(np.uint16)[0] & 0x7FFF
        self._first_silence[slot] = FIRST_SILENCE
        self._out_of_step[slot] = True
        self._sent[slot] = self._octets[slot] = 0

    def close(self, slot: int) -> None:
        """End the slot's call; what played ends without a word."""
        self._playing[slot] = False
        self._plays.pop(slot, None)
        self._stop_sending(slot)
        self._out_of_step[slot] = False

    def configure(self, slot: int, params: StreamParams) -> None:
        """Send as agreed from the next tick on; a play under way goes on in the new codec."""
        self._payload_type[slot] = params.payload_type
        self._codec[slot] = _CODECS.index(Codec(params.codec))
        sending = params.sends and params.remote is not None
        if sending and slot not in self._beats:
            self._marker[slot] = MARKER  # a talk spurt begins (RFC 3551 section 4.1)
        if not sending:
            self._stop_sending(slot)
        elif self._beats.get(slot, (0, 0))[0] != params.ptime_ms // TICK_MS:
            self._stop_sending(slot)
            self._start_sending(slot, params.ptime_ms // TICK_MS)

    def _start_sending(self, slot: int, period: int) -> None:
        senders = self._senders[period - 1]
        phase = _free_phase([len(slots) for slots in senders])
        senders[phase] = np.append(senders[phase], slot)
        self._beats[slot] = period, phase
        self._out_of_step[slot] = period > _EVERY

    def _stop_sending(self, slot: int) -> None:
        if slot in self._beats:
            period, phase = self._beats.pop(slot)
            slots = self._senders[period - 1][phase]
            self._senders[period - 1][phase] = slots[slots != slot]
            self._out_of_step[slot] = True

    def play(self, slot: int, number: int, clips: Sequence[Clip], *, barge_in: bool) -> None:
        """Play clips one after the other in place of what plays. ValueError: not in the bank."""
        for clip in clips:
            if clip.offset < 0 or clip.length < 0 or clip.offset + clip.length > self._bank_size:
                raise ValueError(f"clip {clip} is not within the bank's {self._bank_size} samples")
        self.stop(slot)
        self._plays[slot] = _Play(number, barge_in, deque(clips))
        self._playing[slot] = True
        self._remaining[slot] = 0

    def stop(self, slot: int, *, barged: bool = False) -> None:
        """End what plays, if anything does; the next packet is silence."""
        if (play := self._plays.pop(slot, None)) is not None:
            self._playing[slot] = False
            self._ended.append((slot, PlayEnded(play.number, play.clips_begun, barged)))

    def barge_in(self, slot: int) -> None:
        """A key was pressed: end what plays unless it must be heard out."""
        if (play := self._plays.get(slot)) is not None and play.barge_in:
            self.stop(slot, barged=True)

    def is_playing(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the slots have a prompt under way."""
        return self._playing[slots]

    def ended(self) -> list[tuple[int, PlayEnded]]:
        """The plays that are over, with their slots, since the last asking."""
        ended, self._ended = self._ended, []
        return ended

    def tick(self, number: int) -> list[Burst]:
        """The packets due at tick `number`; each tick later than the last."""
        return [
            self._pack(slots, period * SAMPLES_PER_TICK, number)
            for period, senders in enumerate(self._senders, 1)
            if (slots := senders[number % period]).size
        ]

    def in_step(self, number: int, following: int) -> NDArray[np.int64]:
        """Slots that send a packet at tick `number`, and in turn those that send none or few: when
        it is asked at each tick, no open slot waits longer than two. `following`: the next one."""
        parts = [senders[number % len(senders)] for senders in self._senders[:_EVERY]]
        if following - self._others_at > _EVERY:
            self._others_at = number
            parts.append(np.flatnonzero(self._out_of_step))
        return np.concatenate(parts)

    def is_due(self, number: int) -> bool:
        """Whether any packet is due at tick `number`."""
        return any(senders[number % len(senders)].size for senders in self._senders)

    def _pack(self, slots: NDArray[np.int64], samples: int, tick: int) -> Burst:
        data = np.empty((len(slots), HEADER_SIZE + samples), np.uint8)
        header = np.empty(len(slots), HEADER)
        header["first"] = VERSION << 6
        header["second"] = self._payload_type[slots] | self._marker[slots]
        header["sequence"] = self._sequence[slots]
        header["timestamp"] = self.timestamps(slots, tick)
        header["ssrc"] = self._ssrc[slots]
        data[:, :HEADER_SIZE] = header.view(np.uint8).reshape(-1, HEADER_SIZE)
        self._fill(slots, data[:, HEADER_SIZE:])
        self._marker[slots] = 0
        self._sequence[slots] += np.uint16(1)
        self._sent[slots] += 1
        self._octets[slots] += samples
        return Burst(slots, data)

    def _fill(self, slots: NDArray[np.int64], payload: NDArray[np.uint8]) -> None:
        samples = payload.shape[1]
        codec = self._codec[slots]
        waiting = self._first_silence[slots]
        audible = self._playing[slots] & (waiting <= 0)
        self._first_silence[slots] = waiting - samples
        within = audible & (self._remaining[slots] > samples)
        rows = np.flatnonzero(within)
        if rows.size < len(slots):
            payload[:] = _SILENCE[codec][:, np.newaxis]
        if rows.size:
            playing = slots[rows]
            begin = self._cursor[playing] + codec[rows] * self._bank_size
            payload[rows] = self._windows[samples][begin]
            self._cursor[playing] += samples
            self._remaining[playing] -= samples
        for row in np.flatnonzero(audible & ~within).tolist():
            self._splice(int(slots[row]), int(codec[row]), payload[row])

    def _splice(self, slot: int, codec: int, payload: NDArray[np.uint8]) -> None:
        """Fill one packet in which a clip ends, with the next clips or silence after it."""
        play = self._plays[slot]
        cursor, remaining = int(self._cursor[slot]), int(self._remaining[slot])
        filled = 0
        while filled < len(payload) and (remaining or play.clips):
            if not remaining:
                clip = play.clips.popleft()
                play.clips_begun += 1
                cursor, remaining = clip.offset, clip.length
            taken = min(remaining, len(payload) - filled)
            begin = cursor + codec * self._bank_size
            payload[filled : filled + taken] = self._bank[begin : begin + taken]
            filled, cursor, remaining = filled + taken, cursor + taken, remaining - taken
        self._cursor[slot], self._remaining[slot] = cursor, remaining
        if not remaining and not play.clips:
            self.stop(slot)

    def timestamps(self, slots: NDArray[np.int64], tick: int) -> NDArray[np.uint32]:
        """RTP timestamps of `slots` at a tick: they run on through a hold (RFC 3550 5.1)."""
        return self._timestamp[slots] + np.uint32(tick * SAMPLES_PER_TICK & 0xFFFFFFFF)

    def ssrc(self, slot: int) -> int:
        """Our synchronisation source in this call."""
        return int(self._ssrc[slot])

    def sent(self, slot: int) -> tuple[int, int]:
        """Packets and payload octets sent so far."""
        return int(self._sent[slot]), int(self._octets[slot])


def _free_phase(load: Sequence[int]) -> int:
    """The phase for one more call of a period whose phases have `load` calls.

    An even one, so that the worker may sleep through the odd ticks, until those are crowded.
    """
    phases = range(len(load))
    phase = min(phases[::2], key=load.__getitem__)
    return phase if load[phase] < CROWD else min(phases, key=load.__getitem__)

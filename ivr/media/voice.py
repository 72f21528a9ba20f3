"""Whether a caller talks instead of keying, told from silence, noise and tones (`webrtcvad`).

Sans-IO: sound of calls that are listened to goes in, the calls whose caller talks come out; only
those calls cost anything. Sound is judged in batches of some frames.

What `webrtcvad` takes for a voice may be loud noise, a crowd, or a tone. So a frame counts where it
has a pitch besides, is no pure tone, and rises above the floor of the last seconds, as syllables of
somebody near the telephone do; and a caller talks when many frames count. A whisper has no pitch,
and is not heard.
"""

import numpy as np
import webrtcvad
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ivr.media import g711
from ivr.media.rtp import Packets
from ivr.media.stream import MAX_PTIME_MS, SAMPLE_RATE, TICK_MS
from ivr.media.tone_blocks import DBM0
from ivr.media.turns import Turns

FRAME = SAMPLE_RATE * 30 // 1000
"""Samples, the most that `webrtcvad` takes at once."""
WINDOW = 96
"""Frames that are looked at: a caller who spells digits makes pauses between them."""
ENOUGH = 18
"""Frames of these that must count: 0.54 s of vowels, a second of speech. "allô ?" has less."""
ECHO_TAIL = 0.6
"""Seconds after our own sound in which what comes back may be its echo: nothing is heard then."""

_MODE = 3  # of webrtcvad: the one that takes the least for a voice
_BATCH = 5  # frames judged together
_UNIT = SAMPLE_RATE * TICK_MS // 1000  # samples: what packets are made of
_UNITS = _BATCH * FRAME // _UNIT  # of a batch
_MOST = MAX_PTIME_MS // TICK_MS  # units of a packet
_LEAST_LEVEL = -42.0  # dBm0: a softer voice is in the room behind the caller
_RISE = 8.0  # dB over the floor, and over the softest frame right before
_FLOOR = 0.2  # share of the frames that are at the floor or below
_PAUSE = 16  # frames, half a second: between two syllables a voice is softer, a crowd never
_TONE_BINS, _TONE_SHARE = 16, 0.97  # so much of the power of two tones lies in so few bins
_FFT = 512
_PITCH = slice(SAMPLE_RATE // 400, SAMPLE_RATE // 65)  # periods of a voice, in samples
_ALIKE = 0.6  # of one period to the next, at least
_TAPER = np.hanning(FRAME).astype(np.float32)
_CORRELATION = np.correlate(_TAPER, _TAPER, "full")[FRAME - 1 :]
_TAPER_CORRELATION = (_CORRELATION / _CORRELATION[0])[_PITCH]  # at the periods of a voice
_FULL = float(20 * np.log10(DBM0 / 2**0.5))  # of a sine at 0 dBm0, in dB of samples
_LAWS = np.concatenate([g711.ALAW_TO_LINEAR, g711.ULAW_TO_LINEAR])
_POWERS = np.square(_LAWS.astype(np.float32))


class VoiceDetector:
    """Listens to some of up to `capacity` calls."""

    def __init__(self, capacity: int) -> None:
        self._turns = Turns(capacity)
        self._detectors: dict[int, webrtcvad.Vad] = {}  # of the calls that are listened to
        self._listening = np.zeros(capacity, np.bool_)
        self._deaf_until = np.zeros(capacity)  # s
        self._codes = np.zeros((capacity, _UNITS + _MOST, _UNIT), np.uint8)
        self._laws = np.zeros(capacity, np.int64)
        self._units = np.zeros(capacity, np.int64)  # that have come
        # Of the last frames: whether a voice is in each, and its level, infinite before the first.
        self._voiced = np.zeros((capacity, WINDOW), np.bool_)
        self._level = np.zeros((capacity, WINDOW), np.float32)

    @property
    def listens(self) -> bool:
        """Whether to any call: without one, `hear` need not be told."""
        return bool(self._detectors)

    def listen(self, slot: int) -> None:
        """Listen to a call from now on, until its caller talks."""
        self._detectors[slot] = webrtcvad.Vad(_MODE)
        self._listening[slot] = True
        self._units[slot] = self._deaf_until[slot] = 0
        self._voiced[slot], self._level[slot] = False, np.inf

    def forget(self, slot: int) -> None:
        """Listen no more, if we did."""
        self._listening[slot] = False
        self._detectors.pop(slot, None)

    def hear(
        self,
        slots: NDArray[np.int64],
        laws: NDArray[np.int64],
        packets: Packets,
        rows: NDArray[np.int64],
        speaking: NDArray[np.bool_],
        now: float,
    ) -> list[int]:
        """Take sound: rows (K,) of `packets`, of calls `slots` (K,), encoded by `laws` (K,), to
        which we are `speaking` (K,) just now.

        Returns the calls whose caller talks; each is listened to no more.
        """
        wanted = self._listening[slots]
        self._deaf_until[slots[wanted & speaking]] = now + ECHO_TAIL
        wanted &= now >= self._deaf_until[slots]
        slots, rows = slots[wanted], rows[wanted]
        self._laws[slots] = laws[wanted]
        talking: list[int] = []
        for turn in self._turns.of(slots):
            waiting = turn[self._listening[slots[turn]]]  # an earlier packet may have told
            chosen = slots[waiting]
            self._put(chosen, packets, rows[waiting])
            full = chosen[self._units[chosen] >= _UNITS]
            for slot in self._judge(full) if full.size else ():
                self.forget(slot)
                talking.append(slot)
        return talking

    def _put(self, slots: NDArray[np.int64], packets: Packets, rows: NDArray[np.int64]) -> None:
        """Add one packet of each call, those of one shape together; of odd ones, what is whole."""
        units = np.minimum(packets.payload_length[rows] // _UNIT, _MOST)
        shapes = packets.payload_offset[rows] * (_MOST + 1) + units
        for shape in np.unique(shapes).tolist():
            begin, count = divmod(shape, _MOST + 1)
            of_shape = np.flatnonzero(shapes == shape)
            chosen, data = slots[of_shape], packets.data[rows[of_shape]]
            for unit in range(count):
                part = data[:, begin + unit * _UNIT : begin + (unit + 1) * _UNIT]
                self._codes[chosen, self._units[chosen] + unit] = part
            self._units[chosen] += count

    def _judge(self, slots: NDArray[np.int64]) -> list[int]:
        """Go through a batch of each call; those whose caller talks."""
        codes = self._codes[slots, :_UNITS].reshape(len(slots), _BATCH, FRAME).astype(np.int16)
        codes += (256 * self._laws[slots, None, None]).astype(np.int16)
        self._codes[slots, :_MOST] = self._codes[slots, _UNITS:]
        self._units[slots] -= _UNITS
        power = _POWERS.take(codes).mean(axis=2)
        level = 10 * np.log10(np.maximum(power, 1e-3)) - _FULL
        self._level[slots] = np.concatenate([self._level[slots, _BATCH:], level], axis=1)
        voiced = level >= _LEAST_LEVEL
        if np.count_nonzero(voiced):
            loud = _LAWS.take(codes[voiced])
            voiced[voiced] = self._voices(slots[voiced.nonzero()[0]], loud)
        self._voiced[slots] = np.concatenate([self._voiced[slots, _BATCH:], voiced], axis=1)
        return [int(slot) for slot in slots[self._talk(slots)]]

    def _voices(self, slots: NDArray[np.int64], frames: NDArray[np.int16]) -> NDArray[np.bool_]:
        """(N,): which of (N, FRAME) samples, of calls `slots` (N,), are a voice."""
        detectors = [self._detectors[slot] for slot in slots.tolist()]
        voices = np.array(
            [
                detector.is_speech(frame.tobytes(), SAMPLE_RATE)
                for detector, frame in zip(detectors, frames, strict=True)
            ]
        )
        if np.count_nonzero(voices):
            voices[voices] = _have_pitch(frames[voices].astype(np.float32))
        return voices

    def _talk(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(K,): whether so many of the last frames are a voice that rises."""
        voiced = self._voiced[slots]
        talk: NDArray[np.bool_] = voiced.sum(axis=1) >= ENOUGH
        likely = np.flatnonzero(talk)
        if likely.size:
            rises = _rises(self._level[slots[likely]])
            talk[likely] = (voiced[likely] & rises).sum(axis=1) >= ENOUGH
        return talk


def _rises(level: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(K, WINDOW): which frames are well above the floor, and above a pause right before them."""
    heard = np.isfinite(level).sum(axis=1)
    ranked = np.sort(level, axis=1)
    floor = ranked[np.arange(len(level)), (_FLOOR * heard).astype(np.int64)]
    padded = np.pad(level, ((0, 0), (_PAUSE, 0)), constant_values=np.inf)
    pause = sliding_window_view(padded, _PAUSE + 1, axis=1).min(axis=2)
    rises: NDArray[np.bool_] = level >= np.maximum(floor[:, None], pause) + _RISE
    return rises


def _have_pitch(frames: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,): which of (N, FRAME) samples have a pitch, as vowels have and noise and breath have not
    (the autocorrelation of Boersma 1993), and are more than a tone or two."""
    power = np.abs(np.fft.rfft(frames * _TAPER, _FFT, axis=1)) ** 2
    strongest = np.partition(power, -_TONE_BINS, axis=1)[:, -_TONE_BINS:]
    tones = strongest.sum(axis=1) > _TONE_SHARE * power.sum(axis=1)
    correlation = np.fft.irfft(power, _FFT, axis=1)
    alike = (correlation[:, _PITCH] / np.maximum(correlation[:, :1], 1) / _TAPER_CORRELATION).max(
        axis=1
    )
    pitched: NDArray[np.bool_] = (alike >= _ALIKE) & ~tones
    return pitched

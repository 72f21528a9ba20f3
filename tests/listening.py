"""Tests' ears: which prompts a recording of a call holds, and when.

A prompt is found by normalised cross-correlation with its own WAV at 8 kHz, 0.4 s at a time, so
that it is found whatever G.711 did to it, when a jitter buffer slipped by a packet in the middle
of it, and when a key cut it short. 1.0 is the same waveform; two prompts of the same voice stay
far below `SAME`, but for beginnings that they share, which the longer match wins.
"""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ivr.prompts import RATE, read_recording

Sound = npt.NDArray[np.float64]

# Correlations are some megabytes each. Given back to the system after each, as glibc would do, they
# cost more in page faults than in arithmetic (mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD).
if hasattr(_libc := ctypes.CDLL(None), "mallopt"):
    _libc.mallopt(-3, 1 << 28)
    _libc.mallopt(-1, 1 << 29)

CHUNK = round(0.4 * RATE)
FIRST_CHUNKS = 3  # a prompt whose first 0.4 s was damaged is known by the next, or the one after
MORE_CHUNKS = 12  # looked at for a prompt that was found nowhere: a busy machine damages more
SLIP = round(0.03 * RATE)  # how far a jitter buffer may slip between two chunks
SAME = 0.8  # correlation over which a chunk is the same sound
SAME_SHORT = 0.9  # for words shorter than a chunk
BLOCK = round(0.05 * RATE)
SAME_BLOCK = 0.6  # for the short blocks that tell where a cut fell
CUT_MINIMUM = 1.0  # seconds of a prompt that `heard` wants, unless the prompt is shorter
FRAME = round(0.01 * RATE)
SILENT_DB = -45.0  # under its loudest moment, a prompt is silent
OVERLAP = round(0.1 * RATE)  # two prompts cannot share more than this


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A prompt in a recording. `start_s`: where its WAV's first sample falls.

    `score`: correlation of the part that was heard, `heard_s` seconds long from `start_s`.
    """

    start_s: float
    score: float
    heard_s: float


class Ear:
    """A recording, ready to be searched for many prompts."""

    def __init__(self, recording: Path) -> None:
        self._sound = read_recording(recording).astype(np.float64)
        self._size = 1 << max(self._sound.size + CHUNK, 2).bit_length()
        self._spectrum = np.fft.rfft(self._sound.astype(np.float32), self._size)
        self._energy = np.concatenate([[0.0], np.cumsum(self._sound**2)])

    def find(self, prompt: Path) -> list[Occurrence]:
        """Every place where `prompt` begins, cut short or not, in order."""
        wav = read_recording(prompt).astype(np.float64)
        begin, end = _spoken(wav)
        spoken = wav[begin:end]
        if spoken.size < FRAME:
            return []
        found: dict[int, Occurrence] = {}
        for number in range(MORE_CHUNKS):
            if found and number >= FIRST_CHUNKS:
                break
            skipped = number * CHUNK
            for place in self._places(spoken, skipped):
                if any(abs(place - other) <= OVERLAP for other in found):
                    continue
                score, length = self._follow(spoken, place, skipped)
                if length - skipped < min(spoken.size, CHUNK) / 2 + skipped:
                    continue  # alike as a whole, but not in its parts: another word
                start = round((place - begin) / RATE, 3)
                found[place] = Occurrence(start, score, (begin + length) / RATE)
        return [found[place] for place in sorted(found)]

    def _places(self, spoken: Sound, skipped: int) -> list[int]:
        """Where `spoken` may begin, by its 0.4 s from `skipped` on."""
        template = spoken[skipped : skipped + CHUNK]
        whole = template.size == CHUNK
        if template.size > self._sound.size or (skipped and not whole):
            return []
        peaks = _peaks(self._correlations(template), SAME if whole else SAME_SHORT)
        return [place - skipped for place in peaks if place >= skipped]

    def _correlations(self, template: Sound) -> Sound:
        """Normalised correlation of `template` with each place of the recording."""
        spectrum = np.fft.rfft(template.astype(np.float32), self._size)
        products = np.fft.irfft(self._spectrum * np.conj(spectrum), self._size)
        places = self._sound.size - template.size + 1
        energy = self._energy[template.size :] - self._energy[: -template.size]
        return _normalised(products[:places].astype(np.float64), energy, template)

    def _follow(self, spoken: Sound, place: int, skipped: int) -> tuple[float, int]:
        """How well, and up to which sample, the recording goes on as `spoken` from `place`.

        What comes before `skipped` is not looked at.
        """
        scores: list[float] = []
        length = 0
        for offset in range(skipped, spoken.size, CHUNK):
            chunk = spoken[offset : offset + CHUNK]
            if np.abs(chunk).max() < 0.05 * np.abs(spoken).max():
                continue  # a pause proves nothing
            low = max(place + offset - SLIP, 0)
            around = self._sound[low : place + offset + chunk.size + SLIP]
            if around.size < chunk.size:
                break
            products = np.correlate(around, chunk, "valid")
            energy = np.convolve(around**2, np.ones(chunk.size), "valid")
            correlations = _normalised(products, energy, chunk)
            best = int(np.argmax(correlations))
            if correlations[best] < SAME:
                break
            place = low + best - offset
            scores.append(float(correlations[best]))
            length = offset + chunk.size
        return (float(np.mean(scores)) if scores else 0.0), self._stop(spoken, place, length)

    def _stop(self, spoken: Sound, place: int, length: int) -> int:
        """The end of the last sound, near `length`, that is `spoken`'s: where it was cut."""
        end = max(length - CHUNK, 0)
        for offset in range(end, spoken.size, BLOCK):
            block = spoken[offset : offset + BLOCK]
            if np.abs(block).max() < 0.05 * np.abs(spoken).max():
                continue
            there = self._sound[place + offset : place + offset + block.size]
            if there.size < block.size:
                break
            energy = np.array([np.sum(there**2)])
            if _normalised(np.array([np.dot(there, block)]), energy, block)[0] < SAME_BLOCK:
                break
            end = offset + block.size
        return end


def heard(recording: Path, prompt_wav: Path) -> list[Occurrence]:
    """Where a recording holds a prompt, or at least its first second."""
    wanted = min(CUT_MINIMUM, _spoken_seconds(prompt_wav))
    return [o for o in Ear(recording).find(prompt_wav) if o.heard_s >= wanted]


def transcript(
    recording: Path, folder: Path, only: Iterable[str] | None = None
) -> list[tuple[float, str]]:
    """The prompts of `folder` (one language's) in a recording: (seconds, prompt id), in order.

    `only`: the ids to look for, all when None. Of two prompts found at one place the one that was
    heard longer stands; of two heard as long, the one whose own length fits better. Prompts whose
    recordings are the same sound ("centime", "centimes") go by the first of their ids.
    """
    ear = Ear(recording)
    files = sorted(folder.glob("*.wav")) if only is None else [folder / f"{i}.wav" for i in only]
    found = [(file, occurrence) for file in files for occurrence in ear.find(file)]
    lengths = {file: _spoken_seconds(file) for file, _ in found}

    def merit(candidate: tuple[Path, Occurrence]) -> tuple[float, float, float]:
        file, occurrence = candidate
        unheard = lengths[file] - occurrence.heard_s
        return round(occurrence.heard_s, 1), -round(max(unheard, 0.0), 1), occurrence.score

    taken: list[tuple[float, float, str]] = []
    for file, occurrence in sorted(found, key=merit, reverse=True):
        begin, end = occurrence.start_s, occurrence.start_s + occurrence.heard_s
        if all(min(end, e) - max(begin, b) <= OVERLAP / RATE for b, e, _ in taken):
            taken.append((begin, end, file.stem))
    return [(begin, prompt) for begin, _, prompt in sorted(taken)]


def _spoken(wav: Sound) -> tuple[int, int]:
    """From the first sample that is not silence to the last."""
    frames = np.abs(wav[: wav.size // FRAME * FRAME]).reshape(-1, FRAME).max(axis=1)
    loud = np.flatnonzero(frames > float(frames.max(initial=0.0)) * 10 ** (SILENT_DB / 20))
    if not loud.size:
        return 0, 0
    return int(loud[0]) * FRAME, (int(loud[-1]) + 1) * FRAME


def _spoken_seconds(prompt: Path) -> float:
    """How long a prompt lasts up to its last sound."""
    return _spoken(read_recording(prompt).astype(np.float64))[1] / RATE


def _normalised(products: Sound, energy: Sound, template: Sound) -> Sound:
    """Correlations from products; 0 where the recording is all but silent beside the template."""
    own = float(np.sum(template**2))
    audible = energy > own * 1e-4
    result = np.zeros(products.size)
    result[audible] = products[audible] / np.sqrt(energy[audible] * own)
    return result


def _peaks(correlations: Sound, threshold: float) -> list[int]:
    """Places over `threshold` that are the best within 0.1 s around them."""
    over = np.flatnonzero(correlations >= threshold)
    groups = np.split(over, np.flatnonzero(np.diff(over) > OVERLAP) + 1)
    return [int(group[np.argmax(correlations[group])]) for group in groups if group.size]

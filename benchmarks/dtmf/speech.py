"""What is no key: voices, music, tones of the network, modems and faxes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import yaml

from tests.sounds import PROMPTS, RATE, Sound, amplitude, at_level, samples, spoken

VOICES = (
    *("fr", "fr-be", "fr-ch", "fr+f1", "fr+f2", "fr+f3", "fr+f4", "fr+f5", "fr+m1", "fr+m2"),
    *("fr+m3", "fr+m4", "fr+m5", "fr+m7", "fr+croak", "fr+whisper", "fr+klatt2", "fr+klatt4"),
    *("fr-be+f2", "fr-ch+f4", "fr+linda", "fr+Alex", "fr+Denis", "fr+grandma"),
)


def sentences(random: np.random.Generator) -> Iterator[str]:
    """French without end: what our prompts say, in parts put together anew, and numbers."""
    catalogue = yaml.safe_load((PROMPTS / "fr" / "catalogue.yaml").read_text(encoding="utf-8"))
    parts = [
        part.strip()
        for entry in catalogue.values()
        for sentence in entry["text"].split(".")
        for part in sentence.split(",")
        if part.strip()
    ]
    while True:
        chosen = [parts[int(place)] for place in random.integers(len(parts), size=4)]
        number = int(random.integers(1, 10_000_000))
        yield f"{chosen[0]}, {chosen[1]}. {chosen[2]}, {number}, {chosen[3]} !"


def speech(seconds: float, seed: int, voices: tuple[str, ...] = VOICES) -> Iterator[Sound]:
    """One recording of each voice, together `seconds` long, at −16 dBm0."""
    each = samples(1000 * seconds / len(voices))
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(lambda place: _voice(place, each, seed, voices), range(len(voices)))


def _voice(place: int, size: int, seed: int, voices: tuple[str, ...]) -> Sound:
    random = np.random.default_rng([seed, place])
    texts = sentences(random)
    said: list[Sound] = []
    while sum(map(len, said)) < size:
        text = " ".join(next(texts) for _ in range(12))
        pitch, speed = int(random.integers(10, 95)), int(random.integers(130, 220))
        said.append(spoken(text, voices[place], pitch, speed))
    return at_level(np.concatenate(said)[:size], -16.0)


def music(seconds: float, seed: int) -> Sound:
    """Chords and melodies of plucked, blown and bowed instruments from A2 to C7, out of tune a
    little, with a beat. No pure sines: two of those on the right notes are a key by its definition.
    """
    random = np.random.default_rng(seed)
    size = samples(1000 * seconds)
    sound = np.zeros(size + RATE * 2)
    place = 0
    while place < size:
        length = int(random.choice([RATE // 8, RATE // 4, RATE // 2, RATE]))
        time = np.arange(length) / RATE
        fade = np.exp(-time * random.uniform(0.5, 6)) * np.minimum(1, time / 0.01)
        for note in random.integers(45, 97, size=int(random.integers(1, 5))):
            pitch = 440 * 2 ** ((int(note) - 69 + random.normal(0, 0.05)) / 12)
            brightness = random.uniform(0.35, 0.85)
            for harmonic in range(1, 12):
                if harmonic * pitch < 3800:
                    sound[place : place + length] += (
                        fade
                        * brightness ** (harmonic - 1)
                        * np.sin(2 * np.pi * harmonic * pitch * time + random.uniform(0, 6))
                    )
        beat = random.normal(0, random.uniform(0, 0.8), length) * np.exp(-time * 40)
        sound[place : place + length] += beat
        place += length
    return at_level(sound[:size], -16.0)


def _cadence(frequencies: tuple[float, ...], on: float, off: float, seconds: float) -> Sound:
    time = np.arange(samples(1000 * seconds)) / RATE
    sound = sum((np.sin(2 * np.pi * pitch * time) for pitch in frequencies), np.zeros(len(time)))
    return amplitude(-12.0) * sound * (time % (on + off) < on)


def network_tones(seconds: float = 20.0) -> Sound:
    """Dial, ringing, busy and special information tones of several countries, and fax calls."""
    return np.concatenate(
        [
            *(_cadence((440.0,), on, off, seconds) for on, off in ((1.5, 3.5), (0.5, 0.5), (9, 0))),
            *(_cadence((425.0,), on, off, seconds) for on, off in ((1.0, 4.0), (0.5, 0.5))),
            _cadence((350.0, 440.0), 9, 0, seconds),
            _cadence((440.0, 480.0), 2.0, 4.0, seconds),
            _cadence((480.0, 620.0), 0.5, 0.5, seconds),
            *(_cadence((pitch,), 0.33, 0.03, seconds / 3) for pitch in (950.0, 1400.0, 1800.0)),
            _cadence((1100.0,), 0.5, 3.0, seconds),  # fax calling
            _cadence((2100.0,), 2.6, 0.1, seconds),  # fax answering
            _cadence((2100.0, 2250.0), 0.5, 0.1, seconds),
        ]
    )


def modem(seconds: float, seed: int) -> Sound:
    """V.21 (fax handshakes) on both channels, and phase-shift keying at 1200 and 2400 Hz."""
    random = np.random.default_rng(seed)
    parts = []
    time = np.arange(samples(200 * seconds)) / RATE
    for centre, shift, baud in ((1080, 100, 300), (1750, 100, 300), (1700, 400, 1200)):
        bits = random.integers(0, 2, size=int(seconds * baud)) * 2 - 1
        pitch = centre - shift * bits[(time * baud).astype(np.int64)]
        parts.append(amplitude(-12.0) * np.sin(2 * np.pi * np.cumsum(pitch) / RATE))
    for carrier in (1200, 2400):
        steps = np.cumsum(random.integers(0, 4, size=int(seconds * 600))) * np.pi / 2
        phase = steps[(time * 600).astype(np.int64)]
        parts.append(amplitude(-12.0) * np.sin(2 * np.pi * carrier * time + phase))
    return np.concatenate(parts)

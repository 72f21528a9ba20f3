"""Noises of lines and of the rooms behind callers, of any length at a level."""

from collections.abc import Callable, Sequence

import numpy as np

from tests.sounds import RATE, Sound, rms, samples


def coloured(dbm0: float, fall_db: float, random: np.random.Generator) -> Callable[[int], Sound]:
    """Noise whose power falls by so much an octave from 50 Hz on: white 0, pink 3."""

    def make(size: int) -> Sound:
        spectrum = np.fft.rfft(random.normal(size=size))
        pitch = np.fft.rfftfreq(size, 1 / RATE)
        heard = pitch >= 50
        spectrum[~heard] = 0
        spectrum[heard] *= pitch[heard] ** (-fall_db / (20 * np.log10(2)))
        sound = np.fft.irfft(spectrum, size)
        return np.asarray(sound * rms(dbm0) / np.sqrt((sound**2).mean()))

    return make


def street(dbm0: float, random: np.random.Generator) -> Callable[[int], Sound]:
    """Engines that come and go, over a rumble."""

    def make(size: int) -> Sound:
        rumble = coloured(0.0, 5.0, random)(size)
        time = np.arange(size) / RATE
        sound = 0.4 * rumble
        for _ in range(4):
            passing = np.exp(
                -(((time - random.uniform(0, size / RATE)) / random.uniform(1, 3)) ** 2)
            )
            sound += passing * coloured(0.0, 3.0, random)(size)
        return np.asarray(sound * rms(dbm0) / np.sqrt((sound**2).mean()))

    return make


def babble(
    dbm0: float, sayings: Sequence[Sound], voices: int, random: np.random.Generator
) -> Callable[[int], Sound]:
    """So many people who talk at once, each of them saying one of the sayings again and again."""

    def make(size: int) -> Sound:
        sound = np.zeros(size)
        for place in random.integers(len(sayings), size=voices):
            said = np.concatenate([sayings[int(place)], np.zeros(RATE // 3)])
            sound += np.resize(np.roll(said, -int(random.integers(len(said)))), size)
        return np.asarray(sound * rms(dbm0) / np.sqrt((sound**2).mean()))

    return make


def hum_and_crackle(dbm0: float, random: np.random.Generator) -> Callable[[int], Sound]:
    """A bad line: mains hum and its harmonics, hiss, and some five clicks a second."""

    def make(size: int) -> Sound:
        time = np.arange(size) / RATE
        sound = random.normal(0, 0.1, size)
        for harmonic in range(1, 25):
            phase = 2 * np.pi * 50 * harmonic * time + random.uniform(0, 2 * np.pi)
            sound += np.sin(phase) / harmonic
        for begin in random.integers(size - 80, size=5 * size // RATE).tolist():
            decay = np.exp(-np.arange(80) / random.uniform(2, 16))
            sound[begin : begin + 80] += random.normal(0, random.uniform(1, 10), 80) * decay
        return np.asarray(sound * rms(dbm0) / np.sqrt((sound**2).mean()))

    return make


def _cough(random: np.random.Generator) -> Sound:
    """A burst of air and what is left of a voice after it."""
    time = np.arange(samples(random.uniform(200, 350))) / RATE
    air = coloured(-10.0, 1.5, random)(len(time)) * np.exp(-time * 12)
    voice = np.sin(2 * np.pi * 220 * time) * np.exp(-((time - 0.12) ** 2) / 0.003)
    return air + rms(-18.0) * voice


def coughs(count: int, random: np.random.Generator) -> Sound:
    """One after the other."""
    parts = [part for _ in range(count) for part in (_cough(random), np.zeros(samples(180)))]
    return np.concatenate(parts)

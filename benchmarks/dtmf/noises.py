"""Noise alone, of the kinds that lines and the rooms behind callers have."""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.voice import talkers
from tests.noises import coloured, hum_and_crackle, street
from tests.sounds import Sound, samples

LEVELS_DBM0 = (-10, -20, -30, -40)
_PART = 30.0  # seconds of each


def noises(seconds: float, seed: int) -> Iterator[tuple[str, list[Sound]]]:
    """Each kind's name, and sounds of it, at each of the levels for so many seconds together."""
    for place, (name, kind) in enumerate(_KINDS.items()):
        random = np.random.default_rng([seed, place])
        parts = max(1, round(seconds / _PART))
        size = samples(1000 * seconds / parts)
        yield name, [kind(dbm0, random)(size) for dbm0 in LEVELS_DBM0 for _ in range(parts)]


_KINDS: dict[str, Callable[[float, np.random.Generator], Callable[[int], Sound]]] = {
    "white noise": lambda dbm0, random: coloured(dbm0, 0.0, random),
    "pink noise": lambda dbm0, random: coloured(dbm0, 3.0, random),
    "a street": street,
    "eight people talking": lambda dbm0, random: talkers(dbm0, 8, random),
    "hum and crackle of a bad line": hum_and_crackle,
}

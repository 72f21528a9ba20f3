"""What callers key and when, for many callers at once: every script in one row of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

PACKETS_PER_SECOND = 50
EVENT_CODES = {key: code for code, key in enumerate("0123456789*#")}
"""RFC 4733 section 3.2."""
_BETWEEN_KEYS = 0.08  # s


class Wait(IntEnum):
    """What the caller waits to hear after a key."""

    NOTHING = 0
    ANSWER = 1
    """The next prompt, which nothing slow stands before."""
    VERDICT = 2
    """Whether the secret was right: the answer behind a hash and two commits."""
    SILENCE = 3
    """That what plays stops."""


@dataclass(frozen=True, slots=True)
class Press:
    """`pause` seconds after the key before (or the beginning), this key."""

    pause: float
    key: str
    wait: Wait = Wait.NOTHING


def entry(pause: float, keys: str, wait: Wait) -> list[Press]:
    """Keys in one go, after `pause` seconds; `wait`: for what, after the last."""
    presses = [Press(_BETWEEN_KEYS if number else pause, key) for number, key in enumerate(keys)]
    presses[-1] = Press(presses[-1].pause, presses[-1].key, wait)
    return presses


class Scripts:
    """All the scripts, one after the other: a caller is at a position, and goes to `following`.

    `code`: telephone event to send; `pause`: packets before it; `wait`: see `Wait`. Position 0 is
    that of a caller who keys nothing.
    """

    def __init__(self) -> None:
        self._presses: list[Press] = [Press(0.0, "0")]
        self._following: list[int] = [0]
        self._settle()

    def add(self, presses: Sequence[Press], *, again_from: int) -> int:
        """The position of the first press; after the last comes press `again_from` again."""
        first = len(self._presses)
        self._presses += presses
        self._following += range(first + 1, first + len(presses))
        self._following.append(first + again_from)
        self._settle()
        return first

    def _settle(self) -> None:
        self.code: NDArray[np.uint8] = np.array(
            [EVENT_CODES[press.key] for press in self._presses], np.uint8
        )
        self.pause: NDArray[np.int64] = np.array(
            [max(1, round(press.pause * PACKETS_PER_SECOND)) for press in self._presses]
        )
        self.wait: NDArray[np.int64] = np.array([press.wait.value for press in self._presses])
        self.following: NDArray[np.int64] = np.array(self._following)

"""Keep-alive of a stream (RFC 5626 §3.5.1 and §4.4.1): pings of ours, and what their answers tell.

A peer that has answered a ping is judged by the next ones. Many know nothing of RFC 5626: those
that never answered are not judged, and a dead one is told by TCP itself.
"""

from collections.abc import Callable
from enum import Enum, auto

PING = b"\r\n\r\n"
PING_INTERVAL = 120.0  # seconds, of which 80 to 100 % by chance, so that pings spread
PONG_TIMEOUT = 10.0


class Due(Enum):
    NOTHING = auto()
    PING = auto()
    HANG_UP = auto()


class KeepAlive:
    """The pings of one connection. `chance` gives 0 to 1; `deadline` is when `advance` is due."""

    __slots__ = ("_answers", "_awaits", "_chance", "deadline")

    def __init__(self, chance: Callable[[], float], now: float) -> None:
        self._chance = chance
        self._answers = False
        self._awaits = False
        self.deadline = self._next_ping(now)

    @property
    def awaits_pong(self) -> bool:
        """Whether a lone CRLF is the answer to a ping of ours."""
        return self._awaits

    def heard(self, now: float, *, pong: bool) -> None:
        """Something came: `pong`, or a message, which tells as much of the connection."""
        if pong and self._awaits:
            self._answers = True
        if self._awaits:
            self._wait(now)

    def advance(self, now: float) -> Due:
        """What is to be done at `now`."""
        if now < self.deadline:
            return Due.NOTHING
        if self._awaits and self._answers:
            return Due.HANG_UP
        if self._awaits:
            self._wait(now)
            return Due.NOTHING
        self._awaits = True
        self.deadline = now + PONG_TIMEOUT
        return Due.PING

    def _wait(self, now: float) -> None:
        self._awaits = False
        self.deadline = self._next_ping(now)

    def _next_ping(self, now: float) -> float:
        return now + PING_INTERVAL * (0.8 + 0.2 * self._chance())

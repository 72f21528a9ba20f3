"""The 2xx to an INVITE, sent again until its ACK comes (RFC 3261 §13.3.1.4)."""

from collections.abc import Callable

from ivr.sip.timers import T1, T2, TIMEOUT, Timer, Timers


class Repeater:
    """Sends after 0.5, 1.5, 3.5, 7.5 s, then every 4 s; `gave_up(now)` at 32 s.

    On TCP too: the path beyond a proxy may be UDP.
    """

    __slots__ = ("_interval", "_limit", "_repeat", "_send", "_timers")

    def __init__(
        self,
        send: Callable[[], None],
        timers: Timers,
        gave_up: Callable[[float], None],
        now: float,
    ) -> None:
        self._send = send
        self._timers = timers
        self._interval = T1
        self._limit = timers.at(now + TIMEOUT, gave_up)
        self._repeat: Timer = timers.at(now + T1, self._again)

    def stop(self) -> None:
        """The ACK came, or the call is over."""
        self._limit.cancel()
        self._repeat.cancel()

    def _again(self, now: float) -> None:
        self._send()
        self._interval = min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._again)

"""The non-INVITE server transaction (RFC 3261 §17.2.2)."""

from collections.abc import Callable

from ivr.sip.timers import TIMEOUT, Timers


class NonInviteServer:
    """One request and every copy of it. `send` sends a response; `ended` is called once, last."""

    __slots__ = ("_ended", "_last", "_reliable", "_send", "_timers")

    def __init__(
        self,
        send: Callable[[bytes], None],
        timers: Timers,
        ended: Callable[[], object],
        *,
        reliable: bool,
    ) -> None:
        self._send = send
        self._timers = timers
        self._ended = ended
        self._reliable = reliable
        self._last = b""

    def repeated(self, now: float) -> None:
        """The request came again: the answer, if there was one, goes out again."""
        if self._last:
            self._send(self._last)

    def respond(self, response: bytes, now: float) -> None:
        """Send the final response and keep it for timer J."""
        if self._last:
            return
        self._last = response
        self._send(response)
        if self._reliable:
            self._ended()
        else:
            self._timers.at(now + TIMEOUT, self._timer_j)

    def _timer_j(self, now: float) -> None:
        self._ended()

"""The INVITE server transaction (RFC 3261 §17.2.1, with the Accepted state of RFC 6026)."""

from collections.abc import Callable
from enum import Enum, auto

from ivr.sip.timers import T1, T2, T4, TIMEOUT, Timer, Timers


class State(Enum):
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class InviteServer:
    """One INVITE and every copy of it. `send` sends a response.

    Last of all, either `ended` is called, or `silenced(now)` where copies may still come, which get
    nothing. `call` names the call it belongs to, "" when it belongs to none.
    """

    __slots__ = (
        "_ended",
        "_interval",
        "_last",
        "_limit",
        "_reliable",
        "_repeat",
        "_send",
        "_silenced",
        "_silent_until",
        "_timers",
        "call",
        "state",
    )

    def __init__(
        self,
        send: Callable[[bytes], None],
        timers: Timers,
        ended: Callable[[], object],
        silenced: Callable[[float], object],
        *,
        reliable: bool,
    ) -> None:
        self.state = State.PROCEEDING
        self.call = ""
        self._send = send
        self._timers = timers
        self._ended = ended
        self._silenced = silenced
        self._reliable = reliable
        self._last = b""
        self._interval = T1
        self._silent_until = 0.0
        self._repeat: Timer | None = None
        self._limit: Timer | None = None

    def repeated(self, now: float) -> None:
        """The INVITE came again: what was answered last is answered again.

        RFC 6026 has the Accepted state absorb it in silence. Our 200 goes out again instead, since
        a caller that repeats its INVITE has not had it; but once in T1 at most, lest it plays
        ping-pong with one that answers each 200 with its INVITE.
        """
        if not self._last or self.state is State.CONFIRMED:
            return
        if self.state is State.ACCEPTED:
            if now < self._silent_until:
                return
            self._silent_until = now + T1
        self._send(self._last)

    def provisional(self, response: bytes) -> None:
        """Send a 1xx."""
        if self.state is State.PROCEEDING:
            self._last = response
            self._send(response)

    def accept(self, response: bytes, now: float) -> None:
        """Send a 2xx. Repeating it until the ACK is the dialog's business."""
        if self.state is State.PROCEEDING:
            self.state = State.ACCEPTED
            self._last = response
            self._send(response)
            self._limit = self._timers.at(now + TIMEOUT, self._timer_l)

    def refuse(self, response: bytes, now: float) -> None:
        """Send a 3xx to 6xx, again and again until the ACK."""
        if self.state is State.PROCEEDING:
            self.state = State.COMPLETED
            self._last = response
            self._send(response)
            self._limit = self._timers.at(now + TIMEOUT, self._timer_h)
            if not self._reliable:
                self._repeat = self._timers.at(now + T1, self._timer_g)

    def acknowledged(self, now: float) -> None:
        """The ACK to a 3xx to 6xx came."""
        if self.state is State.COMPLETED:
            self.state = State.CONFIRMED
            self._cancel_timers()
            if self._reliable:
                self._terminate()
            else:
                self._timers.at(now + T4, self._timer_i)

    def fall_silent(self, now: float) -> None:
        """The call is over: a copy of the INVITE that is still on its way gets nothing."""
        if self.state is State.ACCEPTED:
            self._cancel_timers()
            self.state = State.TERMINATED
            self._silenced(now)

    def _timer_g(self, now: float) -> None:
        self._send(self._last)
        self._interval = min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._timer_g)

    def _timer_h(self, now: float) -> None:
        self._terminate()

    def _timer_i(self, now: float) -> None:
        self._terminate()

    def _timer_l(self, now: float) -> None:
        self._terminate()

    def _cancel_timers(self) -> None:
        for timer in (self._repeat, self._limit):
            if timer:
                timer.cancel()

    def _terminate(self) -> None:
        self._cancel_timers()
        self.state = State.TERMINATED
        self._ended()

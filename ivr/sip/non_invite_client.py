"""The non-INVITE client transaction (RFC 3261 §17.1.2): our BYE and REFER."""

from collections.abc import Callable
from enum import Enum, auto

from ivr.sip.timers import T1, T2, T4, TIMEOUT, Timer, Timers

REQUEST_TIMEOUT = 408


class State(Enum):
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()


class NonInviteClient:
    """One request of ours, sent until it is answered.

    `answered(status, now)` is called once, with the final status or, after 32 s, with 408
    (§8.1.3.1); `ended` is called once, last.
    """

    __slots__ = (
        "_answered",
        "_ended",
        "_interval",
        "_limit",
        "_reliable",
        "_repeat",
        "_request",
        "_send",
        "_timers",
        "state",
    )

    def __init__(
        self,
        request: bytes,
        send: Callable[[bytes], None],
        timers: Timers,
        answered: Callable[[int, float], None],
        ended: Callable[[], object],
        *,
        reliable: bool,
    ) -> None:
        self.state = State.TRYING
        self._request = request
        self._send = send
        self._timers = timers
        self._answered = answered
        self._ended = ended
        self._reliable = reliable
        self._interval = T1
        self._limit: Timer | None = None
        self._repeat: Timer | None = None

    def start(self, now: float) -> None:
        """Send the request."""
        self._limit = self._timers.at(now + TIMEOUT, self._timer_f)
        if not self._reliable:
            self._repeat = self._timers.at(now + T1, self._timer_e)
        self._send(self._request)

    def received(self, status: int, now: float) -> None:
        """A response came."""
        if self.state is State.COMPLETED:
            return
        if status < 200:
            self.state = State.PROCEEDING
            return
        self._complete()
        if self._reliable:
            self._ended()
        else:
            self._timers.at(now + T4, self._timer_k)
        self._answered(status, now)

    def _timer_e(self, now: float) -> None:
        self._send(self._request)
        proceeding = self.state is State.PROCEEDING
        self._interval = T2 if proceeding else min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._timer_e)

    def _timer_f(self, now: float) -> None:
        self._complete()
        self._ended()
        self._answered(REQUEST_TIMEOUT, now)

    def _complete(self) -> None:
        self.state = State.COMPLETED
        for timer in (self._limit, self._repeat):
            if timer:
                timer.cancel()

    def _timer_k(self, now: float) -> None:
        self._ended()

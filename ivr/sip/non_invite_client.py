"""The non-INVITE client transaction (RFC 3261 §17.1.2): our BYE, REFER and UPDATE."""

from collections.abc import Callable
from enum import Enum, auto

from ivr.sip.message import Response
from ivr.sip.timers import T1, T2, T4, TIMEOUT, Timer, Timers

REQUEST_TIMEOUT = 408
UNDELIVERED = 503

# The final status, the response itself, and `now`. There is no response where nobody answered (408)
# or the request could not be delivered (503): RFC 3261 §8.1.3.1.
Answered = Callable[[int, Response | None, float], None]


class State(Enum):
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()


class NonInviteClient:
    """One request of ours, sent until it is answered.

    `answered` is called once, with the final response or, after 32 s, with 408 and none (§8.1.3.1),
    or with 503 and none when it is `undelivered`; `ended` is called once.
    """

    __slots__ = (
        "_answered",
        "_ended",
        "_interval",
        "_limit",
        "_reliable",
        "_repeat",
        "_send",
        "_timers",
        "request",
        "state",
    )

    def __init__(
        self,
        request: bytes,
        send: Callable[[bytes], None],
        timers: Timers,
        answered: Answered,
        ended: Callable[[], object],
        *,
        reliable: bool,
    ) -> None:
        self.state = State.TRYING
        self.request = request
        self._send = send
        self._timers = timers
        self._answered = answered
        self._ended = ended
        self._reliable = reliable
        self._interval = T1
        self._limit: Timer | None = None
        self._repeat: Timer | None = None

    @property
    def waits(self) -> bool:
        """Whether the final answer is still to come."""
        return self.state is not State.COMPLETED

    def start(self, now: float) -> None:
        """Send the request."""
        self._limit = self._timers.at(now + TIMEOUT, self._timer_f)
        if not self._reliable:
            self._repeat = self._timers.at(now + T1, self._timer_e)
        self._send(self.request)

    def received(self, response: Response, now: float) -> None:
        """A response came."""
        if self.state is State.COMPLETED:
            return
        if response.status < 200:
            self.state = State.PROCEEDING
            return
        self._complete()
        if self._reliable:
            self._ended()
        else:
            self._timers.at(now + T4, self._timer_k)
        self._answered(response.status, response, now)

    def _timer_e(self, now: float) -> None:
        self._send(self.request)
        proceeding = self.state is State.PROCEEDING
        self._interval = T2 if proceeding else min(2 * self._interval, T2)
        self._repeat = self._timers.at(now + self._interval, self._timer_e)

    def undelivered(self, now: float) -> None:
        """The request could not be sent at all (§17.1.4)."""
        if self.waits:
            self._fail(UNDELIVERED, now)

    def _timer_f(self, now: float) -> None:
        self._fail(REQUEST_TIMEOUT, now)

    def _fail(self, status: int, now: float) -> None:
        self._complete()
        self._ended()
        self._answered(status, None, now)

    def _complete(self) -> None:
        self.state = State.COMPLETED
        for timer in (self._limit, self._repeat):
            if timer:
                timer.cancel()

    def _timer_k(self, now: float) -> None:
        self._ended()

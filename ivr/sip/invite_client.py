"""The INVITE client transaction (RFC 3261 §17.1.1, with the Accepted state of RFC 6026): our
re-INVITE."""

from collections.abc import Callable
from enum import Enum, auto

from ivr.sip.message import Response
from ivr.sip.non_invite_client import REQUEST_TIMEOUT, UNDELIVERED, Answered
from ivr.sip.timers import T1, TIMEOUT, Timer, Timers


class State(Enum):
    CALLING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    ACCEPTED = auto()


class InviteClient:
    """One INVITE of ours, sent until something answers it, with an ACK for every final answer.

    `send` takes the INVITE, and `refusal_ack`, which goes to where the INVITE went. `acknowledge`
    sends the ACK to a 2xx: it belongs to the dialog, so it may go elsewhere. `answered` and `ended`
    are as in `NonInviteClient`. A peer that goes on ringing is waited for (only the caller's own
    clocks end that).
    """

    __slots__ = (
        "_acknowledge",
        "_answered",
        "_ended",
        "_interval",
        "_limit",
        "_refusal_ack",
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
        refusal_ack: bytes,
        send: Callable[[bytes], None],
        acknowledge: Callable[[], None],
        timers: Timers,
        answered: Answered,
        ended: Callable[[], object],
        *,
        reliable: bool,
    ) -> None:
        self.state = State.CALLING
        self.request = request
        self._refusal_ack = refusal_ack
        self._send = send
        self._acknowledge = acknowledge
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
        return self.state in (State.CALLING, State.PROCEEDING)

    def start(self, now: float) -> None:
        """Send the INVITE."""
        self._limit = self._timers.at(now + TIMEOUT, self._timer_b)
        if not self._reliable:
            self._repeat = self._timers.at(now + T1, self._timer_a)
        self._send(self.request)

    def received(self, response: Response, now: float) -> None:
        """A response came."""
        success = 200 <= response.status < 300
        if self.state is State.COMPLETED:
            if response.status >= 300:
                self._send(self._refusal_ack)
        elif self.state is State.ACCEPTED:
            if success:
                self._acknowledge()
        elif response.status < 200:
            self.state = State.PROCEEDING
            self._stop_timers()
        elif success:
            self._stop_timers()
            self.state = State.ACCEPTED
            self._timers.at(now + TIMEOUT, self._timer_m)
            self._answered(response.status, response, now)  # first: it may move the dialog's target
            self._acknowledge()
        else:
            self._stop_timers()
            self.state = State.COMPLETED
            self._send(self._refusal_ack)
            if self._reliable:
                self._ended()
            else:
                self._timers.at(now + TIMEOUT, self._timer_d)
            self._answered(response.status, response, now)

    def _timer_a(self, now: float) -> None:
        self._send(self.request)
        self._interval *= 2
        self._repeat = self._timers.at(now + self._interval, self._timer_a)

    def undelivered(self, now: float) -> None:
        """The INVITE could not be sent at all (§17.1.4)."""
        if self.waits:
            self._fail(UNDELIVERED, now)

    def _timer_b(self, now: float) -> None:
        self._fail(REQUEST_TIMEOUT, now)

    def _fail(self, status: int, now: float) -> None:
        self._stop_timers()
        self.state = State.COMPLETED
        self._ended()
        self._answered(status, None, now)

    def _timer_d(self, now: float) -> None:
        self._ended()

    def _timer_m(self, now: float) -> None:
        self._ended()

    def _stop_timers(self) -> None:
        for timer in (self._limit, self._repeat):
            if timer:
                timer.cancel()

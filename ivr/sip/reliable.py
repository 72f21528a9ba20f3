"""Provisional responses that the caller acknowledges, by PRACK (RFC 3262)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ivr.sip.core import Core
from ivr.sip.exchange import InviteExchange
from ivr.sip.grammar.option_tags import option_tags
from ivr.sip.grammar.rack import RAck
from ivr.sip.message import Request
from ivr.sip.replies import HeaderLines
from ivr.sip.timers import T1, TIMEOUT, Timer
from ivr.wire import WireError

OPTION = "100rel"


def wants_reliable(request: Request, *names: str) -> bool:
    """Whether the request names 100rel in one of those header fields."""
    try:
        return OPTION in option_tags(request.headers, *names)
    except WireError:
        return False


@dataclass(frozen=True, slots=True)
class _Provisional:
    status: int
    headers: HeaderLines
    sdp: bytes


class ReliableProvisionals:
    """Those of one INVITE: each waits for the PRACK of the one before it.

    Sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, on TCP too; `gave_up(now)` at 32 s.
    """

    def __init__(
        self, core: Core, invite: InviteExchange, gave_up: Callable[[float], None]
    ) -> None:
        self._core = core
        self._invite = invite
        self._gave_up = gave_up
        self._sequence = core.first_sequence()
        self._waiting: deque[_Provisional] = deque()  # a 180 and a 183 at most
        self._sent: _Provisional | None = None
        self._response = b""
        self._interval = T1
        self._timers: tuple[Timer, ...] = ()
        self.answered = False

    @property
    def holds_answer(self) -> bool:
        """Whether one with SDP is not acknowledged yet: no 2xx may overtake it (§3)."""
        unsettled = (*self._waiting, self._sent) if self._sent else self._waiting
        return any(each is not None and each.sdp for each in unsettled)

    def send(self, status: int, headers: HeaderLines, sdp: bytes, now: float) -> None:
        """Send a provisional response, when its turn has come."""
        self._waiting.append(_Provisional(status, headers, sdp))
        self.go_on(now)

    def acknowledged(self, rack: RAck) -> bool:
        """A PRACK came: whether it is of the response that waits for one (§3: else 481).

        `go_on` is to follow once the PRACK has been answered.
        """
        sent = self._sent
        if sent is None or rack != RAck(self._sequence, self._invite.request.cseq):
            return False
        self._sent = None
        self._stop_timers()
        self.answered = self.answered or bool(sent.sdp)
        return True

    def go_on(self, now: float) -> None:
        """Send what waits, if it need wait no more."""
        if self._sent is not None or not self._waiting:
            return
        self._sent = sent = self._waiting.popleft()
        self._sequence += 1
        headers = [*sent.headers, ("Require", OPTION), ("RSeq", str(self._sequence))]
        self._response = self._invite.replies.write(
            sent.status, headers, sent.sdp, record_route=True
        )
        self._interval = T1
        self._invite.server.provisional(self._response)
        self._timers = (
            self._core.timers.at(now + TIMEOUT, self._gave_up),
            self._core.timers.at(now + T1, self._again),
        )

    def stop(self) -> None:
        """The final response has been sent: no repetition and nothing new; a PRACK may come."""
        self._stop_timers()
        self._waiting.clear()

    def let_go(self) -> None:
        """Call nobody back any more: what is called back can then be freed at once."""
        self.stop()
        self._gave_up = _nobody

    def _again(self, now: float) -> None:
        self._invite.server.provisional(self._response)
        self._interval *= 2
        again = self._core.timers.at(now + self._interval, self._again)
        self._timers = (self._timers[0], again)

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = ()


def _nobody(_: float) -> None:
    """Takes the call of who has let go."""

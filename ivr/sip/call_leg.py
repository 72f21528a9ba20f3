"""One call as the signalling sees it: the INVITE and its ACK, the offers, INFO, REFER and BYE.

The dialog is `dialog.py`'s; the transactions come from outside. Here is what may happen when.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from ivr.sip import info
from ivr.sip.core import ACCEPT, ALLOW, SUPPORTED, Core
from ivr.sip.dialog import Dialog
from ivr.sip.events import (
    ByeReceived,
    Cancelled,
    Confirmed,
    InfoReceived,
    NotAcknowledged,
    Offered,
    Referred,
    Released,
)
from ivr.sip.exchange import Exchange, InviteExchange, PlainExchange, Refusal
from ivr.sip.flow import Flow
from ivr.sip.invite_server import InviteServer
from ivr.sip.message import Request
from ivr.sip.repeater import Repeater
from ivr.sip.replies import HeaderLines
from ivr.sip.screening import SDP, media_type
from ivr.sip.transfer import Transfer
from ivr.wire import WireError


class State(Enum):
    RINGING = auto()  # no final response to the INVITE
    ANSWERED = auto()  # 200 sent, no ACK yet
    CONFIRMED = auto()
    ENDING = auto()  # our BYE is on its way
    RELEASED = auto()


@dataclass(frozen=True, slots=True)
class _Unacknowledged:
    """A 200 whose ACK is awaited; `offers` when the answer is to come in that ACK."""

    sequence: int
    repeater: Repeater
    offers: bool


class CallLeg:
    """One dialog made by an INVITE of the peer. `released(leg, now)` is called once, last."""

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        invite: InviteExchange,
        released: Callable[["CallLeg", float], None],
    ) -> None:
        self.call = dialog.local_tag
        self.dialog = dialog
        self.invite = invite
        self.state = State.RINGING
        self.was_answered = False
        self._core = core
        self._released = released
        self._pending: Exchange | None = None
        self._awaited: _Unacknowledged | None = None
        self._bye: HeaderLines | None = None
        self._transfer: Transfer | None = None

    # What the application asks.

    def ring(self) -> None:
        """180, if there is no answer yet."""
        if self.state is State.RINGING:
            headers = [self._core.contact(self.dialog.flow), ALLOW]
            self.invite.server.provisional(
                self.invite.replies.write(180, headers, record_route=True)
            )

    def accept(self, sdp: bytes, now: float) -> None:
        """200 to the INVITE."""
        if self.state is State.RINGING:
            self.state = State.ANSWERED
            self.was_answered = True
            self._accept_invite(self.invite, sdp, now)

    def reject(self, refusal: Refusal, now: float) -> None:
        """A failure to the INVITE."""
        if self.state is State.RINGING:
            self.invite.refuse(refusal, now)
            self._release(now)

    def answer(self, sdp: bytes, now: float) -> None:
        """200 to the re-INVITE or UPDATE that was offered."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if pending.target:
            self.dialog.target = pending.target
        if isinstance(pending, InviteExchange):
            self._accept_invite(pending, sdp, now)
        else:
            pending.succeed(now, self._session_headers(), sdp)

    def refuse_offer(self, status: int, now: float) -> None:
        """A failure to the re-INVITE or UPDATE; the session stays as it was."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.refuse(Refusal(status), now)

    def bye(self, reason: str, now: float) -> None:
        """Hang up: BYE, once the ACK is here or given up (RFC 3261 §15)."""
        self._bye = [("Reason", reason)] if reason else []
        if self.state is State.RINGING:
            self.reject(Refusal(480), now)
        elif self.state in (State.ANSWERED, State.CONFIRMED) and self._awaited is None:
            self._send_bye(now)

    def refer(self, target: str, headers: HeaderLines, now: float) -> None:
        """Ask the peer to call `target` (RFC 3515)."""
        if self.state not in (State.ANSWERED, State.CONFIRMED):
            return
        self._transfer = Transfer(self._core, self.dialog, self._referred)
        self._transfer.start(target, headers, now)

    # What the peer asks.

    def acknowledged(self, request: Request, now: float) -> bool:
        """The ACK to a 200 of ours. False when none is awaited by that number."""
        awaited = self._awaited
        if awaited is None or awaited.sequence != request.cseq.number:
            return False
        sdp: bytes | None = None
        if awaited.offers and _is_sdp(request):
            sdp = request.body
        self._confirm(sdp, now)
        return True

    def cancelled(self, server: InviteServer, now: float) -> None:
        """The INVITE of that transaction is given up; nothing comes of it once it is answered."""
        if self.state is State.RINGING and server is self.invite.server:
            self.invite.refuse(Refusal(487), now)
            self._core.emit(Cancelled(self.call))
            self._release(now)
        elif self._pending and server is self._pending.server:
            self.refuse_offer(487, now)

    def receive(self, exchange: Exchange, flow: Flow, now: float) -> None:
        """A request in order within the dialog, other than ACK and CANCEL."""
        method = exchange.request.method
        self.dialog.flow = flow
        if self.state is State.ENDING and method != "BYE":
            exchange.refuse(Refusal(481), now)
        elif isinstance(exchange, InviteExchange) or method == "UPDATE":
            self._on_offer(exchange, now)
        elif method == "BYE":
            self._on_bye(exchange, now)
        elif method == "INFO":
            self._on_info(exchange, now)
        elif method == "NOTIFY":
            self._on_notify(exchange, now)
        else:
            exchange.succeed(now, [ALLOW, ACCEPT, SUPPORTED])

    def _on_bye(self, exchange: PlainExchange, now: float) -> None:
        exchange.succeed(now)
        if self.state is State.RINGING:
            self.invite.refuse(Refusal(487), now)
        self._core.emit(ByeReceived(self.call))
        self._release(now)

    def _on_offer(self, exchange: Exchange, now: float) -> None:
        """A re-INVITE or UPDATE (RFC 3261 §14.2, RFC 3311 §5.2)."""
        is_invite = isinstance(exchange, InviteExchange)
        offers = is_invite or bool(exchange.request.body)
        if isinstance(exchange, PlainExchange) and not offers:
            self.dialog.target = exchange.target or self.dialog.target
            exchange.succeed(now, [self._core.contact(self.dialog.flow), ALLOW])
            return
        if self._pending is not None or self.state is State.RINGING:
            exchange.refuse(Refusal(500, [self._core.retry_after()]), now)
            return
        if self._awaited is not None and self._awaited.offers:
            exchange.refuse(Refusal(491), now)
            return
        if is_invite and self._awaited is not None:
            # Who goes on to the next INVITE has had our 200: only its ACK was lost.
            self._confirm(None, now)
            if self.state is State.ENDING:  # a BYE of ours waited for just that
                exchange.refuse(Refusal(481), now)
                return
        self._pending = exchange
        if isinstance(exchange, InviteExchange):
            exchange.server.provisional(exchange.replies.write(100))
        self._core.emit(Offered(self.call, exchange.request.body or None))

    def _on_info(self, exchange: PlainExchange, now: float) -> None:
        """RFC 6086's legacy use: keys in the body. One without a body only asks if we live."""
        try:
            content_type = media_type(exchange.request)
            if content_type and content_type not in info.DTMF_TYPES:
                exchange.refuse(Refusal(415, [ACCEPT]), now)
                return
            body = exchange.request.body
            pressed = info.parse(content_type, body) if content_type else None
        except WireError as error:
            exchange.refuse(Refusal(400, reason=error.reason), now)
            return
        exchange.succeed(now)
        if pressed:
            self._core.emit(
                InfoReceived(self.call, content_type, body, pressed.key, pressed.duration_ms)
            )

    def _on_notify(self, exchange: PlainExchange, now: float) -> None:
        event = exchange.request.headers.get("event").partition(";")[0].strip().lower()
        if event != "refer":
            exchange.refuse(Refusal(489, [("Allow-Events", "refer")]), now)
        elif self._transfer is None:
            exchange.refuse(Refusal(481), now)
        else:
            exchange.succeed(now)
            self._transfer.notified(exchange.request)

    # How things go on.

    def _accept_invite(self, exchange: InviteExchange, sdp: bytes, now: float) -> None:
        is_first = exchange is self.invite
        response = exchange.replies.write(200, self._session_headers(), sdp, record_route=is_first)
        exchange.server.accept(response, now)
        repeater = Repeater(
            lambda: self._core.send(exchange.replies.destination, response),
            self._core.timers,
            self._not_acknowledged,
            now,
        )
        offers = not exchange.request.body
        self._awaited = _Unacknowledged(exchange.request.cseq.number, repeater, offers)

    def _session_headers(self) -> HeaderLines:
        return [self._core.contact(self.dialog.flow), ALLOW, SUPPORTED, ("Content-Type", SDP)]

    def _confirm(self, sdp: bytes | None, now: float) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is None:
            return
        awaited.repeater.stop()
        first = self.state is State.ANSWERED
        if first:
            self.state = State.CONFIRMED
        if first or awaited.offers:
            self._core.emit(Confirmed(self.call, sdp))
        if self._bye is not None:
            self._send_bye(now)

    def _not_acknowledged(self, now: float) -> None:
        self._core.emit(NotAcknowledged(self.call))
        self._send_bye(now)

    def _referred(self, status: int) -> None:
        self._core.emit(Referred(self.call, status))

    def _send_bye(self, now: float) -> None:
        self.state = State.ENDING
        self._drop_unfinished(now)
        dialog = self.dialog
        self._core.ask(
            dialog,
            "BYE",
            dialog.next_sequence(),
            self._bye or (),
            lambda status, now: self._release(now),
            now,
        )

    def _release(self, now: float) -> None:
        if self.state is State.RELEASED:
            return
        self.state = State.RELEASED
        self._drop_unfinished(now)
        self.invite.server.fall_silent()
        self._core.emit(Released(self.call))
        self._released(self, now)

    def _drop_unfinished(self, now: float) -> None:
        if self._transfer:
            self._transfer.abandon()
            self._transfer = None
        if self._awaited:
            self._awaited.repeater.stop()
            self._awaited = None
        self.refuse_offer(487, now)


def _is_sdp(request: Request) -> bool:
    try:
        return media_type(request) == SDP
    except WireError:
        return False

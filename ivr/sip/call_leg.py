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
    OfferAnswered,
    Offered,
    ReferProgress,
    Referred,
    Released,
    SessionExpired,
)
from ivr.sip.exchange import Exchange, InviteExchange, PlainExchange, Refusal
from ivr.sip.flow import Flow
from ivr.sip.grammar.rack import RAck
from ivr.sip.invite_server import InviteServer
from ivr.sip.message import Request, Response
from ivr.sip.reliable import ReliableProvisionals, wants_reliable
from ivr.sip.repeater import Repeater
from ivr.sip.replies import HeaderLines
from ivr.sip.screening import SDP, media_type
from ivr.sip.session_terms import SessionPolicy, Terms, agree
from ivr.sip.session_timer import SessionTimer
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
    """One dialog made by an INVITE of the peer. `released(leg, now)` is called once, last.

    `terms` are those of the session timer that our 200 to the INVITE will tell; `trunk` is whose
    call it is; `now`, when the INVITE came.
    """

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        invite: InviteExchange,
        sessions: SessionPolicy,
        terms: Terms | None,
        released: Callable[["CallLeg", float], None],
        *,
        trunk: str,
        now: float,
    ) -> None:
        self.call = dialog.local_tag
        self.dialog = dialog
        self.invite = invite
        self.state = State.RINGING
        self.was_answered = False
        self._core = core
        self._released = released
        self._trunk = trunk
        self._invited: float | None = now  # until the caller has been told something
        self._pending: Exchange | None = None
        self._awaited: _Unacknowledged | None = None
        self._bye: HeaderLines | None = None
        self._transfer: Transfer | None = None
        self._sessions = sessions
        self._terms = terms
        self._offer_terms: Terms | None = None  # of the 2xx to what is pending
        self._held: bytes | None = None  # our answer in a 200 that must not go yet
        self._reliable = ReliableProvisionals(core, invite, self._not_pracked)
        self._described = b""
        self._session = SessionTimer(
            core,
            dialog,
            offer=lambda: self._described,
            busy=lambda: self._pending is not None or self._awaited is not None,
            answered=self._offer_answered,
            expired=self._session_expired,
        )
        self._session.allows(invite.request.headers)

    # What the application asks.

    def ring(self, now: float) -> None:
        """180, if there is no answer yet: reliably where the INVITE requires that.

        In place of a reliable one an INVITE without offer gets none: it would have to carry ours.
        """
        if self.state is not State.RINGING:
            return
        self._tells(now)
        request = self.invite.request
        if not wants_reliable(request, "require"):
            self._send_provisional(180, b"")
        elif request.body:
            self._reliable.send(180, self._session_headers(None), b"", now)

    def progress(self, sdp: bytes, now: float) -> None:
        """183 with our answer to the INVITE: reliably where the caller can."""
        if self.state is not State.RINGING:
            return
        self._described = sdp
        self._tells(now)
        if wants_reliable(self.invite.request, "supported", "require"):
            headers = [*self._session_headers(None), ("Content-Type", SDP)]
            self._reliable.send(183, headers, sdp, now)
        else:
            self._send_provisional(183, sdp)

    def accept(self, sdp: bytes, now: float) -> None:
        """200 to the INVITE: after the PRACK of the answer (RFC 3262 §3) and of all in it."""
        if self.state is not State.RINGING:
            return
        if self._reliable.holds_answer or self._pending is not None:
            self._held = sdp
            return
        if self._reliable.answered and self._described != sdp:
            sdp = b""  # the session has changed since that answer: there is nothing to repeat
        self.state = State.ANSWERED
        self.was_answered = True
        self._reliable.stop()
        self._settles(200, now)
        self._accept_invite(self.invite, sdp, now)

    def reject(self, refusal: Refusal, now: float) -> None:
        """A failure to the INVITE."""
        if self.state is State.RINGING:
            self._refuse_invite(refusal, now)
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
            headers = self._session_headers(self._offer_terms)
            pending.succeed(now, [*headers, ("Content-Type", SDP)], sdp)
            self._agreed(sdp, self._offer_terms, now)
            self._accept_held(now)

    def refuse_offer(self, status: int, now: float) -> None:
        """A failure to the re-INVITE or UPDATE; the session stays as it was."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.refuse(Refusal(status), now)
            self._accept_held(now)

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
        if self._transfer:
            self._transfer.abandon()
        self._transfer = Transfer(self._core, self.dialog, self._refer_progress, self._referred)
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
            self._refuse_invite(Refusal(487), now)
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
        elif method == "PRACK":
            self._on_prack(exchange, now)
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
            self._refuse_invite(Refusal(487), now)
        self._core.emit(ByeReceived(self.call))
        self._release(now)

    def _on_offer(self, exchange: Exchange, now: float) -> None:
        """A re-INVITE or UPDATE (RFC 3261 §14.2, RFC 3311 §5.2)."""
        terms = agree(exchange.request, self._sessions, self._session.terms)
        if self.state is State.RINGING:
            terms = None  # there is no session yet to refresh
        if isinstance(terms, Refusal):
            exchange.refuse(terms, now)
            return
        self._session.allows(exchange.request.headers)
        is_invite = isinstance(exchange, InviteExchange)
        offers = is_invite or bool(exchange.request.body)
        if isinstance(exchange, PlainExchange) and not offers:
            self.dialog.target = exchange.target or self.dialog.target
            exchange.succeed(now, self._session_headers(terms))
            self._session.restart(terms, now)
            return
        early = self.state is State.RINGING and (is_invite or not self._reliable.answered)
        if self._pending is not None or early:
            exchange.refuse(Refusal(500, [self._core.retry_after()]), now)
            return
        if self._session.offering or (self._awaited is not None and self._awaited.offers):
            exchange.refuse(Refusal(491), now)
            return
        if is_invite and self._awaited is not None:
            # Who goes on to the next INVITE has had our 200: only its ACK was lost.
            self._confirm(None, now)
            if self.state is State.ENDING:  # a BYE of ours waited for just that
                exchange.refuse(Refusal(481), now)
                return
        self._pending, self._offer_terms = exchange, terms
        if isinstance(exchange, InviteExchange):
            exchange.server.provisional(exchange.replies.write(100))
        self._core.emit(Offered(self.call, exchange.request.body or None))

    def _on_prack(self, exchange: PlainExchange, now: float) -> None:
        """The acknowledgement of a reliable provisional response, and perhaps an offer with it."""
        request = exchange.request
        try:
            rack = RAck.parse(request.headers.get("rack"))
        except WireError as error:
            exchange.refuse(Refusal(400, reason=error.reason), now)
            return
        if not self._reliable.acknowledged(rack):
            exchange.refuse(Refusal(481), now)
        elif not request.body:
            exchange.succeed(now)
        elif self._reliable.answered and self._pending is None and self.state is State.RINGING:
            self._pending, self._offer_terms = exchange, None
            self._core.emit(Offered(self.call, request.body))
        else:
            # The INVITE's offer has no answer yet, so there is no room for another (RFC 6337 §2.2).
            exchange.refuse(Refusal(488), now)
        self._reliable.go_on(now)
        self._accept_held(now)

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
        elif self._transfer and self._transfer.notified(exchange.request, now):
            exchange.succeed(now)
        else:
            exchange.refuse(Refusal(481), now)

    # How things go on.

    def _refuse_invite(self, refusal: Refusal, now: float) -> None:
        self._settles(refusal.status, now)
        self.invite.refuse(refusal, now)

    def _settles(self, status: int, now: float) -> None:
        """The INVITE gets its final answer."""
        self._tells(now)
        self._core.measures.answers[self._trunk, status] += 1

    def _tells(self, now: float) -> None:
        """The caller is told something, for the first time or again."""
        invited, self._invited = self._invited, None
        if invited is not None:
            self._core.measures.response.add(now - invited)

    def _accept_invite(self, exchange: InviteExchange, sdp: bytes, now: float) -> None:
        is_first = exchange is self.invite
        terms = self._terms if is_first else self._offer_terms
        headers = [*self._session_headers(terms), *([("Content-Type", SDP)] if sdp else [])]
        response = exchange.replies.write(200, headers, sdp, record_route=is_first)
        exchange.server.accept(response, now)
        repeater = Repeater(
            lambda: self._core.send(exchange.replies.destination, response),
            self._core.timers,
            self._not_acknowledged,
            now,
        )
        offers = not exchange.request.body
        self._awaited = _Unacknowledged(exchange.request.cseq.number, repeater, offers)
        self._agreed(sdp or self._described, terms, now)

    def _accept_held(self, now: float) -> None:
        """Send the 200 that waited, if it need wait no more."""
        held, self._held = self._held, None
        if held is not None:
            self.accept(held, now)

    def _send_provisional(self, status: int, sdp: bytes) -> None:
        headers = [self._core.contact_in(self.dialog), ALLOW]
        if sdp:
            headers.append(("Content-Type", SDP))
        response = self.invite.replies.write(status, headers, sdp, record_route=True)
        self.invite.server.provisional(response)

    def _not_pracked(self, now: float) -> None:
        if self.state is State.RINGING:
            self._core.emit(NotAcknowledged(self.call))
            self.reject(Refusal(500, reason="No PRACK"), now)

    def _session_headers(self, terms: Terms | None) -> HeaderLines:
        """Of a 2xx to an INVITE or UPDATE."""
        timer = terms.as_headers() if terms else ()
        return [self._core.contact_in(self.dialog), ALLOW, SUPPORTED, *timer]

    def _agreed(self, sdp: bytes, terms: Terms | None, now: float) -> None:
        """We said `sdp` in a 2xx, and the session begins or begins anew."""
        self._described = sdp
        if self.state is not State.RINGING:
            self._session.restart(terms, now)

    def _offer_answered(self, response: Response) -> None:
        if response.body:
            self._core.emit(OfferAnswered(self.call, response.body))

    def _session_expired(self, now: float) -> None:
        if self.state in (State.ANSWERED, State.CONFIRMED):
            self._core.emit(SessionExpired(self.call))
            self._bye = self._bye or [("Reason", 'SIP;cause=408;text="Session expired"')]
            self._send_bye(now)

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

    def _refer_progress(self, status: int) -> None:
        self._core.emit(ReferProgress(self.call, status))

    def _referred(self, status: int, *, refused: bool) -> None:
        self._core.emit(Referred(self.call, status, refused))

    def _send_bye(self, now: float) -> None:
        self.state = State.ENDING
        self._drop_unfinished(now)
        dialog = self.dialog
        self._core.ask(
            dialog,
            "BYE",
            dialog.next_sequence(),
            self._bye or (),
            lambda _, response, then: self._disconnected(response, then - now, then),
            now,
        )

    def _disconnected(self, response: Response | None, after: float, now: float) -> None:
        """Our BYE was answered, `after` seconds later; or given up, without a response."""
        if response is None:
            self._core.measures.undisconnected += 1
        else:
            self._core.measures.disconnect.add(after)
        self._release(now)

    def _release(self, now: float) -> None:
        if self.state is State.RELEASED:
            return
        self.state = State.RELEASED
        self._drop_unfinished(now)
        self.invite.server.fall_silent(now)
        self._core.emit(Released(self.call))
        self._released(self, now)
        # Else leg and helpers would refer to each other, and wait for a collection of garbage.
        self._session.let_go()
        self._reliable.let_go()

    def _drop_unfinished(self, now: float) -> None:
        self._session.stop()
        self._reliable.stop()
        self._held = None
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

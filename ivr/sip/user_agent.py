"""The user agent: tells what each message belongs to, and hands it there. Sans-IO.

A server's side of RFC 3261, with the requests of its own that a server of calls needs: BYE and
REFER. Bytes and `now` (monotonic seconds) go in; bytes, events and the next deadline come out.
"""

import hashlib
import math
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ivr.sip.admission import MAX_REJECTION, Admission, Admitted, Everybody
from ivr.sip.call_leg import CallLeg
from ivr.sip.core import ACCEPT, ALLOW, SUPPORTED, Core
from ivr.sip.dialog import Dialog, Target, route_set
from ivr.sip.events import Dropped, DropReason, Event, Invited, TurnedAway
from ivr.sip.exchange import Exchange, InviteExchange, PlainExchange, Refusal
from ivr.sip.flow import Flow, Outgoing
from ivr.sip.grammar.uri import Uri
from ivr.sip.identity import claimed_caller
from ivr.sip.invite_server import State
from ivr.sip.message import MAX_MESSAGE, Request, Response, parse, salvage
from ivr.sip.registration import Account, Registration
from ivr.sip.replies import Replies
from ivr.sip.screening import METHODS, screen
from ivr.sip.server_transactions import (
    InviteId,
    ServerTransactions,
    TransactionKey,
    invite_id,
    transaction_key,
)
from ivr.sip.session_terms import SessionPolicy, agree
from ivr.sip.timers import TIMEOUT, Forgetting
from ivr.wire import WireError

_NO_TIMERS = SessionPolicy()
_EVERYBODY = Everybody()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a user agent holds at most.

    Beyond `dialogs` or `transactions`, what opens a call is answered 503 and forgotten; requests
    within calls may use as many transactions again. A call leaves two of them for 32 s.
    """

    transactions: int = 50_000
    dialogs: int = 20_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What is held. `requests` are those client transactions that still wait for their answer."""

    dialogs: int
    server_transactions: int
    client_transactions: int
    requests: int


@dataclass(slots=True)
class _Heard:
    """An INVITE that made a call, remembered until no copy of it can be on its way any more."""

    key: TransactionKey
    refused: bool = False
    forgotten_at: float = math.inf


class UserAgent:
    """A callee for any number of calls.

    `server_name` goes into the Server header; `advertised_host` into Contact and Via, where the
    local address of the flow would otherwise stand. `entropy(n)` gives n random bytes.
    `sessions` says which session timers we want, `admission` who is let in.
    """

    def __init__(
        self,
        *,
        server_name: str,
        advertised_host: str | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        limits: Limits = Limits(),
        sessions: SessionPolicy = _NO_TIMERS,
        admission: Admission = _EVERYBODY,
    ) -> None:
        self._core = Core(server_name, advertised_host, entropy)
        self._limits = limits
        self.sessions = sessions
        """The session timers wanted of calls that begin from now on."""
        self._admission = admission
        self._servers = ServerTransactions(self._core)
        self._legs: dict[str, CallLeg] = {}
        self._heard: dict[InviteId, _Heard] = {}
        self._forgetting = Forgetting(self._core.timers, self._forget_invite)
        self._tag_key = entropy(16)
        self.registrations: dict[str, Registration] = {}
        self.requests: Counter[str] = Counter()
        """Requests that could be read, by method; those nobody knows are "other"."""
        self.measures = self._core.measures

    # The wire.

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram, or one message of a stream. Never raises."""
        if flow.connection:
            self._core.connections.add(flow.connection)
        if not data.strip(b"\r\n\0 "):
            return  # a keep-alive
        try:
            message = parse(data)
        except WireError as error:
            self._refuse_broken(data, flow, error.reason)
            return
        if isinstance(message, Response):
            self._on_response(message, flow, now)
        else:
            self._on_request(message, flow, now)

    def connection_lost(self, flow: Flow, now: float) -> None:
        """The stream is gone; what goes to its peer from now on wants a new one."""
        self._core.connections.discard(flow.connection)

    def undelivered(self, transaction: str, now: float) -> None:
        """An `Outgoing` of that transaction could not be sent: no connection was to be had."""
        self._core.undelivered(transaction, now)

    def advance(self, now: float) -> None:
        """Fire the timers that are due."""
        self._core.timers.advance(now)

    def next_deadline(self) -> float | None:
        """When `advance` must be called next, None when nothing waits."""
        return self._core.timers.next_deadline()

    def outgoing(self) -> list[Outgoing]:
        """What is to be sent, in order; each once."""
        drained, self._core.outgoing = self._core.outgoing, []
        return drained

    def events(self) -> list[Event]:
        """What happened, in order; each once."""
        drained, self._core.events = self._core.events, []
        return drained

    # The application. What comes too late, when the call is gone, does nothing.

    def ring(self, call: str, now: float) -> None:
        """180 to the INVITE."""
        if leg := self._legs.get(call):
            leg.ring(now)

    def progress(self, call: str, sdp: bytes, now: float) -> None:
        """183 to an INVITE with an offer: our answer, for sound before the 200.

        The same answer goes into `accept`.
        """
        if leg := self._legs.get(call):
            leg.progress(sdp, now)

    def accept(self, call: str, sdp: bytes, now: float) -> None:
        """200 to the INVITE, with our answer, or our offer when it had none."""
        if leg := self._legs.get(call):
            leg.accept(sdp, now)

    def reject(
        self,
        call: str,
        status: int,
        now: float,
        *,
        reason: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A final failure to the INVITE: `status` from 300 to 699."""
        if leg := self._legs.get(call):
            leg.reject(Refusal(status, headers, reason), now)

    def answer(self, call: str, sdp: bytes, now: float) -> None:
        """200 to the re-INVITE or UPDATE that `Offered` told of."""
        if leg := self._legs.get(call):
            leg.answer(sdp, now)

    def refuse_offer(self, call: str, status: int, now: float) -> None:
        """A failure to it, as a rule 488; the session stays as it was."""
        if leg := self._legs.get(call):
            leg.refuse_offer(status, now)

    def bye(self, call: str, now: float, *, reason: str = "") -> None:
        """Hang up, with a Reason header (RFC 3326) if any: once the ACK has come or is given up."""
        if leg := self._legs.get(call):
            leg.bye(reason, now)

    def refer(
        self, call: str, target: str, now: float, *, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Ask the caller's side to call the URI `target`; `headers` go on the REFER itself."""
        if leg := self._legs.get(call):
            leg.refer(target, headers, now)

    def register(self, account: Account, now: float) -> None:
        """Register, and keep it up; `Registered` tells how it goes."""
        self.registrations[account.name] = registration = Registration(self._core, account)
        registration.start(now)

    def unregister(self, name: str, now: float) -> None:
        """Take a registration back, if there is one; `Registered` tells that it has ended."""
        if registration := self.registrations.get(name):
            registration.stop(now)

    def forget_registration(self, name: str) -> None:
        """One that has ended needs no more mention."""
        del self.registrations[name]

    def counts(self) -> Counts:
        """What is held just now."""
        clients = self._core.clients
        return Counts(
            dialogs=len(self._legs),
            server_transactions=len(self._servers),
            client_transactions=len(clients),
            requests=sum(client.waits for client in clients.values()),
        )

    # What comes in.

    def _on_response(self, response: Response, flow: Flow, now: float) -> None:
        client = self._core.clients.get(response.via.branch)
        # A response with a Via below ours was meant for somebody else (§8.1.3.3).
        if client is None or len(response.headers.values("via")) > 1:
            self._drop(DropReason.STRAY_RESPONSE, flow)
        else:
            client.received(response, now)

    def _on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.requests[request.method if request.method in METHODS else "other"] += 1
        key = transaction_key(request, request.method)
        if request.method == "ACK":
            self._on_ack(request, key, flow, now)
        elif self._servers.repeated(key, now):
            return
        elif request.method == "CANCEL":
            self._on_cancel(request, flow, now)
        elif (admitted := self._admitted(request, flow, now)) is None:
            return
        elif refusal := screen(request, secure=flow.transport == "tls"):
            self._refuse(request, key, flow, refusal, now, admitted.trunk)
        elif request.to.tag is not None:
            self._on_request_within(request, key, flow, now)
        elif request.method == "INVITE":
            self._on_invite(request, key, flow, admitted.trunk, now)
        elif request.method == "OPTIONS":
            self._on_options(request, flow, admitted.trunk, now)
        else:
            self._refuse(request, key, flow, Refusal(481), now)

    def _admitted(self, request: Request, flow: Flow, now: float) -> Admitted | None:
        """Whom a new request comes from, None once it was turned away. A call's own go on."""
        if self._leg_of(request) is not None:
            return Admitted()
        verdict = self._admission.recognise(request, flow, now)
        if isinstance(verdict, Admitted):
            return verdict
        self._drop(verdict.reason, flow)
        if verdict.refusal is not None:
            # Nothing that tells who we are, and nothing that makes more of it than came.
            replies = Replies(request, flow, self._new_tag(request), "")
            refusal = verdict.refusal
            answer = replies.write(refusal.status, refusal.headers, reason=refusal.reason)
            if len(answer) <= MAX_REJECTION:
                self._count_refusal(request, "", refusal)
                self._core.send(replies.destination, answer)
        return None

    def _on_options(self, request: Request, flow: Flow, trunk: str, now: float) -> None:
        """How we are: whoever asks before it sends calls here reads it from the status."""
        refusal = self._admission.health(trunk, now)
        if refusal is not None:
            self._refuse_stateless(request, flow, refusal)
            return
        replies = self._replies(request, flow)
        headers = [self._core.contact(flow), ALLOW, ACCEPT, SUPPORTED]
        self._core.send(replies.destination, replies.write(200, headers))

    def _on_ack(self, request: Request, key: TransactionKey, flow: Flow, now: float) -> None:
        server = self._servers.get_invite(key)
        if server and server.state in (State.COMPLETED, State.CONFIRMED):
            server.acknowledged(now)
            return
        leg = self._leg_of(request)
        if leg is not None and leg.acknowledged(request, now):
            return
        if request.to.tag != self._stateless_tag(request):  # else of what nobody remembers
            self._drop(DropReason.STRAY_ACK, flow)

    def _on_cancel(self, request: Request, flow: Flow, now: float) -> None:
        invite_key = transaction_key(request, "INVITE")
        if invite_key not in self._servers:
            if self._admitted(request, flow, now):
                self._refuse(request, invite_key, flow, Refusal(481), now)
            return
        server = self._servers.get_invite(invite_key)
        leg = self._legs.get(server.call) if server else None
        tag = leg.call if leg else self._stateless_tag(request)
        if request.to.tag is not None:
            tag = ""  # some clients write the one that our 180 had
        replies = Replies(request, flow, tag, self._core.server_name)
        cancel_key = transaction_key(request, "CANCEL")
        self._servers.open(cancel_key, replies, flow).respond(replies.write(200), now)
        if leg and server:
            leg.cancelled(server, now)

    def _on_request_within(
        self, request: Request, key: TransactionKey, flow: Flow, now: float
    ) -> None:
        leg = self._leg_of(request)
        if leg is None:
            self._refuse(request, key, flow, Refusal(481), now)
            return
        if request.method != "BYE" and self._full(2 * self._limits.transactions, flow):
            self._refuse_stateless(request, flow, self._overload())
            return
        try:
            # A BYE or INFO moves nothing, whatever its Contact (§12.2).
            refreshes = request.method in ("INVITE", "UPDATE")
            target = Target.of_contact(request) if refreshes else None
        except WireError as error:
            self._refuse(request, key, flow, Refusal(400, reason=error.reason), now)
            return
        if not leg.dialog.takes_in_order(request):
            self._refuse(request, key, flow, Refusal(500, reason="CSeq out of order"), now)
            return
        replies = Replies(request, flow, "", self._core.server_name)
        exchange: Exchange
        if request.method == "INVITE":
            server = self._servers.open_invite(key, replies, flow)
            exchange = InviteExchange(request, server, replies, target)
            server.call = leg.call
        else:
            exchange = PlainExchange(
                request, self._servers.open(key, replies, flow), replies, target
            )
        leg.receive(exchange, flow, now)

    def _on_invite(
        self, request: Request, key: TransactionKey, flow: Flow, trunk: str, now: float
    ) -> None:
        """A new call, unless we know the INVITE already (RFC 3261 §8.2.2.2)."""
        identity = invite_id(request)
        heard = self._heard.get(identity)
        if heard is not None and heard.key == key:
            self._drop(DropReason.LATE_INVITE, flow)
            return
        if heard is not None and self._goes_on(heard):
            self._refuse(request, key, flow, Refusal(482), now, trunk)
            return
        crowded = len(self._legs) >= self._limits.dialogs
        if self._full(0 if crowded else self._limits.transactions, flow):
            self._refuse_stateless(request, flow, self._overload(), trunk)
            return
        try:
            target, routes = Target.of_contact(request), route_set(request)
            line, caller = Uri.parse(request.uri).user, claimed_caller(request)
            if target is None and not request.via.has_cookie:
                target = Target.of_caller(request)
        except WireError as error:
            self._refuse(request, key, flow, Refusal(400, reason=error.reason), now, trunk)
            return
        if target is None:
            missing = Refusal(400, reason="Missing Contact header")
            self._refuse(request, key, flow, missing, now, trunk)
            return
        terms = agree(request, self.sessions, None)
        if isinstance(terms, Refusal):
            self._refuse(request, key, flow, terms, now, trunk)
            return
        if no_room := self._admission.take_call(trunk, now):
            self._refuse_stateless(request, flow, no_room, trunk)
            status, why = no_room.status, no_room.why
            self._core.emit(TurnedAway(line, caller, request.call_id, trunk, status, why))
            return
        call = self._core.token()
        replies = Replies(request, flow, call, self._core.server_name)
        server = self._servers.open_invite(key, replies, flow)
        dialog = Dialog(
            request,
            flow,
            local_tag=call,
            local_party=replies.local_party,
            target=target,
            routes=routes,
        )
        leg = CallLeg(
            self._core,
            dialog,
            InviteExchange(request, server, replies, target),
            self.sessions,
            terms,
            lambda leg, now: self._forget(leg, identity, now),
            trunk=trunk,
            now=now,
        )
        self._legs[call] = leg
        server.call = call
        self._heard[identity] = _Heard(key)
        server.provisional(replies.write(100))
        sdp = request.body or None
        self._core.emit(Invited(call, line, caller, flow, sdp, request.call_id, request, trunk))

    def _goes_on(self, heard: _Heard) -> bool:
        """Whether a second INVITE with its numbers is the first by another way, a merged request.

        After a refusal that was acknowledged it is a proxy's next try (serial forking).
        """
        server = self._servers.get_invite(heard.key)
        unacknowledged = server is not None and server.state is State.COMPLETED
        return unacknowledged or not heard.refused

    def _forget(self, leg: CallLeg, identity: InviteId, now: float) -> None:
        del self._legs[leg.call]
        heard = self._heard[identity]
        heard.refused = not leg.was_answered
        heard.forgotten_at = now + TIMEOUT
        self._forgetting.add(identity, now)

    def _forget_invite(self, identity: InviteId, now: float) -> None:
        heard = self._heard.get(identity)
        # A next try of a proxy's has the same identity, and may be a call by now.
        if heard is not None and heard.forgotten_at <= now:
            del self._heard[identity]

    def _leg_of(self, request: Request) -> CallLeg | None:
        leg = self._legs.get(request.to.tag or "")
        return leg if leg is not None and leg.dialog.owns(request) else None

    # Refusals.

    def _refuse(
        self,
        request: Request,
        key: TransactionKey,
        flow: Flow,
        refusal: Refusal,
        now: float,
        trunk: str = "",
    ) -> None:
        """A failure that no call answers for.

        For an INVITE in a transaction, since only that repeats it until the ACK. For the rest the
        client repeats its request, and the same answer comes of it again (§8.2.7).
        """
        if request.method != "INVITE" or self._full(self._limits.transactions, flow):
            self._refuse_stateless(request, flow, refusal, trunk)
            return
        self._count_refusal(request, trunk, refusal)
        replies = self._replies(request, flow)
        server = self._servers.open_invite(key, replies, flow)
        InviteExchange(request, server, replies).refuse(refusal, now)

    def _refuse_stateless(
        self, request: Request, flow: Flow, refusal: Refusal, trunk: str = ""
    ) -> None:
        self._count_refusal(request, trunk, refusal)
        replies = self._replies(request, flow)
        self._core.send(
            replies.destination,
            replies.write(refusal.status, refusal.headers, reason=refusal.reason),
        )

    def _count_refusal(self, request: Request, trunk: str, refusal: Refusal) -> None:
        if request.method == "INVITE" and request.to.tag is None:
            self._core.measures.answers[trunk, refusal.status] += 1

    def _refuse_broken(self, data: bytes, flow: Flow, reason: str) -> None:
        self._drop(DropReason.TOO_LARGE if len(data) > MAX_MESSAGE else DropReason.MALFORMED, flow)
        if not self._admission.is_known(flow):
            return
        request = salvage(data)
        if request is not None and request.method != "ACK":
            self._refuse_stateless(request, flow, Refusal(400, reason=reason))

    def _replies(self, request: Request, flow: Flow) -> Replies:
        return Replies(request, flow, self._new_tag(request), self._core.server_name)

    def _new_tag(self, request: Request) -> str:
        """Our tag for the answer to what nobody remembers, "" where To has one."""
        return self._stateless_tag(request) if request.to.tag is None else ""

    def _stateless_tag(self, request: Request) -> str:
        """A To tag that is the same for every copy of a request, and that nobody can foretell."""
        text = f"{request.call_id}\n{request.via.branch}\n{request.from_.tag}"
        return hashlib.blake2s(text.encode("latin-1"), key=self._tag_key, digest_size=8).hexdigest()

    def _full(self, limit: int, flow: Flow) -> bool:
        if len(self._servers) < limit and len(self._heard) < limit:
            return False
        self._drop(DropReason.OVERLOAD, flow)
        return True

    def _overload(self) -> Refusal:
        return Refusal(503, [self._core.retry_after()])

    def _drop(self, reason: DropReason, flow: Flow) -> None:
        self._core.emit(Dropped(reason, flow))

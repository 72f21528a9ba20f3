"""Signalling under damage: messages, streams, descriptions, and a user agent with a call up."""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ivr.sip import info, sdp
from ivr.sip.dialog import Target, route_set
from ivr.sip.events import Invited, Offered, Released
from ivr.sip.flow import Flow
from ivr.sip.framing import StreamFramer
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.uri import Uri
from ivr.sip.identity import asserted_caller, dialled
from ivr.sip.message import MAX_MESSAGE, Request, parse, salvage
from ivr.sip.screening import media_type, screen
from ivr.sip.server_transactions import transaction_key
from ivr.sip.session_terms import SessionPolicy, agree
from ivr.wire import WireError
from tests.fuzz.damage import TEXT
from tests.fuzz.targets import Target as Reader
from tests.sip.caller import SDP, Caller, cancellation, response_to
from tests.wire import THERE, Sent, Wire

SIP = Path(__file__).parent.parent / "sip"
MESSAGES = [file.read_bytes() for file in sorted((SIP / "messages").rglob("*.sip"))]
DESCRIPTIONS = [file.read_bytes() for file in sorted((SIP / "sdp").glob("*.sdp"))]
KEYED = [
    (info.DTMF_RELAY, b"Signal=5\r\nDuration=160\r\n"),
    (info.DTMF_RELAY, b"Signal= 11\r\nDuration= 250\r\n"),
    (info.DTMF, b"#"),
    (info.DTMF, b"Signal=*\r\n"),
]
FRAGMENTS = [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\nContact: <sip:a@b>\r\n"]
READ_READILY = ("via", "contact", "record-route", "require", "supported", "accept", "event")
STEP = 0.4  # seconds between two inputs, now and then


def refused(read: Callable[[], object]) -> bool:
    """Whether reading raises the one error that it may."""
    try:
        read()
    except WireError:
        return True
    return False


def assert_whole(sent: Sent) -> None:
    """What we send is lines that end in CRLF, a body of the length it says, and no more."""
    head, _, body = sent.data.partition(b"\r\n\r\n")
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n")
    assert int(sent.header("Content-Length")) == len(body)
    if sent.status != 400:  # which gives back headers as broken as they came
        parse(sent.data)


class Talk:
    """A call that is up, with a REFER of ours under way, and what its caller may send next."""

    def __init__(self, transport: str = "udp") -> None:
        self.wire = Wire(transport=transport)
        self.caller = Caller(self.wire, call_id="live", record_route="<sip:192.0.2.10;lr>")
        self.invite = self.caller.request("INVITE", body=SDP)
        self.wire.deliver(self.invite)
        self.call = self.wire.only(Invited).call
        (ok,) = self.wire.do(lambda agent: agent.accept(self.call, SDP, self.wire.now))
        self.caller.to_tag = ok.to_tag
        self.caller.acknowledge()
        (self.refer,) = self.wire.do(
            lambda agent: agent.refer(self.call, "sip:advisor@example.com", self.wire.now)
        )

    def next_messages(self) -> Iterator[bytes]:
        request = self.caller.request
        for method in ("INVITE", "UPDATE", "OPTIONS", "PRACK", "ACK"):
            yield request(
                method, body=DESCRIPTIONS[0], headers="Supported: timer\r\nRAck: 1 1 INVITE"
            )
        for kind, body in KEYED:
            yield request("INFO", body=body, content_type=kind)
        for fragment in FRAGMENTS:
            state = "Event: refer;id=1\r\nSubscription-State: terminated;reason=noresource"
            yield request("NOTIFY", body=fragment, content_type="message/sipfrag", headers=state)
        yield response_to(self.refer, 202)
        yield response_to(self.refer, 603)

    def first_messages(self) -> Iterator[bytes]:
        other = Caller(self.wire, call_id="other", record_route="<sip:192.0.2.10;lr>, <sip:a;lr>")
        yield other.request("INVITE", body=DESCRIPTIONS[1], headers="Require: 100rel\r\nX:\r\n y")
        invite = other.request("INVITE", body=DESCRIPTIONS[2], headers="Diversion: <tel:+331>")
        yield invite
        yield cancellation(invite)
        yield other.request("REGISTER", headers="Expires: 60")
        yield other.request("OPTIONS")
        yield self.caller.request("BYE")


def sip_samples() -> list[bytes]:
    talk = Talk()
    return [*MESSAGES, *talk.first_messages(), *list(talk.next_messages()) * 3]


class Message(Reader):
    """`parse`, and all that reads a part of a message when it is asked for."""

    name = "sip message"
    share = 270
    ways = TEXT

    def whole(self) -> Sequence[bytes]:
        return sip_samples()

    def feed(self, data: bytes) -> bool:
        try:
            message = parse(data)
        except WireError:
            salvage(data)
            return False
        for name in READ_READILY:
            refused(lambda name=name: message.headers.values(name))  # type: ignore[misc]
        if isinstance(message, Request):
            refused(lambda: Uri.parse(message.uri))
            refused(lambda: NameAddr.parse(message.headers.get("contact")))
            refused(lambda: Target.of_contact(message))
            refused(lambda: route_set(message))
            refused(lambda: media_type(message))
            screen(message, secure=False)
            agree(message, SessionPolicy(), None)
            dialled(message, "", ())
            asserted_caller(message)
            transaction_key(message, message.method)
        return True


class Agent(Reader):
    """A whole user agent, over UDP and TCP by turns, whose application does what it may."""

    name = "user agent"
    share = 250
    ways = TEXT
    us_at_all = 20_000.0

    def whole(self) -> Sequence[bytes]:
        return sip_samples()

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0
        self._begin()

    def _begin(self) -> None:
        self._talk = Talk("tcp" if self._turn % 3 == 2 else "udp")
        self._talk.wire.forget()

    def feed(self, data: bytes) -> bool:
        self._turn += 1
        wire = self._talk.wire
        local, own = wire.flow.local, self._turn % 4
        flow = wire.flow if own else Flow("udp", local, ("198.51.100.9", 5060))
        sent = wire.deliver(data, flow)
        for invited in wire.all(Invited):
            self._answer(invited.call)
        for offered in wire.all(Offered):
            if self._turn % 5:
                wire.agent.answer(offered.call, SDP, wire.now)
            else:
                wire.agent.refuse_offer(offered.call, 488, wire.now)
        self.over = any(released.call == self._talk.call for released in wire.all(Released))
        if self._turn % 8 == 0:
            wire.run_until(wire.elapsed + STEP)
        sent += wire.take()
        for message in sent:
            assert_whole(message)
        wire.forget()
        return any(message.status != 400 for message in sent)

    def _answer(self, call: str) -> None:
        agent, now = self._talk.wire.agent, self._talk.wire.now
        match self._turn % 4:
            case 0:
                agent.reject(call, 486, now)
            case 1:
                agent.ring(call, now)
                agent.progress(call, SDP, now)
            case 2:
                agent.accept(call, SDP, now)
                agent.bye(call, now)
            case _:
                agent.accept(call, SDP, now)

    def settle(self) -> None:
        wire = self._talk.wire
        for call in list(wire.agent._legs):
            wire.agent.bye(call, wire.now)
        for message in wire.run_out(wire.elapsed + 200):
            assert_whole(message)
        counts = wire.agent.counts()
        assert (counts.dialogs, counts.server_transactions, counts.client_transactions) == (0, 0, 0)
        assert not wire.agent._heard
        self.over = False
        self._turn += 1
        self._begin()


class Stream(Reader):
    """Messages out of a stream, cut anywhere."""

    name = "tcp stream"
    share = 100
    ways = TEXT

    def whole(self) -> Sequence[bytes]:
        messages = sip_samples()
        chance = random.Random(5060)
        return [b"\r\n\r\n".join(chance.sample(messages, 3)) for _ in range(60)]

    def feed(self, data: bytes) -> bool:
        framer = StreamFramer()
        chance = random.Random(zlib.crc32(data))  # the same cuts for the same octets
        begin = 0
        try:
            while begin < len(data):
                end = begin + chance.choice([1, 7, 100, 1460, 65_536])
                for message in framer.feed(data[begin:end]):
                    assert len(message) <= MAX_MESSAGE
                    refused(lambda message=message: parse(message))  # type: ignore[misc]
                begin = end
        except WireError:
            return False
        return True


class Description(Reader):
    """An offer, our answer to it, and the same taken for an answer to an offer of ours."""

    name = "sdp"
    share = 120
    ways = TEXT

    def whole(self) -> Sequence[bytes]:
        return DESCRIPTIONS

    def feed(self, data: bytes) -> bool:
        capabilities = sdp.Capabilities()
        try:
            offer = sdp.parse(data)
            sdp.accept_answer(capabilities, offer)
            negotiated = sdp.negotiate(offer, capabilities)
        except WireError:
            return False
        if negotiated is None:
            return False
        written = sdp.answer(offer, negotiated, sdp.LocalMedia(THERE[0], 4000, 1, 1))
        assert written.count(b"\n") == written.count(b"\r") == written.count(b"\r\n")
        answer = sdp.parse(written)
        assert [media.kind for media in answer.media] == [media.kind for media in offer.media]
        assert [media.port for media in answer.media if media.port] == [4000]
        return True


class KeysInInfo(Reader):
    """Keys in the body of an INFO."""

    name = "info body"
    share = 50
    ways = TEXT

    def whole(self) -> Sequence[bytes]:
        return [body for _, body in KEYED]

    def feed(self, data: bytes) -> bool:
        refusals = [refused(lambda kind=kind: info.parse(kind, data)) for kind in info.DTMF_TYPES]  # type: ignore[misc]
        return not all(refusals)

"""Peer text in what we send: whatever it is, the message has the headers that we meant, no more."""

import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.sip import info, sdp
from ivr.sip.events import Invited
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.message import Request, Response, parse
from ivr.wire import WireError
from tests.sip.caller import SDP, Caller, final
from tests.wire import Sent, Wire

FIELDS = {
    "display": 'From: "{}" <sip:a@b.example>;tag=x',
    "bare display": "From: {} <sip:a@b.example>;tag=x",
    "user": "From: <sip:{}@b.example>;tag=x",
    "tag": "From: <sip:a@b.example>;tag={}",
    "callee": "To: <sip:{}@192.0.2.1>",
    "callee's parameter": "To: <sip:a@192.0.2.1>;x={}",
    "callee without brackets": "To: sip:a@192.0.2.1{}",
    "callee's end": "To: <sip:a@192.0.2.1>{}",
    "hop": "Via: SIP/2.0/UDP {};branch=z9hG4bKx",
    "branch": "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK{}",
    "hop's parameter": "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx;x={}",
    "hop below": "Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKx, SIP/2.0/UDP h;x={}",
    "Call-ID": "Call-ID: x{}",
    "CSeq": "CSeq: 1{} INVITE",
    "Record-Route": "Record-Route: <sip:192.0.2.7;lr;x={}>",
    "Record-Route without brackets": "Record-Route: sip:192.0.2.7{}",
    "Contact": "Contact: <sip:{}@192.0.2.99>",
    "Contact without brackets": "Contact: sip:192.0.2.99{}",
    "Contact's parameter": "Contact: <sip:192.0.2.99;x={}>",
    "Require": "Require: {}",
    "Event": "Event: {}",
    "Content-Type": "Content-Type: application/{}",
    "another": "X: {}",
}
ONCE = ("From", "To", "Call-ID", "CSeq", "Content-Length")
MEANT = {
    *ONCE, "Via", "Record-Route", "Server", "Contact", "Allow", "Supported", "Content-Type",
    "Max-Forwards", "Route", "Reason", "Refer-To", "Referred-By", "Unsupported", "Retry-After",
    "Accept", "Accept-Encoding", "Allow-Events", "Require", "RSeq", "Session-Expires", "Min-SE",
}  # fmt: skip
HOSTILE = st.text('\r\n\0\t\x0b\x1c\x7f\x85\xa0 "\\<>;,:@%?=[]/aé1', max_size=10) | st.sampled_from(
    [
        "\r\nInjected: yes",
        "\r\n\r\nInjected: yes",
        "\nInjected: yes",
        "\rInjected: yes",
        "%0d%0aInjected: yes",
        "\r\n Injected: yes",
        "\0\r\nInjected: yes\r\n\r\n",
        "\x85Injected: yes",
        ">\r\nInjected: <",
        '"\r\nInjected: "',
        " SIP/2.0\r\nInjected: yes",
    ]
)


def with_line(message: bytes, line: str) -> bytes:
    """The message with `line` in place of its header of that name, or beside the others."""
    name = line.partition(":")[0].encode()
    head, _, body = message.partition(b"\r\n\r\n")
    lines = [one for one in head.split(b"\r\n") if one.partition(b":")[0] != name]
    return b"\r\n".join([*lines, line.encode("latin-1")]) + b"\r\n\r\n" + body


def assert_as_meant(sent: Sent) -> None:
    head = sent.data.partition(b"\r\n\r\n")[0]
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n")
    for line in sent.lines[1:]:
        assert line.partition(": ")[0] in MEANT
    if sent.status == 400:
        return  # what could not be read comes back as it was, on the line where it was
    for name in ONCE:
        assert len(sent.headers(name)) == 1
    assert int(sent.header("Content-Length")) == len(sent.body)
    message = parse(sent.data)
    if isinstance(message, Request):
        assert sent.start == f"{message.method} {message.uri} SIP/2.0"
        for route in sent.headers("Route"):
            assert NameAddr.parse(route).uri == route[1:-1]


@given(st.sampled_from(sorted(FIELDS)), HOSTILE)
@settings(max_examples=2_000, derandomize=True, deadline=None)
def test_no_peer_writes_a_header_of_ours(name: str, text: str) -> None:
    wire = Wire()
    data = with_line(Caller(wire).request("INVITE", body=SDP), FIELDS[name].format(text))
    sent = wire.deliver(data)
    for invited in wire.all(Invited):
        sent += wire.do(lambda agent, call=invited.call: agent.ring(call, wire.now))  # type: ignore[misc]
        sent += wire.do(lambda agent, call=invited.call: agent.accept(call, SDP, wire.now))  # type: ignore[misc]
        sent += wire.do(
            lambda agent, call=invited.call: agent.refer(call, f"sip:{text}@x", wire.now)  # type: ignore[misc]
        )
    sent += wire.run_out()  # no ACK: a BYE of ours
    for message in sent:
        assert_as_meant(message)
    if not wire.all(Invited):
        return
    request = parse(data)
    assert isinstance(request, Request)
    ok = next(message for message in sent if message.status == 200)
    assert ok.header("From") == request.headers.get("from")
    assert ok.header("Call-ID") == request.call_id
    assert len(ok.headers("Via")) == len(request.headers.values("via"))
    answer = parse(ok.data)
    assert isinstance(answer, Response)
    assert answer.via.branch == request.via.branch
    assert NameAddr.parse(ok.header("To")).tag == ok.to_tag
    bye = next(message for message in sent if message.start.startswith("BYE"))
    assert bye.header("To") == ok.header("From")
    assert bye.header("From") == ok.header("To")
    assert bye.header("Call-ID") == ok.header("Call-ID")


@given(HOSTILE, HOSTILE)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_text_given_to_the_user_agent_writes_a_header_of_its_own(one: str, two: str) -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.agent.refer(caller.call, two, wire.now, headers=[("Referred-By", one)])
    wire.agent.bye(caller.call, wire.now, reason=one)
    other = Caller(wire, call_id="other")
    other.invite()
    wire.agent.reject(other.call, 486, wire.now, reason=one, headers=[("Retry-After", two)])
    for message in wire.take():
        names = [line.partition(": ")[0] for line in message.lines[1:]]
        assert set(names) <= {*MEANT, "Referred-By"}
        parse(message.data)


@given(
    st.sampled_from([info.DTMF_RELAY, info.DTMF, "message/sipfrag", "application/sdp"]),
    st.binary(max_size=40) | HOSTILE.map(lambda text: f"SIP/2.0 {text}".encode("latin-1")),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_body_writes_a_header_of_ours(content_type: str, body: bytes) -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.agent.refer(caller.call, "sip:a@b", wire.now)
    wire.take()
    for method in ("INFO", "NOTIFY", "INVITE", "UPDATE"):
        headers = "Event: refer;id=1\r\nSubscription-State: terminated"
        request = caller.request(method, body=body, content_type=content_type, headers=headers)
        for message in wire.deliver(request):
            assert_as_meant(message)


SDP_LINES = [
    "m={} 4000 RTP/AVP 8",
    "m=audio 4000 {} 8",
    "m=audio 4000 RTP/AVP 8 {}",
    "m=video 4002 RTP/AVP {}",
    "a=rtpmap:{} PCMA/8000",
    "a=rtpmap:97 {}/8000",
    "a=fmtp:{}",
    "a={}",
    "o={} 1 1 IN IP4 192.0.2.99",
    "s={}",
    "c=IN IP4 {}",
    "i={}",
]


@given(st.lists(st.tuples(st.sampled_from(SDP_LINES), HOSTILE), max_size=4))
@settings(max_examples=1_000, derandomize=True, deadline=None)
def test_no_offer_writes_a_line_of_our_answer(lines: list[tuple[str, str]]) -> None:
    written = "".join(f"{line.format(text)}\r\n" for line, text in lines)
    offer = (
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n{written}"
        "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    ).encode("latin-1")
    try:
        description = sdp.parse(offer)
        negotiated = sdp.negotiate(description, sdp.Capabilities())
    except WireError:
        return
    if negotiated is None:
        return
    answer = sdp.answer(description, negotiated, sdp.LocalMedia("192.0.2.1", 5000, 7, 1))
    assert answer.count(b"\r") == answer.count(b"\n") == answer.count(b"\r\n")
    read = sdp.parse(answer)
    assert read.serialise() == answer
    assert [media.kind for media in read.media] == [media.kind for media in description.media]
    assert {name for media in read.media for name, _ in media.attributes} <= {
        "rtpmap", "fmtp", "ptime", "sendrecv", "sendonly", "recvonly", "inactive",
    }  # fmt: skip
    kinds = [line[:2] for line in answer.split(b"\r\n")[:-1]]
    assert kinds[:5] == [b"v=", b"o=", b"s=", b"c=", b"t="]
    assert set(kinds[5:]) <= {b"m=", b"a="}


WORD = st.text("abcxyzABCXYZ0189-.!*_'~", min_size=1, max_size=8)
URI = st.builds("sip:{}@{}.example{}".format, WORD, st.sampled_from(["a", "b-c"]),
                st.sampled_from(["", ":5080", ";u", ";x=y;z"]))  # fmt: skip


@given(
    display=st.sampled_from(["", "A ", '"A \\"B\\", <;>" ']),
    uri=URI,
    contact=URI,
    route=URI,
    word=WORD,
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_an_independent_reader_reads_what_we_meant(
    display: str, uri: str, contact: str, route: str, word: str
) -> None:
    wire = Wire()
    caller = Caller(wire, call_id=word, record_route=f"<{route};lr>, <{route}>", tag=word)
    data = caller.request("INVITE", body=SDP, contact=f"{display}<{contact}>")
    data = with_line(data, f"From: {display}<{uri}>;tag={word}")
    wire.deliver(data)
    call = wire.only(Invited).call
    ok = final(wire.do(lambda agent: agent.accept(call, SDP, wire.now)))
    wire.run_until(40)
    bye = next(message for message in wire.sent if message.start.startswith("BYE"))
    for sent in (ok, bye):
        assert_same_headers(sent)
    theirs = sipmessage.Message.parse(bye.data)
    assert isinstance(theirs, sipmessage.Request)
    assert str(theirs.uri) == contact
    assert [str(address.uri) for address in theirs.route] == [f"{route};lr", route]


def assert_same_headers(sent: Sent) -> None:
    theirs = sipmessage.Message.parse(sent.data)
    ours = [line.partition(": ")[::2] for line in sent.lines[1:]]
    names = [name for name, _ in ours]
    assert sorted(set(names)) == sorted(theirs.headers.keys())
    for name in names:
        assert theirs.headers.getlist(name) == [value for own, value in ours if own == name]

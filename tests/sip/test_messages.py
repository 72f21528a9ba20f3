"""Whole messages: read, forgiven, refused; against an independent reader; damaged 10,000 times."""

from pathlib import Path

import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.sip.events import Invited, Offered
from ivr.sip.flow import Flow
from ivr.sip.grammar.uri import Uri
from ivr.sip.message import Request, Response, parse
from ivr.wire import WireError
from tests.mutation import damaged
from tests.sip.caller import SDP, Caller
from tests.wire import Wire

FOLDER = Path(__file__).parent / "messages"


def captured(name: str) -> bytes:
    return next(FOLDER.rglob(f"{name}.sip")).read_bytes()


def request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_a_short_tortuous_invite_is_read() -> None:
    message = request(captured("wsinv"))
    assert message.to.tag == "1918181833n"
    assert (message.from_.display, message.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    assert message.cseq.number == 9
    assert (message.via.host, message.via.branch) == ("192.0.2.2", "390skdjuw")
    assert len(message.headers.values("via")) == 3
    assert message.headers.get("max-forwards") == "0068"
    assert len(message.body) == 150


def test_any_character_that_is_allowed_is_read() -> None:
    message = request(captured("intmeth"))
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.from_.tag == "_token~1'+`*%!-."


def test_a_semicolon_may_stand_in_the_user_part() -> None:
    uri = Uri.parse(request(captured("semiuri")).uri)
    assert (uri.user, uri.host, uri.parameters) == ("user;par=u@example.net", "example.com", {})


def test_escaped_nulls_are_read() -> None:
    message = request(captured("escnull"))
    assert Uri.parse(message.to.uri).user == "null-\0-null"
    assert len(message.headers.values("contact")) == 2


def test_line_feeds_alone_end_lines() -> None:
    message = request(captured("line_feeds_only"))
    assert (message.call_id, message.body) == ("lf", b"body")


def test_latin_1_comes_back_byte_for_byte() -> None:
    wire = Wire()
    message = Caller(wire).request("OPTIONS").replace(b"Caller", b"Andr\xe9 \xc3\xa9")
    (answer,) = wire.deliver(message)
    assert b'From: "Andr\xe9 \xc3\xa9" <sip:' in answer.data


def test_an_octet_of_utf_8_that_reads_as_a_latin_1_space_stays() -> None:
    message = request(Caller(Wire()).request("BYE", headers="Subject:  voil\xc3\xa0 \t"))
    assert message.headers.get("subject").encode("latin-1").decode() == "voilà"


def test_what_follows_the_body_in_a_datagram_is_left_out() -> None:
    message = Caller(Wire()).request("INVITE", body=SDP)
    assert request(b"\r\n\r\n" + message + b"trailing").body == SDP


def test_a_60_kb_tel_uri_is_too_long() -> None:
    wire = Wire()
    number = "1" * 60_000
    (answer,) = wire.deliver(Caller(wire).request("INVITE", uri=f"tel:{number}"))
    assert answer.start == "SIP/2.0 414 Request-URI Too Long"


def test_a_response_is_read() -> None:
    text = Caller(Wire()).request("BYE").partition(b"\r\n")[2]
    message = parse(b"sip/2.0 200\r\n" + text)
    assert isinstance(message, Response)
    assert (message.status, message.cseq.method) == (200, "BYE")


def test_a_message_says_nothing_of_its_body_in_its_repr() -> None:
    message = parse(Caller(Wire()).request("INFO", body=b"Signal=7", content_type="x/y"))
    assert "Signal" not in repr(message)


_WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1,
                max_size=12)  # fmt: skip
_NAME = st.one_of(st.just(""), _WORD, _WORD.map(lambda word: f'"{word} \\"x\\""'))
_HOST = st.one_of(
    _WORD.map(lambda word: f"{word.strip('-') or 'x'}.example"), st.just("[2001:db8::1]"),
    st.just("192.0.2.7"),
)  # fmt: skip


@st.composite
def well_formed(draw: st.DrawFn) -> str:
    """A request that both readers must take, and take alike."""
    parameters = draw(st.sampled_from(["", ";lr", ";transport=tcp;x=1"]))
    port = draw(st.sampled_from(["", ":5060", ":65535"]))
    uri = f"sip:{draw(_WORD)}@{draw(_HOST)}{port}"
    method = draw(st.sampled_from(["INVITE", "BYE", "OPTIONS"]))
    return (
        f"{method} {uri}{parameters} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {draw(_HOST)}{port};branch=z9hG4bK{draw(_WORD)};rport\r\n"
        f"From: {draw(_NAME)} <{uri}>;tag={draw(_WORD)}\r\n"
        f"To: {draw(_NAME)} <{uri}{parameters}>\r\n"
        f"Call-ID: {draw(_WORD)}@{draw(_WORD)}\r\n"
        f"CSeq: {draw(st.integers(0, 2**31 - 1))} {method}\r\n"
        "Content-Length: 0\r\n\r\n"
    )


@given(well_formed())
@settings(max_examples=300, derandomize=True, deadline=None)
def test_sipmessage_reads_the_same(text: str) -> None:
    ours = request(text.encode())
    theirs = sipmessage.Message.parse(text.encode())
    assert isinstance(theirs, sipmessage.Request)
    uri = Uri.parse(ours.uri)
    assert ours.method == theirs.method
    assert (uri.scheme, uri.user, uri.host) == (
        theirs.uri.scheme,
        theirs.uri.user,
        theirs.uri.host.strip("[]").lower(),
    )
    assert uri.port == theirs.uri.port
    for mine, other in ((ours.from_, theirs.from_address), (ours.to, theirs.to_address)):
        assert mine.display == (other.name or "")
        assert mine.uri == str(other.uri)
        assert mine.tag == other.parameters.get("tag")
    via = theirs.via[0]
    assert ours.via.transport == via.transport
    assert ours.via.host == via.host.strip("[]").lower()
    assert ours.via.port == via.port
    assert ours.via.branch == via.parameters["branch"]
    assert ours.call_id == theirs.call_id
    assert (ours.cseq.number, ours.cseq.method) == (theirs.cseq.sequence, theirs.cseq.method)


def samples() -> list[bytes]:
    caller = Caller(Wire(), record_route="<sip:192.0.2.10;lr>, <sip:192.0.2.11;lr>")
    caller.to_tag = "tag"
    return [
        caller.request("INVITE", body=SDP, headers="Require: a, b\r\nX:\r\n folded"),
        caller.request("INVITE", body=SDP, to_tag=""),
        caller.request("BYE"),
        caller.request("NOTIFY", body=b"SIP/2.0 200 OK", headers="Event: refer;id=1"),
        caller.request("INFO", body=b"Signal=5\r\nDuration=1", content_type="application/dtmf"),
        b"SIP/2.0 200 OK\r\n" + caller.request("BYE").partition(b"\r\n")[2],
        *(file.read_bytes() for file in sorted(FOLDER.rglob("*.sip"))),
    ]


def test_nothing_but_wire_error_escapes_the_parser() -> None:
    read = 0
    for data in damaged(samples()):
        try:
            parse(data)
        except WireError:
            continue
        read += 1
    assert read > 1000  # the damage is not so great that only the first check was tried


def test_no_damaged_message_gets_the_better_of_a_user_agent() -> None:
    wire = Wire(transport="udp")
    caller = Caller(wire, call_id="live")
    caller.connected()
    live = [
        caller.request(method, body=SDP, cseq=2)
        for method in ("INVITE", "UPDATE", "INFO", "NOTIFY", "OPTIONS")
    ]
    for data in damaged([*samples(), *live], seed=4475):
        sent = wire.deliver(data, Flow("udp", wire.flow.local, ("198.51.100.9", 5060)))
        for message in sent:
            if message.status != 400:  # which gives back headers as broken as they came
                parse(message.data)
            head = message.data.partition(b"\r\n\r\n")[0]
            assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
        for number, invited in enumerate(wire.all(Invited)):
            if number % 2:
                wire.agent.reject(invited.call, 486, wire.now)
            else:
                wire.agent.accept(invited.call, SDP, wire.now)
        for offered in wire.all(Offered):
            wire.agent.answer(offered.call, SDP, wire.now)
        wire.forget()
    wire.agent.bye(caller.call, wire.now)
    wire.run_out()
    counts = wire.agent.counts()
    assert (counts.dialogs, counts.server_transactions, counts.client_transactions) == (0, 0, 0)

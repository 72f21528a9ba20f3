"""The torture messages of RFC 4475 and RFC 5118: what becomes of each (`messages/README.md`).

Where an RFC leaves the choice, the table says what ours is.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ivr.sip import sdp
from ivr.sip.events import Dropped, DropReason, Invited
from ivr.sip.framing import StreamFramer
from ivr.sip.grammar.uri import Uri
from ivr.sip.message import Request, Response, parse
from ivr.wire import WireError
from tests.sip.caller import SDP, final
from tests.wire import Sent, Wire

FOLDER = Path(__file__).parent / "messages"


@dataclass(frozen=True)
class Case:
    """One message: what reading it gives ("" for whole), and what the user agent does.

    `answer` is the status of the one response, 0 for none, 100 for a call that comes in;
    `has` are header lines in it. `dropped` is the reason in `Dropped`, None without one.
    """

    name: str
    section: str
    answer: int
    fault: str = ""
    dropped: DropReason | None = None
    has: dict[str, str] = field(default_factory=dict)


ALLOWED = {"Allow": "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY, PRACK"}
BROKEN = DropReason.MALFORMED
STRAY = DropReason.STRAY_RESPONSE

RFC4475 = [
    # Valid (§3.1.1). The INVITE has a To tag, of a dialog that we have not.
    Case("wsinv", "3.1.1.1", 481),
    Case("intmeth", "3.1.1.2", 501, has=ALLOWED),
    Case("esc01", "3.1.1.3", 100),
    Case("escnull", "3.1.1.4", 405, has=ALLOWED),
    Case("esc02", "3.1.1.5", 501, has=ALLOWED),
    Case("lwsdisp", "3.1.1.6", 200),
    Case("longreq", "3.1.1.7", 100),
    # What follows the REGISTER in its datagram is no message (RFC 3261 §18.3).
    Case("dblreq", "3.1.1.8", 405),
    Case("semiuri", "3.1.1.9", 200),
    Case("transports", "3.1.1.10", 200),
    Case("mpart01", "3.1.1.11", 405),
    Case("unreason", "3.1.1.12", 0, dropped=STRAY),
    Case("noreason", "3.1.1.13", 0, dropped=STRAY),
    # Invalid (§3.1.2).
    Case("badinv01", "3.1.2.1", 400, "Malformed Via header", BROKEN),
    Case("clerr", "3.1.2.2", 400, "Body shorter than Content-Length", BROKEN),
    Case("ncl", "3.1.2.3", 400, "Malformed number", BROKEN),
    Case("scalar02", "3.1.2.4", 400, "Malformed CSeq header", BROKEN),
    Case("scalarlg", "3.1.2.5", 0, "Malformed CSeq header", BROKEN),
    Case("quotbal", "3.1.2.6", 400, "Missing or malformed To header", BROKEN),
    Case("ltgtruri", "3.1.2.7", 400),
    Case("lwsruri", "3.1.2.8", 400, "Malformed Request-Line", BROKEN),
    # Forgiven: more than one space in the Request-Line, and spaces at its end.
    Case("lwsstart", "3.1.2.9", 100),
    Case("trws", "3.1.2.10", 200),
    Case("escruri", "3.1.2.11", 400),
    # Forgiven: we don't read Date.
    Case("baddate", "3.1.2.12", 100),
    # The method is looked at first (RFC 3261 §8.2.1): we are no registrar.
    Case("regbadct", "3.1.2.13", 405),
    # Forgiven: spaces within angle brackets, and a comma in a display name without quotes.
    Case("badaspec", "3.1.2.14", 200),
    Case("baddn", "3.1.2.15", 200),
    Case("badvers", "3.1.2.16", 505, has={"Via": "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw"
         ";received=192.0.2.99"}),
    Case("mismatch01", "3.1.2.17", 400, "CSeq method does not match", BROKEN),
    Case("mismatch02", "3.1.2.18", 400, "CSeq method does not match", BROKEN),
    Case("bigcode", "3.1.2.19", 0, "Number out of range", BROKEN),
    # Transactions (§3.2).
    Case("badbranch", "3.2.1", 200),
    # What applications look at (§3.3).
    Case("insuf", "3.3.1", 400, "Missing or malformed Call-ID header", BROKEN),
    Case("unkscm", "3.3.2", 416),
    Case("novelsc", "3.3.3", 416),
    Case("unksm2", "3.3.4", 405),
    Case("bext01", "3.3.5", 420,
         has={"Unsupported": "nothingSupportsThis, nothingSupportsThisEither"}),
    Case("invut", "3.3.6", 415, has={"Accept": "application/sdp"}),
    Case("regaut01", "3.3.7", 405),
    Case("multi01", "3.3.8", 400, "Header field repeated", BROKEN),
    Case("mcl01", "3.3.9", 400, "Header field repeated", BROKEN),
    Case("bcast", "3.3.10", 0, dropped=STRAY),
    # Max-Forwards is a proxy's business; we are where the request was to go.
    Case("zeromf", "3.3.11", 200),
    Case("cparam01", "3.3.12", 405),
    Case("cparam02", "3.3.13", 405),
    Case("regescrt", "3.3.14", 405),
    Case("sdp01", "3.3.15", 406),
    # Backward compatibility (§3.4): a caller of RFC 2543.
    Case("inv2543", "3.4.1", 100),
]  # fmt: skip

RFC5118 = [
    Case("ipv6-good", "4.1", 405),
    # 405 and not 400, since the method is looked at first; see the test of its URI below.
    Case("ipv6-bad", "4.2", 405),
    Case("port-ambiguous", "4.3", 405),
    Case("port-unambiguous", "4.4", 405),
    Case("via-received-param-with-delim", "4.5", 481),
    Case("via-received-param-no-delim", "4.5", 200),
    Case("ipv6-in-sdp", "4.6", 100),
    Case("mult-ip-in-header", "4.7", 481),
    Case("mult-ip-in-sdp", "4.8", 100),
    Case("ipv4-mapped-ipv6", "4.9", 100),
    # To be tolerated, both.
    Case("ipv6-bug-abnf-3-colons", "4.10", 200),
    Case("ipv6-correct-abnf-2-colons", "4.10", 200),
]

CASES = [
    pytest.param(rfc, case, id=f"{rfc}-{case.section}-{case.name}")
    for rfc, cases in (("rfc4475", RFC4475), ("rfc5118", RFC5118))
    for case in cases
]


def message(name: str) -> bytes:
    return next(FOLDER.glob(f"rfc*/{name}.sip")).read_bytes()


def invited(name: str) -> Invited:
    wire = Wire()
    wire.deliver(message(name))
    return wire.only(Invited)


def request(name: str) -> Request:
    read = parse(message(name))
    assert isinstance(read, Request)
    return read


def test_no_message_is_left_out() -> None:
    for folder, cases, count in (("rfc4475", RFC4475, 49), ("rfc5118", RFC5118, 12)):
        assert len(cases) == count
        assert {case.name for case in cases} == {file.stem for file in (FOLDER / folder).iterdir()}


@pytest.mark.parametrize(("rfc", "case"), CASES)
def test_a_torture_message(rfc: str, case: Case) -> None:
    data = (FOLDER / rfc / f"{case.name}.sip").read_bytes()
    wire = Wire()
    if case.fault:
        with pytest.raises(WireError) as caught:
            parse(data)
        assert caught.value.reason == case.fault
    else:
        parse(data)
    sent = wire.deliver(data)
    assert [answer.status for answer in sent] == [case.answer] * bool(case.answer)
    assert [drop.reason for drop in wire.all(Dropped)] == [case.dropped] * bool(case.dropped)
    assert len(wire.all(Invited)) == (case.answer == 100)
    for answer in sent:
        for name, value in case.has.items():
            assert answer.header(name) == value
        if case.fault:
            assert answer.start == f"SIP/2.0 400 {case.fault}"
        else:
            assert isinstance(parse(answer.data), Response)
    for call in wire.all(Invited):
        wire.agent.reject(call.call, 486, wire.now)
    wire.run_out()
    counts = wire.agent.counts()
    assert (counts.dialogs, counts.server_transactions, counts.client_transactions) == (0, 0, 0)


# Those after which nobody knows where the next message begins: how many were whole before that.
UNFRAMED = {
    "dblreq": (2, "Content-Length missing or repeated"),
    "ncl": (0, "Malformed number"),
    "mcl01": (0, "Content-Length missing or repeated"),
    "inv2543": (0, "Content-Length missing or repeated"),
}


@pytest.mark.parametrize(("rfc", "case"), CASES)
def test_a_torture_message_in_a_stream(rfc: str, case: Case) -> None:
    framer = StreamFramer()
    found: list[bytes] = []
    count, fault = UNFRAMED.get(case.name, (1, ""))
    data = (FOLDER / rfc / f"{case.name}.sip").read_bytes()
    try:
        for octet in data:
            found += framer.feed(bytes([octet]))
    except WireError as error:
        fault = "" if error.reason == fault else error.reason
    assert fault == ""
    if case.name == "clerr":
        assert (found, framer.holds_part) == ([], True)
    else:
        assert len(found) == count
        assert all(whole in data for whole in found)


def test_escapes_are_undone_where_they_stand_for_characters() -> None:
    call = invited("esc01")
    assert (call.line, call.caller) == ("sips:user@example.com", "I have spaces")
    assert "c%6Fntact" not in request("esc02").headers
    assert len(request("esc02").headers.values("contact")) == 2


def test_a_line_is_found_among_parameters_of_a_kilobyte() -> None:
    call = invited("longreq")
    assert (call.line, call.caller) == ("user", "amazinglylongcallername" * 5)
    assert len(call.request.headers.values("via")) == 34


def test_a_body_with_nulls_in_it_is_whole() -> None:
    body = request("mpart01").body
    assert len(body) == 553
    assert b"\0\x95\0q\2" not in body
    assert body.endswith(b"\xbc\x99\xd0\x05\r\n--7a9cbec02ceef655--\r\n")


def test_an_answer_to_what_lacks_headers_makes_none_up() -> None:
    (answer,) = Wire().deliver(message("insuf"))
    names = [line.partition(":")[0] for line in answer.lines[1:]]
    assert names == ["Via", "CSeq", "Server", "Content-Length"]


def test_what_can_not_be_read_comes_back_as_it_was() -> None:
    (answer,) = Wire().deliver(message("quotbal"))
    assert answer.header("To").startswith('"Mr. J. User <sip:j.user@example.com>;tag=')
    (answer,) = Wire().deliver(message("scalar02"))
    assert answer.header("CSeq") == "36893488147419103232 REGISTER"


def test_a_cookie_with_nothing_after_it_names_no_transaction() -> None:
    wire = Wire()
    invite = message("badbranch").replace(b"OPTIONS", b"INVITE").replace(
        b"Accept:", b"Contact: <sip:a@192.0.2.9>\r\nAccept:"
    )  # fmt: skip
    wire.deliver(invite)
    wire.deliver(invite.replace(b"badbranch.", b"another."))
    assert len(wire.all(Invited)) == 2


def test_a_response_with_a_via_below_ours_ends_nothing() -> None:
    wire = Wire()
    wire.deliver(message("esc01"))
    call = wire.only(Invited).call
    wire.agent.accept(call, SDP, wire.now)
    wire.run_until(40)  # no ACK: BYE
    bye = next(sent for sent in wire.sent if sent.start.startswith("BYE"))
    below = "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"
    lines = ["SIP/2.0 200 OK", f"Via: {bye.header('Via')}", below]
    lines += [f"{name}: {bye.header(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
    wire.deliver("\r\n".join([*lines, "Content-Length: 0", "", ""]))
    assert wire.agent.counts().requests == 1
    wire.deliver("\r\n".join([*lines, "Content-Length: 0", "", ""]).replace(f"{below}\r\n", ""))
    assert wire.agent.counts().requests == 0


def test_a_caller_of_rfc_2543_is_hung_up_by_way_of_its_strict_router() -> None:
    wire = Wire()
    wire.deliver(message("inv2543"))
    call = wire.only(Invited).call
    ok = final(wire.do(lambda agent: agent.accept(call, SDP, wire.now)))
    assert ok.header("Record-Route") == "<sip:UserB@example.com;maddr=ss1.example.com>"
    wire.deliver(acknowledgement_of_2543(ok))
    (bye,) = wire.do(lambda agent: agent.bye(call, wire.now))
    assert bye.start == "BYE sip:UserB@example.com;maddr=ss1.example.com SIP/2.0"
    assert bye.header("Route") == "<sip:+13035551111@ift.client.example.net;user=phone>"
    assert bye.header("To") == "<sip:+13035551111@ift.client.example.net;user=phone>"


def acknowledgement_of_2543(ok: Sent) -> str:
    lines = ["ACK sip:UserB@example.com SIP/2.0"]
    lines += [f"{name}: {ok.header(name)}" for name in ("Via", "From", "To", "Call-ID")]
    return "\r\n".join([*lines, "CSeq: 56 ACK", "", ""])


def test_a_caller_that_wants_an_answer_other_than_sdp_is_refused_and_one_of_any_is_not() -> None:
    for accepted, status in (
        (b"text/nobodyKnowsThis", 406),
        (b"", 406),
        (b"Text/x, Application/SDP;level=1", 100),
        (b"*/*", 100),
        (b"application/*", 100),
        (b"sdp", 400),
    ):
        (answer,) = Wire().deliver(message("sdp01").replace(b"text/nobodyKnowsThis", accepted))
        assert answer.status == status


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("ipv6-good", "2001:db8::10", None),
        ("port-ambiguous", "2001:db8::10:5070", None),
        ("port-unambiguous", "2001:db8::10", 5070),
        ("ipv6-bug-abnf-3-colons", "2001:db8:::192.0.2.1", None),
        ("ipv6-correct-abnf-2-colons", "2001:db8::192.0.2.1", None),
    ],
)
def test_an_ipv6_reference_in_a_uri(name: str, host: str, port: int | None) -> None:
    uri = Uri.parse(request(name).uri)
    assert (uri.host, uri.port) == (host, port)


def test_an_ipv6_address_without_brackets_is_no_host() -> None:
    with pytest.raises(WireError):
        Uri.parse(request("ipv6-bad").uri)
    (answer,) = Wire().deliver(message("ipv6-bad").replace(b"REGISTER", b"OPTIONS"))
    assert answer.status == 400


def test_received_is_written_without_brackets_in_place_of_what_was_there() -> None:
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        wire = Wire(local=("2001:db8::10", 5060), remote=("2001:db8::9:255", 5060))
        (answer,) = wire.deliver(message(name))
        assert answer.flow.remote == ("2001:db8::9:255", 5060)
        assert "[2001:db8::9:1];received=2001:db8::9:255;branch=" in answer.header("Via")


def test_every_via_comes_back() -> None:
    (answer,) = Wire().deliver(message("mult-ip-in-header"))
    assert answer.headers("Via") == [
        "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111;received=192.0.2.99",
        "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
        "SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
    ]


def test_addresses_of_both_families_in_sdp() -> None:
    assert sdp.parse(request("ipv6-in-sdp").body).connection == "2001:db8::20"
    audio, video = sdp.parse(request("mult-ip-in-sdp").body).media
    assert (audio.connection, video.connection) == ("192.0.2.1", "2001:db8::1")
    assert sdp.parse(request("ipv4-mapped-ipv6").body).connection == "::ffff:192.0.2.2"

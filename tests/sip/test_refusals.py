"""What is refused, with which status, and what the refusal must carry."""

import pytest

from ivr.sip.events import ByeReceived, Dropped, DropReason, Invited, Released
from ivr.sip.user_agent import Limits
from tests.sip.caller import SDP, Caller, acknowledgement, final
from tests.wire import Sent, Wire


def refused(wire: Wire, data: bytes) -> Sent:
    """The refusal of a message; it opened no call."""
    answer = final(wire.deliver(data))
    assert not wire.all(Invited)
    return answer


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "REFER"])
def test_a_method_that_we_do_not_serve_gets_405_with_allow(method: str) -> None:
    wire = Wire()
    answer = refused(wire, Caller(wire).request(method))
    assert answer.status == 405
    assert answer.header("Allow").startswith("INVITE, ACK, BYE, CANCEL, OPTIONS")


def test_an_unknown_method_gets_501() -> None:
    wire = Wire()
    assert refused(wire, Caller(wire).request("DANCE")).status == 501


def test_options_tells_what_we_can() -> None:
    wire = Wire()
    answer = refused(wire, Caller(wire).request("OPTIONS"))
    assert answer.status == 200
    assert answer.to_tag
    assert "INVITE" in answer.header("Allow")
    assert "application/sdp" in answer.header("Accept")
    assert answer.header("Supported") == "timer, 100rel"
    assert wire.agent.counts().server_transactions == 0


def test_options_within_a_call_is_answered_in_it() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert caller.send("OPTIONS").status == 200


def test_an_unknown_body_gets_415_with_accept() -> None:
    wire = Wire()
    caller = Caller(wire)
    answer = refused(wire, caller.request("INVITE", body=b"<x/>", content_type="text/xml"))
    assert (answer.status, answer.header("Accept")) == (415, "application/sdp")


def test_an_encoded_body_gets_415_with_accept_encoding() -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE", body=SDP, headers="e: gzip")
    answer = refused(wire, message)
    assert (answer.status, answer.header("Accept-Encoding")) == (415, "identity")


def test_an_info_that_is_no_key_gets_415_with_accept() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    answer = caller.send("INFO", body=b"<x/>", content_type="application/media_control+xml")
    assert answer.status == 415
    assert "application/dtmf-relay" in answer.header("Accept")


def test_an_info_that_makes_no_sense_gets_400() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    answer = caller.send("INFO", body=b"Signal=\r\n", content_type="application/dtmf-relay")
    assert answer.start == "SIP/2.0 400 Malformed DTMF body"


@pytest.mark.parametrize("uri", ["mailto:a@b.example", "sips:0810257510@192.0.2.1", "http://x/"])
def test_an_unknown_scheme_gets_416(uri: str) -> None:
    wire = Wire()
    assert refused(wire, Caller(wire).request("INVITE", uri=uri)).status == 416


def test_a_required_extension_gets_420_with_its_name() -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE", headers="Require: foo, timer\r\nRequire: x")
    answer = refused(wire, message)
    assert (answer.status, answer.header("Unsupported")) == (420, "foo, x")


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "NOTIFY", "OPTIONS"])
def test_a_to_tag_that_nobody_knows_gets_481(method: str) -> None:
    wire = Wire()
    answer = refused(wire, Caller(wire).request(method, to_tag="unknown"))
    assert answer.status == 481
    assert answer.to_tag == "unknown"


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "NOTIFY", "PRACK"])
def test_a_request_that_needs_a_call_gets_481_outside_one(method: str) -> None:
    wire = Wire()
    assert refused(wire, Caller(wire).request(method)).status == 481


@pytest.mark.parametrize("cseq", [0, 1, 5])
def test_a_cseq_that_does_not_go_forward_gets_500(cseq: int) -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    caller.send("INFO", cseq=5)
    assert caller.send("INFO", cseq=cseq).status == 500
    assert caller.send("INFO", cseq=900).status == 200


def test_another_version_gets_505() -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE").replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1)
    assert refused(wire, message).status == 505


def test_an_invite_without_contact_gets_400() -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE").replace(b"Contact:", b"X-Contact:")
    assert refused(wire, message).start == "SIP/2.0 400 Missing Contact header"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b" SIP/2.0\r\n", b" more SIP/2.0\r\n", "Malformed Request-Line"),
        (b"Max-Forwards: 70", b"Max-Forwards 70", "Malformed header line"),
        (b"Max-Forwards: 70", b"From: <sip:x@y>;tag=z", "Header field repeated"),
        (b"Content-Length: 0", b"Content-Length: 99", "Body shorter than Content-Length"),
        (b"Content-Length: 0", b"Content-Length: -1", "Malformed number"),
        (b"1 INVITE", b"1 BYE", "CSeq method does not match"),
        (b"sip:0810257510@192.0.2.1 SIP", b"<sip:x@y> SIP", "Malformed URI"),
        (b"sip:0810257510@192.0.2.1 SIP", b"sip:x@y:99999 SIP", "Number out of range"),
        (b"Contact: <", b"Contact: <<", "Malformed URI"),
    ],
)
def test_a_broken_request_gets_400_with_the_reason(old: bytes, new: bytes, reason: str) -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE").replace(old, new, 1)
    answer = refused(wire, message)
    assert answer.start == f"SIP/2.0 400 {reason}"
    assert answer.to_tag


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq"])
def test_a_request_that_lacks_a_header_gets_400_without_it(name: str) -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE").replace(name.encode() + b":", b"X-Gone:", 1)
    (answer,) = wire.deliver(message)
    assert answer.status == 400
    assert answer.headers(name) == []
    assert wire.only(Dropped) == Dropped(DropReason.MALFORMED, wire.flow)
    assert wire.run_until(30) == []


@pytest.mark.parametrize("via", [b"X-Gone:", b"Via: SIP/2.0/UDP", b'Via: "', b"Via: a, Via:"])
def test_a_request_with_no_way_back_is_dropped_and_counted(via: bytes) -> None:
    wire = Wire()
    message = Caller(wire).request("INVITE").replace(b"Via: SIP/2.0/UDP ", via, 1)
    assert wire.deliver(message) == []
    assert wire.only(Dropped) == Dropped(DropReason.MALFORMED, wire.flow)


def test_a_broken_ack_or_response_gets_no_answer() -> None:
    wire = Wire()
    ack = Caller(wire).request("ACK").replace(b"Max-Forwards: 70", b"Max-Forwards 70")
    assert wire.deliver(ack) == []
    assert wire.deliver(b"SIP/2.0 abc\r\n\r\n") == []
    assert len(wire.all(Dropped)) == 2


def test_a_message_beyond_64_kb_is_too_large() -> None:
    wire = Wire()
    wire.deliver(Caller(wire).request("INVITE", headers="X: " + "x" * 70_000))
    assert wire.only(Dropped).reason is DropReason.TOO_LARGE


def test_a_response_that_nobody_waits_for_is_counted() -> None:
    wire = Wire()
    head = Caller(wire).request("BYE").partition(b"\r\n")[2]
    assert wire.deliver(b"SIP/2.0 200 OK\r\n" + head) == []
    assert wire.only(Dropped).reason is DropReason.STRAY_RESPONSE


def test_the_application_refuses_with_its_own_words_and_headers() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    answer = final(
        wire.do(
            lambda agent: agent.reject(
                caller.call,
                503,
                wire.now,
                reason="Full",
                headers=[("Retry-After", "5")],
            )
        )
    )
    assert (answer.start, answer.header("Retry-After")) == ("SIP/2.0 503 Full", "5")
    assert wire.events[-1] == Released(caller.call)
    assert wire.agent.counts().dialogs == 0


def test_nothing_that_the_application_says_can_end_a_line() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    answer = final(
        wire.do(
            lambda agent: agent.reject(
                caller.call,
                486,
                wire.now,
                reason="no\r\nX-Injected: 1",
                headers=[("X-Mine", "é\r\n\r\nbody")],
            )
        )
    )
    assert answer.start == "SIP/2.0 486 no X-Injected: 1"
    assert answer.header("X-Mine").encode("latin-1").decode() == "é body"


def test_nothing_that_the_caller_says_can_end_a_line() -> None:
    wire = Wire()
    message = Caller(wire).request("OPTIONS").replace(b'"Caller"', b'"Ca\rX-Injected: 1\rller"')
    (answer,) = wire.deliver(message)
    assert answer.data.count(b"\r") == answer.data.count(b"\r\n")
    assert answer.headers("X-Injected") == []


def test_a_refusal_without_a_call_is_repeated_until_acknowledged() -> None:
    wire = Wire()
    invite = Caller(wire).request("INVITE", headers="Require: x")
    refusal = refused(wire, invite)
    assert [message.status for message in wire.run_until(1.5)] == [420, 420]
    wire.deliver(acknowledgement(invite, refusal))
    assert wire.run_until(30) == []


def test_the_same_request_gets_the_same_tag_without_being_remembered() -> None:
    wire = Wire()
    message = Caller(wire).request("OPTIONS")
    (first,), (second,) = wire.deliver(message), wire.deliver(message)
    assert first.data == second.data
    assert wire.agent.counts().server_transactions == 0


def test_beyond_the_limit_a_call_gets_503_and_is_forgotten() -> None:
    wire = Wire(limits=Limits(transactions=2))
    callers = [Caller(wire, call_id=str(number)) for number in range(4)]
    for caller in callers[:2]:
        caller.invite()
    answer = final(wire.deliver(callers[2].request("INVITE", body=SDP)))
    assert answer.status == 503
    assert 0 <= int(answer.header("Retry-After")) <= 10
    assert wire.only(Dropped).reason is DropReason.OVERLOAD
    assert wire.agent.counts().server_transactions == 2


def test_beyond_the_limit_calls_that_stand_can_still_end() -> None:
    wire = Wire(limits=Limits(transactions=1))
    caller = Caller(wire)
    caller.connected()
    assert caller.send("INFO").status == 200
    assert caller.send("INFO").status == 503
    assert caller.send("BYE").status == 200


def test_a_bye_is_served_whatever_its_contact() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert caller.send("BYE", contact="<sip:a").status == 200
    assert wire.only(ByeReceived)

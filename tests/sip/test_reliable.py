"""Answers before the answer: 180 and 183, reliable ones with their PRACK (RFC 3262), and UPDATE in
an early dialog (RFC 3311)."""

import pytest

from ivr.sip.events import Cancelled, Confirmed, NotAcknowledged, Offered, Released
from tests.sip.caller import SDP, Caller, cancellation, final, response_to
from tests.wire import Sent, Wire

ANSWER = SDP + b"a=early\r\n"
HOLD = SDP + b"a=sendonly\r\n"
HELD = SDP + b"a=recvonly\r\n"
SUPPORTED = "Supported: 100rel"
REQUIRED = "Require: 100rel"


def invited(headers: str = SUPPORTED, *, body: bytes = SDP) -> tuple[Wire, Caller, bytes]:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite(headers=headers, body=body)
    wire.take()
    return wire, caller, invite


def progressed(headers: str = SUPPORTED) -> tuple[Wire, Caller, Sent, bytes]:
    """A call that has got our 183."""
    wire, caller, invite = invited(headers)
    (progress,) = wire.do(lambda agent: agent.progress(caller.call, ANSWER, wire.now))
    caller.to_tag = progress.to_tag
    return wire, caller, progress, invite


def prack(caller: Caller, provisional: Sent, *, body: bytes = b"") -> list[Sent]:
    rack = f"RAck: {provisional.header('RSeq')} {provisional.header('CSeq')}"
    return caller.wire.deliver(caller.request("PRACK", headers=rack, body=body))


def accept(wire: Wire, caller: Caller, sdp: bytes = ANSWER) -> list[Sent]:
    return wire.do(lambda agent: agent.accept(caller.call, sdp, wire.now))


# Without 100rel.


def test_early_media_has_its_answer_in_the_183_and_again_in_the_200() -> None:
    wire, caller, progress, _ = progressed(headers="")
    assert progress.start == "SIP/2.0 183 Session Progress"
    assert (progress.body, progress.header("Content-Type")) == (ANSWER, "application/sdp")
    assert progress.headers("RSeq") == progress.headers("Require") == []
    assert wire.run_until(30) == []
    (ok,) = accept(wire, caller)
    assert (ok.status, ok.body, ok.to_tag) == (200, ANSWER, progress.to_tag)


def test_an_invite_that_comes_again_gets_the_183_again() -> None:
    wire, _, progress, invite = progressed(headers="")
    assert [sent.data for sent in wire.deliver(invite)] == [progress.data]


def test_a_call_given_up_during_early_media_gets_487() -> None:
    wire, caller, _, invite = progressed()
    assert [sent.status for sent in wire.deliver(cancellation(invite))] == [200, 487]
    assert wire.only(Cancelled).call == caller.call
    assert accept(wire, caller) == []
    wire.run_out()
    assert wire.agent.counts().dialogs == 0


# What is sent reliably.


def test_a_183_is_reliable_where_the_caller_can() -> None:
    _, _, progress, _ = progressed()
    assert progress.header("Require") == "100rel"
    assert 1 <= int(progress.header("RSeq")) < 2**31
    assert progress.header("Contact")
    assert progress.body == ANSWER


def test_a_180_is_reliable_only_where_that_is_required() -> None:
    wire, caller, _ = invited()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    assert ringing.headers("RSeq") == []
    wire, caller, _ = invited(REQUIRED)
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    assert (ringing.status, ringing.header("Require")) == (180, "100rel")


def test_an_invite_without_offer_that_requires_100rel_does_not_ring() -> None:
    """A reliable 180 would have to carry our offer; the 200 does."""
    wire, caller, _ = invited(REQUIRED, body=b"")
    assert wire.do(lambda agent: agent.ring(caller.call, wire.now)) == []
    (ok,) = accept(wire, caller)
    assert (ok.status, ok.body) == (200, ANSWER)
    caller.to_tag = ok.to_tag
    caller.acknowledge(body=SDP)
    assert wire.only(Confirmed) == Confirmed(caller.call, SDP)


# Its repetition.


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_reliable_response_is_sent_again_until_32_s_then_the_invite_gets_500(
    transport: str,
) -> None:
    wire = Wire(transport=transport)
    caller = Caller(wire)
    caller.invite(headers=SUPPORTED)
    wire.take()
    wire.do(lambda agent: agent.progress(caller.call, ANSWER, wire.now))
    wire.run_until(31.9)
    sent = [message for message in wire.sent if message.status == 183]
    assert [message.at for message in sent] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len({message.data for message in sent}) == 1
    assert final(wire.run_until(32)).start == "SIP/2.0 500 No PRACK"
    assert wire.only(NotAcknowledged).call == caller.call
    assert wire.only(Released)


def test_the_prack_stops_it_and_is_answered() -> None:
    wire, caller, progress, _ = progressed()
    wire.run_until(0.6)
    (ok,) = prack(caller, progress)
    assert (ok.status, ok.method) == (200, "PRACK")
    assert wire.run_until(100) == []


def test_a_prack_that_comes_again_gets_its_answer_again() -> None:
    wire, caller, progress, _ = progressed()
    rack = f"RAck: {progress.header('RSeq')} {progress.header('CSeq')}"
    message = caller.request("PRACK", headers=rack)
    (first,), (second,) = wire.deliver(message), wire.deliver(message)
    assert first.data == second.data


@pytest.mark.parametrize(
    ("rack", "status"),
    [
        ("{0} 1 INVITE", 481),  # another RSeq
        ("{1} 9 INVITE", 481),  # another CSeq
        ("{1} 1 UPDATE", 481),
        ("{1} 1", 400),
        ("{1}", 400),
        ("-1 1 INVITE", 400),
        ("99999999999 1 INVITE", 400),
        ("", 400),
    ],
)
def test_a_prack_of_something_else_is_refused(rack: str, status: int) -> None:
    wire, caller, progress, _ = progressed()
    number = int(progress.header("RSeq"))
    answer = caller.send("PRACK", headers=f"RAck: {rack.format(number + 1, number)}")
    assert answer.status == status
    assert [message.status for message in wire.run_until(0.5)] == [183]


def test_a_second_prack_of_the_same_response_gets_481() -> None:
    _, caller, progress, _ = progressed()
    assert prack(caller, progress)[0].status == 200
    assert prack(caller, progress)[0].status == 481


def test_a_183_waits_for_the_prack_of_the_180() -> None:
    wire, caller, _ = invited(REQUIRED)
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    caller.to_tag = ringing.to_tag
    assert wire.do(lambda agent: agent.progress(caller.call, ANSWER, wire.now)) == []
    ok, progress = prack(caller, ringing)
    assert (progress.status, ok.status) == (183, 200)
    assert int(progress.header("RSeq")) == int(ringing.header("RSeq")) + 1


# The 200 after it.


def test_the_200_waits_for_the_prack_of_the_answer() -> None:
    wire, caller, progress, _ = progressed()
    assert accept(wire, caller) == []
    wire.run_until(1)
    pracked, ok = prack(caller, progress)
    assert (pracked.method, pracked.status) == ("PRACK", 200)
    assert (ok.method, ok.status, ok.body) == ("INVITE", 200, ANSWER)
    caller.acknowledge(cseq=1)
    assert wire.only(Confirmed).call == caller.call
    assert wire.run_until(60) == []


def test_the_200_does_not_wait_for_the_prack_of_a_180() -> None:
    wire, caller, _ = invited(REQUIRED)
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    (ok,) = accept(wire, caller)
    assert (ok.status, ok.body) == (200, ANSWER)
    caller.to_tag = ok.to_tag
    caller.acknowledge(cseq=1)
    assert wire.run_until(31) == []  # the 180 is not repeated
    assert prack(caller, ringing)[0].status == 200


def test_a_refusal_does_not_wait() -> None:
    wire, caller, progress, _ = progressed()
    refusal = final(wire.do(lambda agent: agent.reject(caller.call, 486, wire.now)))
    assert refusal.status == 486
    assert {message.status for message in wire.run_until(31)} == {486}
    assert prack(caller, progress)[0].status == 481  # the dialog is gone


def test_hanging_up_while_the_200_waits_gets_480() -> None:
    wire, caller, _, _ = progressed()
    accept(wire, caller)
    assert final(wire.do(lambda agent: agent.bye(caller.call, wire.now))).status == 480


# Offers in an early dialog.


def test_an_update_before_the_200_is_answered_once_the_answer_is_acknowledged() -> None:
    wire, caller, progress, _ = progressed()
    early = caller.send("UPDATE", body=HOLD)
    assert (early.status, bool(early.header("Retry-After"))) == (500, True)
    prack(caller, progress)
    wire.deliver(caller.request("UPDATE", body=HOLD))
    assert wire.only(Offered) == Offered(caller.call, HOLD)
    (ok,) = wire.do(lambda agent: agent.answer(caller.call, HELD, wire.now))
    assert (ok.method, ok.body) == ("UPDATE", HELD)
    (ok,) = accept(wire, caller)
    assert (ok.method, ok.body) == ("INVITE", b"")  # the first answer holds no more
    assert ok.headers("Content-Type") == []


def test_an_answer_that_was_not_reliable_is_none_yet() -> None:
    _, caller, _, _ = progressed(headers="")
    assert caller.send("UPDATE", body=HOLD).status == 500


def test_an_offer_in_the_prack_is_answered_before_the_200() -> None:
    wire, caller, progress, _ = progressed()
    accept(wire, caller)
    assert prack(caller, progress, body=HOLD) == []
    assert wire.only(Offered) == Offered(caller.call, HOLD)
    pracked, ok = wire.do(lambda agent: agent.answer(caller.call, HELD, wire.now))
    assert (pracked.method, pracked.body) == ("PRACK", HELD)
    assert (ok.method, ok.status, ok.body) == ("INVITE", 200, b"")


def test_an_offer_in_the_prack_that_we_cannot_take_acknowledges_all_the_same() -> None:
    wire, caller, progress, _ = progressed()
    prack(caller, progress, body=HOLD)
    refusal = final(wire.do(lambda agent: agent.refuse_offer(caller.call, 488, wire.now)))
    assert (refusal.method, refusal.status) == ("PRACK", 488)
    assert wire.run_until(31) == []
    (ok,) = accept(wire, caller)
    assert (ok.status, ok.body) == (200, ANSWER)


def test_an_offer_while_the_first_has_no_answer_is_refused() -> None:
    wire, caller, _ = invited(REQUIRED)
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    caller.to_tag = ringing.to_tag
    assert [sent.status for sent in prack(caller, ringing, body=HOLD)] == [488]
    assert not wire.all(Offered)


def test_a_prack_with_another_body_gets_415() -> None:
    _, caller, progress, _ = progressed()
    rack = f"RAck: {progress.header('RSeq')} {progress.header('CSeq')}"
    answer = caller.send("PRACK", headers=rack, body=b"<x/>", content_type="text/xml")
    assert (answer.status, answer.header("Accept")) == (415, "application/sdp")


def test_two_forks_of_one_call_are_one_call() -> None:
    """The same INVITE by two ways (§8.2.2.2): the second is told so, the first goes on."""
    wire, caller, progress, invite = progressed()
    other = invite.replace(b"branch=z9hG4bK-", b"branch=z9hG4bK-other-")
    assert final(wire.deliver(other)).status == 482
    assert prack(caller, progress)[0].status == 200
    (ok,) = accept(wire, caller)
    caller.acknowledge(cseq=1)
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.deliver(response_to(bye, 200))
    assert ok.to_tag == progress.to_tag
    assert wire.agent.counts().dialogs == 0

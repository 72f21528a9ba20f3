"""Calls as a caller lives them: set up, repeated, cancelled, hung up, by either side."""

import gc

import pytest

from ivr.sip.events import (
    ByeReceived,
    Cancelled,
    Confirmed,
    Dropped,
    DropReason,
    InfoReceived,
    Invited,
    NotAcknowledged,
    Released,
)
from ivr.sip.flow import Flow
from tests.sip.caller import (
    SDP,
    Caller,
    acknowledgement,
    cancellation,
    final,
    response_to,
)
from tests.wire import HERE, START, THERE, Wire


def dropped(wire: Wire) -> list[DropReason]:
    return [event.reason for event in wire.all(Dropped)]


def test_an_invite_is_answered_100_at_once_then_180_and_200() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    wire.do(lambda agent: agent.ring(caller.call, wire.now))
    wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    assert [(message.at, message.status) for message in wire.sent] == [(0, 100), (0, 180), (0, 200)]
    trying, ringing, ok = wire.sent
    assert trying.to_tag == ""
    assert ringing.to_tag == ok.to_tag != ""
    assert ok.body == SDP
    assert ok.header("Content-Type") == "application/sdp"
    assert ok.header("Contact") == "<sip:192.0.2.1:5060;transport=udp>"
    assert "UPDATE" in ok.header("Allow")


def test_the_application_is_told_who_calls_which_line() -> None:
    wire = Wire()
    caller = Caller(wire)
    wire.deliver(caller.request("INVITE", body=SDP, uri="sip:%30810257510:secret@192.0.2.1;x=y"))
    invited = wire.only(Invited)
    assert (invited.line, invited.caller) == ("0810257510", "0612345678")
    assert (invited.sdp, invited.call_id) == (SDP, caller.call_id)
    assert invited.flow == wire.flow
    assert invited.request.headers.get("max-forwards") == "70"


def test_a_tel_uri_is_a_line_without_its_visual_separators() -> None:
    wire = Wire()
    wire.deliver(Caller(wire).request("INVITE", uri="tel:+33-8.10(25)7510;phone-context=x"))
    assert wire.only(Invited).line == "+33810257510"


def test_an_invite_sent_twice_before_the_answer_is_one_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    assert [message.status for message in wire.deliver(invite)] == [100]
    wire.do(lambda agent: agent.ring(caller.call, wire.now))
    assert [message.status for message in wire.deliver(invite)] == [180]
    assert len(wire.all(Invited)) == 1


def test_an_invite_sent_twice_after_the_answer_is_one_call_with_the_same_answer() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    (again,) = wire.deliver(invite)
    assert again.data == ok.data
    assert wire.deliver(invite) == []  # once in T1 at most: no ping-pong
    assert len(wire.all(Invited)) == 1


@pytest.mark.parametrize("later", [1.0, 10.0, 31.9])
def test_an_invite_that_comes_after_the_bye_opens_no_ghost_call(later: float) -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = ok.to_tag
    caller.acknowledge()
    wire.run_until(30)
    caller.send("BYE")
    wire.run_until(30 + later)
    assert wire.deliver(invite) == []
    assert len(wire.all(Invited)) == 1
    assert wire.agent.counts().dialogs == 0


def test_an_invite_repeated_long_after_the_answer_changes_nothing() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = wire.sent[-1].to_tag
    caller.acknowledge()
    wire.run_until(600)
    assert wire.deliver(invite) == []
    assert dropped(wire) == [DropReason.LATE_INVITE]
    assert wire.agent.counts().dialogs == 1


def test_a_merged_invite_gets_482() -> None:
    """The same INVITE by another way through a forking proxy (RFC 3261 §8.2.2.2)."""
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    merged = caller.request("INVITE", cseq=1, branch="z9hG4bK-another", body=SDP)
    assert final(wire.deliver(merged)).status == 482
    assert len(wire.all(Invited)) == 1


def test_a_proxys_next_try_after_a_refusal_is_a_new_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    refusal = final(wire.do(lambda agent: agent.reject(caller.call, 404, wire.now)))
    merged = caller.request("INVITE", cseq=1, branch="z9hG4bK-early", body=SDP)
    assert final(wire.deliver(merged)).status == 482
    wire.deliver(acknowledgement(invite, refusal))
    wire.deliver(caller.request("INVITE", cseq=1, branch="z9hG4bK-next", body=SDP))
    assert len(wire.all(Invited)) == 2


def test_two_calls_may_have_one_call_id() -> None:
    wire = Wire()
    first, second = Caller(wire, tag="a"), Caller(wire, tag="b")
    first.invite()
    wire.deliver(second.request("INVITE", body=SDP, branch="z9hG4bK-b"))
    second.call = wire.all(Invited)[-1].call
    for caller in (first, second):
        wire.agent.accept(caller.call, SDP, wire.now)
        caller.to_tag = final(wire.take()).to_tag
        caller.acknowledge()
    assert [event.call for event in wire.all(Confirmed)] == [first.call, second.call]
    wire.deliver(second.request("BYE", branch="z9hG4bK-bye"))
    assert wire.only(ByeReceived).call == second.call
    assert wire.agent.counts().dialogs == 1


def test_hanging_up_ends_the_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert caller.send("BYE").status == 200
    assert wire.events[-2:] == [ByeReceived(caller.call), Released(caller.call)]


def test_a_bye_that_overtakes_the_ack_ends_the_call_and_the_200() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    assert caller.send("BYE").status == 200
    caller.acknowledge(cseq=1)
    assert wire.run_until(30) == []
    assert dropped(wire) == [DropReason.STRAY_ACK]


def test_a_bye_before_the_answer_ends_the_invite_with_487() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    caller.to_tag = ringing.to_tag
    answers = wire.deliver(caller.request("BYE"))
    assert [(answer.status, answer.method) for answer in answers] == [(200, "BYE"), (487, "INVITE")]
    assert wire.events[-2:] == [ByeReceived(caller.call), Released(caller.call)]


def test_cancel_gets_200_and_the_invite_487_until_acknowledged() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    cancel = cancellation(invite)
    answers = wire.deliver(cancel)
    assert [(answer.status, answer.method) for answer in answers] == [
        (200, "CANCEL"),
        (487, "INVITE"),
    ]
    assert answers[0].to_tag == answers[1].to_tag == ringing.to_tag
    assert wire.events[-2:] == [Cancelled(caller.call), Released(caller.call)]
    (repeated,) = wire.deliver(cancel)
    assert repeated.data == answers[0].data
    assert [message.status for message in wire.run_until(0.5)] == [487]
    wire.deliver(acknowledgement(invite, answers[1]))
    assert wire.run_until(31) == []


def test_a_cancel_that_crosses_the_200_changes_nothing() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = wire.sent[-1].to_tag
    (answer,) = wire.deliver(cancellation(invite))
    assert (answer.status, answer.method) == (200, "CANCEL")
    caller.acknowledge()
    assert wire.only(Confirmed)
    assert not wire.all(Cancelled)


def test_a_cancel_with_the_tag_of_our_180_gets_it_once() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    cancel = cancellation(invite).replace(
        b"To: <sip:0810257510@192.0.2.1>", f"To: {ringing.header('To')}".encode()
    )
    answers = wire.deliver(cancel)
    assert [answer.status for answer in answers] == [200, 487]
    assert {answer.header("To") for answer in answers} == {ringing.header("To")}


def test_an_application_that_answers_too_late_does_nothing() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    wire.deliver(cancellation(invite))
    assert wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now)) == []
    assert wire.do(lambda agent: agent.bye(caller.call, wire.now)) == []
    assert wire.do(lambda agent: agent.ring("never-heard-of", wire.now)) == []


def test_a_cancel_of_nothing_gets_481() -> None:
    wire = Wire()
    (answer,) = wire.deliver(cancellation(Caller(wire).request("INVITE")))
    assert (answer.status, answer.method) == (481, "CANCEL")


def test_our_bye_says_why_and_ends_the_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    ok = caller.connected()
    reason = 'Q.850;cause=16;text="end of the call"'
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now, reason=reason))
    assert bye.start == f"BYE sip:caller@{THERE[0]}:{THERE[1]} SIP/2.0"
    assert bye.flow.remote == THERE
    assert bye.header("Reason") == reason
    assert bye.header("From") == ok.header("To")
    assert bye.header("To") == ok.header("From")
    assert bye.header("Call-ID") == caller.call_id
    assert bye.header("CSeq") == "1 BYE"
    assert bye.header("Via").startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
    wire.deliver(response_to(bye, 200))
    assert wire.events[-1] == Released(caller.call)
    assert wire.run_until(10) == []


def test_our_bye_waits_for_the_ack() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    assert wire.do(lambda agent: agent.bye(caller.call, wire.now)) == []
    (bye,) = caller.acknowledge()
    assert bye.start.startswith("BYE ")


def test_our_bye_waits_for_the_ack_32_s_at_most() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    wire.do(lambda agent: agent.bye(caller.call, wire.now, reason="SIP;cause=200"))
    (bye,) = [message for message in wire.run_until(32) if message.start.startswith("BYE")]
    assert bye.header("Reason") == "SIP;cause=200"
    assert wire.only(NotAcknowledged)


def test_hanging_up_before_the_answer_refuses_the_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    assert final(wire.do(lambda agent: agent.bye(caller.call, wire.now))).status == 480
    assert wire.events[-1] == Released(caller.call)


def test_both_sides_hang_up_at_once() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert caller.send("BYE").status == 200
    wire.deliver(response_to(bye, 481))
    assert len(wire.all(Released)) == 1
    wire.run_out()
    assert wire.agent.counts().client_transactions == 0


def test_after_our_bye_only_a_bye_is_answered_200() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert caller.send("INVITE", body=SDP).status == 481


def test_an_invite_without_offer_gets_ours_and_its_ack_the_answer() -> None:
    wire = Wire()
    caller = Caller(wire)
    ok = caller.answered(body=b"")
    assert wire.only(Invited).sdp is None
    assert ok.body == SDP
    caller.acknowledge(body=b"v=0\r\n")
    assert wire.only(Confirmed) == Confirmed(caller.call, b"v=0\r\n")


def test_an_ack_counts_once() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    caller.acknowledge()
    assert len(wire.all(Confirmed)) == 1
    assert dropped(wire) == [DropReason.STRAY_ACK]


def test_an_ack_with_the_branch_of_the_invite_counts_for_the_200() -> None:
    """Some phones send it so; RFC 3261 §17.1.1.3 wants that only for failures."""
    wire = Wire()
    caller = Caller(wire)
    wire.deliver(caller.request("INVITE", body=SDP, branch="z9hG4bK-same"))
    caller.call = wire.only(Invited).call
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = ok.to_tag
    wire.deliver(caller.request("ACK", cseq=1, branch="z9hG4bK-same"))
    assert wire.only(Confirmed)


def test_a_caller_of_rfc_2543_is_served() -> None:
    """A branch without the magic cookie, or none: requests are told apart by all they have."""
    wire = Wire()
    caller = Caller(wire)
    invite = caller.request("INVITE", body=SDP, branch="1")
    wire.deliver(invite)
    assert [message.status for message in wire.deliver(invite)] == [100]
    caller.call = wire.only(Invited).call
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = ok.to_tag
    wire.deliver(caller.request("ACK", cseq=1, branch="1"))
    assert wire.only(Confirmed)
    assert final(wire.deliver(caller.request("BYE", branch="1"))).status == 200
    assert wire.only(ByeReceived)


def test_a_refused_caller_of_rfc_2543_stops_the_refusal() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.request("INVITE", body=SDP, branch="1")
    wire.deliver(invite)
    refusal = final(wire.do(lambda agent: agent.reject(wire.only(Invited).call, 486, wire.now)))
    wire.deliver(acknowledgement(invite, refusal))
    assert wire.run_until(31) == []


def test_a_stranger_cannot_hang_up_a_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    ok = caller.connected()
    for stranger in (Caller(wire, tag="other"), Caller(wire, call_id="other")):
        stranger.to_tag = ok.to_tag
        stranger.cseq = 10
        assert stranger.send("BYE").status == 481
    assert not wire.all(ByeReceived)


@pytest.mark.parametrize(
    ("content_type", "body", "key", "duration"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5", 160),
        ("Application/DTMF-Relay", b"Signal= *\nDuration= 250", "*", 250),
        ("application/dtmf-relay", b"signal=11\r\n", "#", 250),
        ("application/dtmf", b"7", "7", 250),
        ("application/dtmf; charset=utf-8", b"Signal=d\r\nDuration=80", "D", 80),
    ],
)
def test_a_key_in_an_info_is_told(content_type: str, body: bytes, key: str, duration: int) -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert caller.send("INFO", body=body, content_type=content_type).status == 200
    event = wire.only(InfoReceived)
    assert (event.key, event.duration_ms) == (key, duration)


def test_a_key_in_an_info_never_shows() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    caller.send("INFO", body=b"Signal=5\r\nDuration=160", content_type="application/dtmf-relay")
    assert "5" not in repr(wire.only(InfoReceived)).replace(caller.call, "")


def test_an_info_repeated_is_one_key() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    info = caller.request("INFO", body=b"5", content_type="application/dtmf")
    assert [wire.deliver(info)[0].status for _ in range(3)] == [200, 200, 200]
    assert wire.only(InfoReceived)


def test_an_info_without_a_body_only_asks_whether_we_live() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert caller.send("INFO").status == 200
    assert not wire.all(InfoReceived)


def test_a_lost_connection_is_replaced_for_our_bye() -> None:
    wire = Wire(transport="tcp")
    caller = Caller(wire)
    caller.connected()
    wire.agent.connection_lost(wire.flow, wire.now)
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.flow == Flow("tcp", HERE, THERE, 0)


def test_a_lost_connection_is_replaced_for_an_answer() -> None:
    wire = Wire(transport="tcp", remote=(THERE[0], 49152))
    caller = Caller(wire)
    caller.invite()
    wire.agent.connection_lost(wire.flow, wire.now)
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    assert ok.flow == Flow("tcp", HERE, THERE, 0)


def test_a_caller_that_comes_back_on_another_connection_is_followed() -> None:
    wire = Wire(transport="tcp", remote=(THERE[0], 49152))
    caller = Caller(wire)
    caller.connected()
    again = Flow("tcp", HERE, (THERE[0], 49153), 2)
    wire.agent.connection_lost(wire.flow, wire.now)
    assert caller.send("INFO", flow=again).flow == again
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.flow == again


def test_keep_alives_are_nobodys_business() -> None:
    wire = Wire()
    assert wire.deliver(b"\r\n\r\n") == wire.deliver(b"\0\0\0\0") == wire.deliver(b"") == []
    assert wire.events == []


def test_time_does_not_move_by_itself() -> None:
    wire = Wire()
    Caller(wire).answered()
    assert wire.agent.next_deadline() == START + 0.5


def test_a_call_that_is_over_leaves_no_garbage_to_collect() -> None:
    """Else memory grows by each call until Python looks for garbage, which it does seldom."""
    wire = Wire()
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            caller = Caller(wire, call_id=str(number))
            caller.connected()
            caller.send("BYE")
            other = Caller(wire, call_id=f"{number}-rejected")
            other.invite()
            wire.do(lambda agent, call=other.call: agent.reject(call, 486, wire.now))  # type: ignore[misc]
            third = Caller(wire, call_id=f"{number}-ended-by-us")
            third.connected()
            wire.do(lambda agent, call=third.call: agent.bye(call, wire.now))  # type: ignore[misc]
        wire.run_out(300)
        wire.forget()
        del caller, other, third
        assert gc.collect() < 20
    finally:
        gc.enable()

"""Offers within a call: re-INVITE and UPDATE, taken, refused, overlapping and colliding."""

import pytest

from ivr.sip.events import Confirmed, NotAcknowledged, Offered
from tests.sip.caller import SDP, Caller, cancellation, final, response_to
from tests.wire import Wire

HOLD = SDP + b"a=sendonly\r\n"
ANSWER = SDP + b"a=recvonly\r\n"


def on_a_call() -> tuple[Wire, Caller]:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    return wire, caller


def test_a_re_invite_is_offered_and_answered() -> None:
    wire, caller = on_a_call()
    (trying,) = wire.deliver(caller.request("INVITE", body=HOLD))
    assert trying.status == 100
    assert wire.only(Offered) == Offered(caller.call, HOLD)
    (ok,) = wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    assert (ok.status, ok.body, ok.header("CSeq")) == (200, ANSWER, "2 INVITE")
    assert ok.to_tag == caller.to_tag
    assert [message.at for message in wire.run_until(3.5)] == [0.5, 1.5, 3.5]
    caller.acknowledge()
    assert wire.run_until(31) == []
    assert len(wire.all(Confirmed)) == 1


def test_a_re_invite_that_is_never_acknowledged_ends_the_call() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD))
    wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    assert wire.run_until(32)[-1].start.startswith("BYE ")
    assert wire.only(NotAcknowledged)


def test_a_refused_re_invite_leaves_the_call_as_it_was() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD, contact="<sip:other@192.0.2.50>"))
    assert (
        final(wire.do(lambda agent: agent.refuse_offer(caller.call, 488, wire.now))).status == 488
    )
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.start == "BYE sip:caller@192.0.2.99:5080 SIP/2.0"


def test_a_re_invite_without_offer_gets_ours() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE"))
    assert wire.only(Offered) == Offered(caller.call, None)
    wire.do(lambda agent: agent.answer(caller.call, SDP, wire.now))
    caller.acknowledge(body=ANSWER)
    assert wire.all(Confirmed)[-1] == Confirmed(caller.call, ANSWER)


def test_a_repeated_re_invite_is_one_offer() -> None:
    wire, caller = on_a_call()
    again = caller.request("INVITE", body=HOLD)
    wire.deliver(again)
    (ok,) = wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    (repeated,) = wire.deliver(again)
    assert repeated.data == ok.data
    assert len(wire.all(Offered)) == 1


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_during_an_offer_gets_500_with_retry_after(method: str) -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD))
    answer = caller.send(method, body=SDP)
    assert answer.status == 500
    assert 0 <= int(answer.header("Retry-After")) <= 10
    assert len(wire.all(Offered)) == 1


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_meets_our_own_gets_491(method: str) -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered(body=b"")
    assert caller.send(method, body=SDP).status == 491
    assert not wire.all(Offered)


def test_a_re_invite_stands_for_the_ack_that_was_lost() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    wire.deliver(caller.request("INVITE", body=HOLD))
    assert wire.only(Confirmed)
    assert wire.only(Offered)
    assert wire.run_until(0.5) == []


def test_a_re_invite_that_stands_for_the_ack_lets_our_bye_go() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    wire.do(lambda agent: agent.bye(caller.call, wire.now))
    sent = wire.deliver(caller.request("INVITE", body=HOLD))
    assert [message.start.split()[0] for message in sent] == ["BYE", "SIP/2.0"]
    assert sent[1].status == 481


def test_our_bye_waits_for_the_ack_of_a_re_invite() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD))
    wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    assert wire.do(lambda agent: agent.bye(caller.call, wire.now)) == []
    (bye,) = caller.acknowledge()
    assert bye.start.startswith("BYE ")


def test_hanging_up_during_an_offer_ends_it_with_487() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD))
    sent = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert [message.status for message in sent] == [487, 0]
    wire.deliver(response_to(sent[1], 200))
    assert wire.agent.counts().dialogs == 0


def test_a_cancelled_re_invite_leaves_the_call_as_it_was() -> None:
    wire, caller = on_a_call()
    again = caller.request("INVITE", body=HOLD)
    wire.deliver(again)
    assert [message.status for message in wire.deliver(cancellation(again))] == [200, 487]
    assert wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now)) == []
    assert wire.agent.counts().dialogs == 1


def test_a_late_cancel_of_the_first_invite_does_not_touch_a_re_invite() -> None:
    wire = Wire()
    caller = Caller(wire)
    first = caller.invite()
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    caller.to_tag = ok.to_tag
    caller.acknowledge()
    wire.deliver(caller.request("INVITE", body=HOLD))
    assert [message.status for message in wire.deliver(cancellation(first))] == [200]
    (answer,) = wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    assert answer.status == 200


def test_an_update_is_offered_and_answered_once() -> None:
    wire, caller = on_a_call()
    assert wire.deliver(caller.request("UPDATE", body=HOLD)) == []
    assert wire.only(Offered) == Offered(caller.call, HOLD)
    (ok,) = wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    assert (ok.status, ok.body, ok.method) == (200, ANSWER, "UPDATE")
    assert ok.header("Contact")
    assert wire.run_until(31) == []


def test_an_update_without_offer_only_moves_the_target() -> None:
    wire, caller = on_a_call()
    assert caller.send("UPDATE", contact="<sip:moved@192.0.2.77:5099>").status == 200
    assert not wire.all(Offered)
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.start == "BYE sip:moved@192.0.2.77:5099 SIP/2.0"
    assert bye.flow.remote == ("192.0.2.77", 5099)


def test_an_update_before_the_answer_waits_its_turn() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    caller.to_tag = ringing.to_tag
    answer = caller.send("UPDATE", body=HOLD)
    assert (answer.status, bool(answer.header("Retry-After"))) == (500, True)
    assert caller.send("UPDATE").status == 200


def test_an_accepted_re_invite_moves_the_target() -> None:
    wire, caller = on_a_call()
    wire.deliver(caller.request("INVITE", body=HOLD, contact="<sip:moved@192.0.2.77>"))
    wire.do(lambda agent: agent.answer(caller.call, ANSWER, wire.now))
    caller.acknowledge()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.start == "BYE sip:moved@192.0.2.77 SIP/2.0"

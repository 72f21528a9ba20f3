"""When each message is sent, by the clock of RFC 3261: whole schedules, with the real values."""

from ivr.sip.events import Confirmed, NotAcknowledged, Referred, Released
from tests.sip.caller import Caller, acknowledgement, final, response_to
from tests.wire import Sent, Wire

EVERY_FOUR = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def times(messages: list[Sent], status: int) -> list[float]:
    return [message.at for message in messages if message.status == status]


def test_a_200_is_sent_again_until_32_s_then_the_call_ends_with_bye() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    wire.run_until(31.9)
    assert times(wire.sent, 200) == EVERY_FOUR
    assert not wire.all(NotAcknowledged)
    (bye,) = wire.run_until(32)
    assert bye.start.startswith("BYE ")
    assert wire.only(NotAcknowledged).call == caller.call
    assert not wire.all(Released)
    wire.deliver(response_to(bye, 200))
    assert wire.events[-1] == Released(caller.call)


def test_a_200_is_sent_again_over_tcp_too() -> None:
    wire = Wire(transport="tcp")
    Caller(wire).answered()
    wire.run_until(31.9)
    assert times(wire.sent, 200) == EVERY_FOUR


def test_the_ack_stops_the_200() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.answered()
    wire.run_until(1.6)
    caller.acknowledge()
    wire.run_until(31)
    assert times(wire.sent, 200) == [0, 0.5, 1.5]
    assert wire.only(Confirmed) == Confirmed(caller.call, None)


def test_a_refusal_is_sent_again_until_32_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    wire.do(lambda agent: agent.reject(caller.call, 486, wire.now))
    wire.run_out()
    assert times(wire.sent, 486) == EVERY_FOUR
    assert wire.agent.counts().server_transactions == 0


def test_the_ack_stops_a_refusal_and_is_absorbed_for_5_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    invite = caller.invite()
    wire.do(lambda agent: agent.reject(caller.call, 486, wire.now))
    wire.run_until(2)
    ack = acknowledgement(invite, wire.sent[-1])
    assert wire.deliver(ack) == []
    wire.run_until(6.9)
    assert wire.deliver(ack) == []
    assert wire.deliver(invite) == []
    assert times(wire.sent, 486) == [0, 0.5, 1.5]
    assert wire.agent.counts().server_transactions == 1
    wire.run_until(7)
    assert wire.agent.counts().server_transactions == 0


def test_a_refusal_over_tcp_is_sent_once() -> None:
    wire = Wire(transport="tcp")
    caller = Caller(wire)
    invite = caller.invite()
    refusal = final(wire.do(lambda agent: agent.reject(caller.call, 486, wire.now)))
    wire.run_until(31)
    assert times(wire.sent, 486) == [0]
    wire.deliver(acknowledgement(invite, refusal))
    assert wire.agent.counts().server_transactions == 0


def test_our_bye_is_sent_again_until_32_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.run_until(31.9)
    byes = [message for message in wire.sent if message.start.startswith("BYE")]
    assert [bye.at for bye in byes] == EVERY_FOUR
    assert len({bye.data for bye in byes}) == 1
    assert not wire.all(Released)
    wire.run_until(32)
    assert wire.only(Released).call == caller.call
    assert wire.agent.counts().client_transactions == 0


def test_a_provisional_answer_slows_our_bye_to_every_4_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.deliver(response_to(bye, 100))
    wire.run_until(31.9)
    byes = [message.at for message in wire.sent if message.start.startswith("BYE")]
    assert byes == [0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]


def test_our_bye_over_tcp_is_sent_once() -> None:
    wire = Wire(transport="tcp")
    caller = Caller(wire)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    assert bye.header("Via").startswith("SIP/2.0/TCP ")
    assert [message.start[:3] for message in wire.run_until(31)] == []
    wire.run_out()
    assert wire.all(Released)


def test_an_answered_bye_absorbs_more_answers_for_5_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.deliver(response_to(bye, 200))
    assert (wire.agent.counts().client_transactions, wire.agent.counts().requests) == (1, 0)
    wire.deliver(response_to(bye, 200))
    wire.run_until(5)
    assert wire.agent.counts().client_transactions == 0
    assert len(wire.all(Released)) == 1


def test_a_refer_that_nobody_answers_has_failed_with_408() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.do(lambda agent: agent.refer(caller.call, "sip:advisor@192.0.2.20", wire.now))
    wire.run_until(32)
    refers = [message.at for message in wire.sent if message.start.startswith("REFER")]
    assert refers == EVERY_FOUR
    assert wire.only(Referred) == Referred(caller.call, 408, refused=True)


def test_the_answer_to_a_bye_is_kept_for_32_s() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    bye = caller.request("BYE")
    (first,) = wire.deliver(bye)
    wire.run_until(31.9)
    (again,) = wire.deliver(bye)
    assert (first.status, again.data) == (200, first.data)
    wire.run_until(32.5)  # those of one half second are forgotten together
    (late,) = wire.deliver(bye)
    assert late.status == 481


def test_nothing_is_left_after_a_call() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    caller.send("BYE")
    wire.run_out()
    counts = wire.agent.counts()
    assert (counts.dialogs, counts.server_transactions, counts.client_transactions) == (0, 0, 0)
    assert wire.agent.next_deadline() is None

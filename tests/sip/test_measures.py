"""The measures of RFC 6076: each session request counts once, by what became of it and how soon."""

from dataclasses import dataclass

import pytest

from ivr.sip.admission import Admitted, Rejected
from ivr.sip.events import DropReason
from ivr.sip.exchange import Refusal
from ivr.sip.flow import Flow
from ivr.sip.message import Request
from tests.sip.caller import Caller, acknowledgement, cancellation, final, response_to
from tests.sip.test_registration import challenge, granted, registering
from tests.wire import Wire


@dataclass
class House:
    """Admits the trunk "operator"; `room` is what it says to one more call."""

    room: Refusal | None = None

    def recognise(self, request: Request, flow: Flow, now: float) -> Admitted | Rejected:
        if request.headers.get("subject") == "stranger":
            return Rejected(DropReason.STRANGER, Refusal(403))
        return Admitted("operator")

    def is_known(self, flow: Flow) -> bool:
        return True

    def take_call(self, trunk: str, now: float) -> Refusal | None:
        return self.room

    def health(self, trunk: str, now: float) -> Refusal | None:
        return None


def test_a_call_that_is_answered_and_one_that_is_cancelled() -> None:
    wire = Wire(admission=House())
    Caller(wire).connected()
    impatient = Caller(wire, call_id="call-2")
    invite = impatient.invite()
    wire.deliver(cancellation(invite))
    assert wire.agent.measures.answers == {("operator", 200): 1, ("operator", 487): 1}


def test_a_copy_of_an_invite_and_a_new_offer_in_a_call_count_nothing() -> None:
    wire = Wire(admission=House())
    caller = Caller(wire)
    invite = caller.invite()
    wire.deliver(invite)
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, b"", wire.now))
    caller.to_tag = ok.to_tag
    wire.deliver(invite)
    caller.acknowledge()
    wire.deliver(caller.request("INVITE", body=b"v=0\r\n"))
    wire.do(lambda agent: agent.refuse_offer(caller.call, 488, wire.now))
    assert wire.agent.measures.answers == {("operator", 200): 1}


@pytest.mark.parametrize(
    ("headers", "room", "counted"),
    [
        ("Subject: stranger", None, ("", 403)),
        ("", Refusal(503), ("operator", 503)),
        ("Require: teleportation", None, ("operator", 420)),
    ],
)
def test_a_call_that_is_refused_before_it_begins(
    headers: str, room: Refusal | None, counted: tuple[str, int]
) -> None:
    wire = Wire(admission=House(room))
    invite = Caller(wire).request("INVITE", headers=headers)
    refusal = final(wire.deliver(invite))
    wire.deliver(acknowledgement(invite, refusal))
    assert wire.agent.measures.answers == {counted: 1}


def test_an_invite_of_a_call_that_nobody_remembers_is_no_session_request() -> None:
    wire = Wire(admission=House())
    refusal = final(wire.deliver(Caller(wire).request("INVITE", to_tag="gone")))
    assert refusal.status == 481
    assert not wire.agent.measures.answers


def test_the_request_delay_ends_with_the_first_thing_that_the_caller_is_told() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.invite()
    wire.now += 0.15
    wire.do(lambda agent: agent.ring(caller.call, wire.now))
    wire.now += 5
    wire.do(lambda agent: agent.accept(caller.call, b"", wire.now))
    delays = wire.agent.measures.response
    assert sum(delays.counts) == 1
    assert delays.total == pytest.approx(0.15)


def test_the_disconnect_delay_is_that_of_our_bye() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.now += 0.3
    wire.deliver(response_to(bye, 200))
    measures = wire.agent.measures
    assert measures.disconnect.total == pytest.approx(0.3)
    assert measures.undisconnected == 0


def test_a_bye_that_nobody_answers_has_no_delay() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    wire.do(lambda agent: agent.bye(caller.call, wire.now))
    wire.run_out()
    measures = wire.agent.measures
    assert sum(measures.disconnect.counts) == 0
    assert measures.undisconnected == 1


def test_a_registration_counts_once_it_is_settled_a_challenge_does_not() -> None:
    wire = Wire()
    register = registering(wire)
    (again,) = wire.deliver(response_to(register, 401, headers=challenge()))
    wire.now += 0.02
    wire.deliver(granted(again, 3600))
    measures = wire.agent.measures
    assert measures.registrations == {("pbx", True): 1}
    assert measures.registration.total == pytest.approx(0.02)


def test_a_registration_that_is_refused_is_ineffective() -> None:
    wire = Wire()
    wire.deliver(response_to(registering(wire), 403))
    assert wire.agent.measures.registrations == {("pbx", False): 1}
    assert sum(wire.agent.measures.registration.counts) == 0

"""Who gets in and whether there is room, asked by a real user agent over a wire without sockets."""

from typing import Any

import pytest

from ivr.config import SipSection
from ivr.doorkeeper import Doorkeeper, Room
from ivr.records import EndReason
from ivr.sip.events import Dropped, DropReason, Invited, Released, TurnedAway
from ivr.sip.flow import Flow
from ivr.trunks import PasswordFault
from tests.sip.caller import SDP, Caller, acknowledgement, cancellation, final
from tests.wire import HERE, Wire

NETWORK = "192.0.2.0/24"  # where the wire's peer is


def guarded(**sip: Any) -> tuple[Wire, Doorkeeper]:
    """A wire to a user agent with this section `sip`; by default its peer is of a trunk."""
    door = Doorkeeper(SipSection.model_validate({"trunks": [NETWORK], **sip}))
    return Wire(admission=door), door


def stranger(**sip: Any) -> Wire:
    return guarded(trunks=["198.51.100.0/24"], **sip)[0]


def ring(wire: Wire, number: int, flow: Flow | None = None) -> int:
    """A new call; the status of the final answer, 0 when the server takes it."""
    caller = Caller(wire, call_id=f"call-{number}")
    sent = wire.deliver(caller.request("INVITE", body=SDP), flow)
    return next((message.status for message in sent if message.status >= 200), 0)


def release(wire: Wire, door: Doorkeeper) -> None:
    """What the server does when calls are over."""
    for event in wire.all(Released):
        door.leave(next(each.trunk for each in wire.all(Invited) if each.call == event.call))


# Strangers.


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "DANCE", "BYE"])
def test_a_stranger_gets_one_403_for_each_request_and_leaves_nothing(method: str) -> None:
    wire = stranger()
    message = Caller(wire).request(method)
    (first,), (second,) = wire.deliver(message), wire.deliver(message)
    assert first.status == 403
    assert first.data == second.data
    assert first.to_tag
    assert wire.run_out() == []
    assert {event.reason for event in wire.all(Dropped)} == {DropReason.STRANGER}
    assert len(wire.events) == 2
    counts = wire.agent.counts()
    assert (counts.dialogs, counts.server_transactions) == (0, 0)


def test_a_stranger_learns_nothing_of_what_we_are() -> None:
    (answer,) = stranger().deliver(Caller(stranger()).request("OPTIONS"))
    names = {line.partition(":")[0] for line in answer.lines[1:]}
    assert names == {"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}


def test_the_ack_of_a_refused_stranger_is_absorbed() -> None:
    wire = stranger()
    invite = Caller(wire).request("INVITE", body=SDP)
    refusal = final(wire.deliver(invite))
    wire.events.clear()
    assert wire.deliver(acknowledgement(invite, refusal)) == []
    assert wire.events == []


def test_a_stranger_gets_no_answer_when_the_operator_says_so() -> None:
    wire = stranger(strangers="drop")
    assert wire.deliver(Caller(wire).request("INVITE", body=SDP)) == []
    assert wire.only(Dropped).reason is DropReason.STRANGER


def test_a_stranger_s_broken_request_gets_no_answer() -> None:
    wire = stranger()
    broken = Caller(wire).request("INVITE").replace(b"Max-Forwards: 70", b"Max-Forwards 70")
    assert wire.deliver(broken) == []
    assert wire.only(Dropped).reason is DropReason.MALFORMED


def test_a_stranger_s_cancel_gets_403_too() -> None:
    wire = stranger()
    assert final(wire.deliver(cancellation(Caller(wire).request("INVITE")))).status == 403


def test_the_answer_to_a_stranger_never_amplifies() -> None:
    """Finding: 400 refused INVITEs with a From of 58 KB held 32 MB."""
    wire = stranger()
    long = Caller(wire, tag="x" * 58_000).request("INVITE", body=SDP)
    small = Caller(wire).request("OPTIONS")
    assert wire.deliver(long) == []
    (answer,) = wire.deliver(small)
    assert len(answer.data) <= len(small) + 100


def test_what_belongs_to_a_call_goes_on_from_any_address() -> None:
    """A border controller may move a call to another of its addresses."""
    wire, _ = guarded()
    caller = Caller(wire)
    caller.connected()
    elsewhere = Flow("udp", HERE, ("203.0.113.77", 5060))
    assert caller.send("INFO", flow=elsewhere).status == 200
    assert caller.send("BYE", flow=elsewhere).status == 200


def test_a_guessed_tag_does_not_make_a_stranger_known() -> None:
    wire = stranger()
    answer = final(wire.deliver(Caller(wire).request("BYE", to_tag="guessed")))
    assert answer.status == 403


# Room.


def test_a_call_knows_its_trunk() -> None:
    wire, _ = guarded(trunks=[{"name": "operator", "networks": [NETWORK]}])
    Caller(wire).invite()
    assert wire.only(Invited).trunk == "operator"


def test_beyond_max_calls_503_at_once_with_nothing_kept() -> None:
    wire, door = guarded(max_calls=2)
    assert [ring(wire, number) for number in range(3)] == [0, 0, 503]
    assert door.refused == {EndReason.TOO_MANY_CALLS: 1}
    assert wire.agent.counts().server_transactions == 2
    turned = wire.only(TurnedAway)
    assert (turned.why, turned.line, turned.call_id) == (
        "too_many_calls",
        "0810257510",
        "call-2",
    )


def test_the_503_says_when_to_try_again() -> None:
    wire, _ = guarded(max_calls=1)
    ring(wire, 1)
    answer = final(wire.deliver(Caller(wire, call_id="second").request("INVITE", body=SDP)))
    assert int(answer.header("Retry-After")) > 0


def test_a_call_that_ends_makes_room() -> None:
    wire, door = guarded(max_calls=1)
    caller = Caller(wire)
    caller.connected()
    assert ring(wire, 2) == 503
    caller.send("BYE")
    release(wire, door)
    assert ring(wire, 3) == 0


def test_a_trunk_has_limits_of_its_own() -> None:
    other = Flow("udp", HERE, ("198.51.100.5", 5060))
    wire, door = guarded(
        trunks=[
            {"name": "small", "networks": [NETWORK], "max_calls": 1},
            {"name": "large", "networks": ["198.51.100.0/24"]},
        ]
    )
    assert (ring(wire, 1), ring(wire, 2)) == (0, 503)
    assert (ring(wire, 3, other), ring(wire, 4, other)) == (0, 0)
    assert {trunk.name: door.calls(trunk) for trunk in door.trunks} == {"small": 1, "large": 2}


def test_one_trunk_too_fast_leaves_the_others_theirs() -> None:
    other = Flow("udp", HERE, ("198.51.100.5", 5060))
    wire, _ = guarded(
        max_cps=3,
        trunks=[
            {"name": "small", "networks": [NETWORK], "max_cps": 1},
            {"name": "large", "networks": ["198.51.100.0/24"]},
        ],
    )
    assert [ring(wire, number) for number in range(5)] == [0, 503, 503, 503, 503]
    assert (ring(wire, 6, other), ring(wire, 7, other), ring(wire, 8, other)) == (0, 0, 503)


def test_while_the_sound_is_late_no_call_comes_in_and_none_is_touched() -> None:
    wire, door = guarded()
    caller = Caller(wire)
    caller.connected()
    door.sound.is_late = True
    assert ring(wire, 2) == 503
    assert wire.only(TurnedAway).why == "sound_late"
    assert caller.send("INFO").status == 200
    door.sound.is_late = False
    assert ring(wire, 3) == 0


def test_a_call_that_would_make_the_others_stutter_finds_no_room() -> None:
    wire, door = guarded()
    door.sound.most_calls = 1.9
    assert [ring(wire, number) for number in range(3)] == [0, 0, 503]
    assert wire.only(TurnedAway).why == "too_many_calls"


def test_while_draining_no_call_comes_in_and_none_is_touched() -> None:
    wire, door = guarded()
    caller = Caller(wire)
    caller.connected()
    door.leaving = True
    assert ring(wire, 2) == 503
    assert wire.only(TurnedAway).why == "draining"
    assert caller.send("INFO").status == 200


# Health.


def health(wire: Wire) -> int:
    return final(wire.deliver(Caller(wire).request("OPTIONS"))).status


def test_options_says_whether_a_call_would_be_taken() -> None:
    wire, door = guarded(max_calls=1)
    assert health(wire) == 200
    ring(wire, 1)
    assert health(wire) == 503
    door.leave(NETWORK)
    assert health(wire) == 200
    door.leaving = True
    assert health(wire) == 503


def test_options_tells_a_trunk_of_its_own_limit() -> None:
    wire, _ = guarded(trunks=[{"name": "small", "networks": [NETWORK], "max_calls": 1}])
    ring(wire, 1)
    assert health(wire) == 503


# Room by itself.


def test_room_lets_in_max_cps_a_second_and_no_more() -> None:
    room = Room(None, max_cps=10)
    let_in = 0
    for step in range(300):
        if room.refusal(100.0 + step / 100) is None:
            room.enter()
            let_in += 1
    assert 30 <= let_in <= 41  # three seconds at 10 a second, after a full allowance of 10
    assert room.refusal(110.0) is None


def test_room_without_limits_takes_any_number() -> None:
    room = Room(None, None)
    for _ in range(10_000):
        assert room.refusal(1.0) is None
        room.enter()


# A reload.


def test_new_limits_are_for_new_calls_and_those_inside_count() -> None:
    wire, door = guarded(max_calls=3)
    assert [ring(wire, number) for number in range(3)] == [0, 0, 0]
    door.adopt(SipSection.model_validate({"trunks": [NETWORK], "max_calls": 2}))
    assert ring(wire, 3) == 503
    door.adopt(SipSection.model_validate({"trunks": [NETWORK], "max_calls": 4}))
    assert [ring(wire, number) for number in (4, 5)] == [0, 503]


def test_a_call_of_a_trunk_that_is_gone_goes_on_and_leaves_by_its_room() -> None:
    wire, door = guarded()
    inside = Caller(wire, call_id="inside")
    inside.connected()
    door.adopt(SipSection.model_validate({"trunks": ["198.51.100.0/24"]}))
    assert ring(wire, 1) == 403
    assert final(wire.deliver(inside.request("BYE"))).status == 200
    wire.run_out()
    release(wire, door)
    door.adopt(SipSection.model_validate({"trunks": [NETWORK], "max_calls": 1}))
    assert [ring(wire, number) for number in (2, 3)] == [0, 503]


def test_a_password_that_can_t_be_had_changes_nothing() -> None:
    wire, door = guarded()
    users = [{"user": "a", "password_env": "NOWHERE_AT_ALL"}]
    with pytest.raises(PasswordFault):
        door.adopt(
            SipSection.model_validate({"trunks": [{"name": "a", "digest": {"users": users}}]})
        )
    assert ring(wire, 1) == 0

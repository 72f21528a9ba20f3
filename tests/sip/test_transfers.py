"""Transfers: our REFER, its answers, and the NOTIFYs that tell how it goes (RFC 3515)."""

import pytest

from ivr.sip.events import ReferProgress, Referred
from tests.sip.caller import Caller, response_to
from tests.wire import Sent, Wire

ADVISOR = "sip:advisors@192.0.2.20"


def referring() -> tuple[Wire, Caller, Sent]:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    headers = [("X-Caf", "751")]
    (refer,) = wire.do(lambda agent: agent.refer(caller.call, ADVISOR, wire.now, headers=headers))
    return wire, caller, refer


def notify(caller: Caller, fragment: str, *, event: str = "refer", state: str = "active") -> Sent:
    return caller.send(
        "NOTIFY",
        body=fragment.encode(),
        content_type="message/sipfrag;version=2.0",
        headers=f"Event: {event}\r\nSubscription-State: {state}",
    )


def test_the_refer_names_the_target_and_carries_our_headers() -> None:
    _, _, refer = referring()
    assert refer.start.startswith("REFER sip:caller@192.0.2.99:5080 ")
    assert refer.header("Refer-To") == f"<{ADVISOR}>"
    assert refer.header("X-Caf") == "751"
    assert refer.header("Referred-By") == "<sip:0810257510@192.0.2.1>"
    assert refer.header("Contact")
    assert refer.header("CSeq") == "1 REFER"


def test_the_last_notify_tells_the_outcome() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    assert notify(caller, "SIP/2.0 100 Trying\r\n").status == 200
    assert notify(caller, "SIP/2.0 180 Ringing\r\n").status == 200
    assert not wire.all(Referred)
    assert [told.status for told in wire.all(ReferProgress)] == [100, 180]
    assert notify(caller, "SIP/2.0 200 OK\r\n", state="terminated;reason=noresource").status == 200
    assert wire.only(Referred) == Referred(caller.call, 200)
    assert notify(caller, "SIP/2.0 200 OK\r\n", state="terminated").status == 200
    assert len(wire.all(Referred)) == 1


def test_a_notify_may_overtake_the_202() -> None:
    wire, caller, refer = referring()
    notify(caller, "SIP/2.0 503 Service Unavailable", event="Refer;id=1")
    wire.deliver(response_to(refer, 202))
    assert wire.only(Referred) == Referred(caller.call, 503)


@pytest.mark.parametrize("status", [403, 405, 501, 603])
def test_a_refused_refer_has_failed(status: int) -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, status))
    assert wire.only(Referred) == Referred(caller.call, status, refused=True)


def test_a_subscription_that_ends_without_an_outcome_has_failed() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    notify(caller, "SIP/2.0 180 Ringing", state="Terminated;reason=timeout")
    assert wire.only(Referred) == Referred(caller.call, 408)


def test_a_refer_that_nobody_answers_has_failed_after_32_s() -> None:
    wire, caller, _ = referring()
    wire.run_until(31.9)
    assert not wire.all(Referred)
    wire.run_until(32)
    assert wire.only(Referred) == Referred(caller.call, 408, refused=True)


def test_a_transfer_of_which_nothing_is_told_has_failed_after_32_s() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    wire.run_until(31.9)
    assert not wire.all(Referred)
    wire.run_until(32)
    assert wire.only(Referred) == Referred(caller.call, 408)
    assert notify(caller, "SIP/2.0 200 OK").status == 481  # the subscription is no more


def test_each_notify_gives_a_transfer_60_s_more_up_to_three_minutes() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    for at in (30, 80, 130, 179):
        wire.run_until(at)
        notify(caller, "SIP/2.0 180 Ringing")
    wire.run_until(179.9)
    assert not wire.all(Referred)
    wire.run_until(180)
    assert wire.only(Referred) == Referred(caller.call, 408)


def test_a_notify_that_stays_away_ends_the_wait() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    wire.run_until(10)
    notify(caller, "SIP/2.0 100 Trying")
    wire.run_until(69.9)
    assert not wire.all(Referred)
    wire.run_until(70)
    assert wire.only(Referred) == Referred(caller.call, 408)


def test_a_peer_that_will_tell_nothing_is_believed() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 200, headers="Refer-Sub: false"))
    assert wire.only(Referred) == Referred(caller.call, 200)


def test_a_second_transfer_follows_one_that_failed() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 603))
    (again,) = wire.do(lambda agent: agent.refer(caller.call, ADVISOR, wire.now))
    wire.deliver(response_to(again, 202))
    notify(caller, "SIP/2.0 200 OK", event="refer;id=1")  # of the first
    assert len(wire.all(Referred)) == 1
    notify(caller, "SIP/2.0 486 Busy Here", event="refer;id=2")
    assert wire.all(Referred)[-1] == Referred(caller.call, 486)


def test_the_notify_of_another_refer_is_not_ours() -> None:
    wire, caller, _ = referring()
    assert notify(caller, "SIP/2.0 200 OK", event="refer;id=93").status == 200
    assert not wire.all(Referred)


@pytest.mark.parametrize("fragment", ["", "garbage", "SIP/2.0", "SIP/2.0 9999 x", "SIP/2.0 x y"])
def test_a_fragment_that_says_nothing_changes_nothing(fragment: str) -> None:
    wire, caller, _ = referring()
    assert notify(caller, fragment).status == 200
    assert not wire.all(Referred)


def test_a_notify_that_we_did_not_ask_for_gets_481() -> None:
    wire = Wire()
    caller = Caller(wire)
    caller.connected()
    assert notify(caller, "SIP/2.0 200 OK").status == 481


def test_a_notify_of_another_package_gets_489() -> None:
    _, caller, _ = referring()
    answer = notify(caller, "x", event="presence")
    assert (answer.status, answer.header("Allow-Events")) == (489, "refer")


def test_a_call_that_ends_first_tells_no_outcome() -> None:
    wire, caller, refer = referring()
    caller.send("BYE")
    wire.deliver(response_to(refer, 481))
    wire.run_out()
    assert not wire.all(Referred)

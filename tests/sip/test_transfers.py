"""Transfers: our REFER, its answers, and the NOTIFYs that tell how it goes (RFC 3515)."""

import pytest

from ivr.sip.events import Referred
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
    assert refer.header("Contact")
    assert refer.header("CSeq") == "1 REFER"


def test_the_last_notify_tells_the_outcome() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    assert notify(caller, "SIP/2.0 100 Trying\r\n").status == 200
    assert not wire.all(Referred)
    assert notify(caller, "SIP/2.0 200 OK\r\n", state="terminated;reason=noresource").status == 200
    assert wire.only(Referred) == Referred(caller.call, 200)
    assert notify(caller, "SIP/2.0 200 OK\r\n", state="terminated").status == 200
    assert len(wire.all(Referred)) == 1


def test_a_notify_may_overtake_the_202() -> None:
    wire, caller, refer = referring()
    notify(caller, "SIP/2.0 503 Service Unavailable", event="Refer;id=1")
    wire.deliver(response_to(refer, 202))
    assert wire.only(Referred) == Referred(caller.call, 503)


@pytest.mark.parametrize("status", [403, 501, 603])
def test_a_refused_refer_has_failed(status: int) -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, status))
    assert wire.only(Referred) == Referred(caller.call, status)


def test_a_subscription_that_ends_without_an_outcome_has_failed() -> None:
    wire, caller, refer = referring()
    wire.deliver(response_to(refer, 202))
    notify(caller, "SIP/2.0 180 Ringing", state="Terminated;reason=timeout")
    assert wire.only(Referred) == Referred(caller.call, 408)


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

"""Session timers (RFC 4028): who refreshes, when, how, and when a call is over for want of it."""

import pytest

from ivr.sip.events import OfferAnswered, Released, SessionExpired
from ivr.sip.session_terms import SessionPolicy
from ivr.sip.timers import Timers
from tests.sip.caller import SDP, Caller, response_to
from tests.wire import Sent, Wire

ALLOW = "Allow: INVITE, ACK, BYE, UPDATE"
OURS = SessionPolicy(interval=1800, min_se=90)
OTHER_SDP = SDP + b"a=x\r\n"


def connected(headers: str = "", *, sessions: SessionPolicy = OURS) -> tuple[Wire, Caller, Sent]:
    wire = Wire(sessions=sessions)
    caller = Caller(wire)
    ok = caller.connected(headers=headers)
    return wire, caller, ok


def refreshing(*, update: bool = True) -> tuple[Wire, Caller, Sent]:
    """A call of 300 s that we refresh; the refresh, sent at its half."""
    headers = "Supported: timer\r\nSession-Expires: 300;refresher=uas"
    wire, caller, _ = connected(f"{headers}\r\n{ALLOW}" if update else headers)
    assert wire.run_until(149.9) == []
    (refresh,) = wire.run_until(150)
    return wire, caller, refresh


# What is agreed.


@pytest.mark.parametrize(
    ("asked", "said", "required"),
    [
        # The caller's side is asked to refresh when it can and names nobody.
        ("Supported: timer", "1800;refresher=uac", True),
        ("Supported: timer\r\nSession-Expires: 600", "600;refresher=uac", True),
        ("k: timer\r\nx: 600;refresher=UAS", "600;refresher=uas", True),
        ("Require: Timer\r\nSession-Expires: 600;refresher=uac", "600;refresher=uac", True),
        # It may only become shorter, down to what its own Min-SE allows.
        ("Supported: timer\r\nSession-Expires: 7200", "1800;refresher=uac", True),
        ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600", "3600;refresher=uac", True),
        ("Supported: timer\r\nMin-SE: 3600", "3600;refresher=uac", True),
        # Who does not know session timers is refreshed by us, and nothing is required of it.
        ("Supported: x", "1800;refresher=uas", False),
        ("Session-Expires: 600;refresher=uac", "600;refresher=uas", False),
    ],
)
def test_the_200_tells_what_was_agreed(asked: str, said: str, required: bool) -> None:
    _, _, ok = connected(asked)
    assert ok.header("Session-Expires") == said
    assert ok.headers("Require") == (["timer"] if required else [])
    assert "timer" in ok.header("Supported")


def test_without_a_wish_of_ours_only_the_callers_counts() -> None:
    none = SessionPolicy(interval=0)
    assert connected("Supported: timer", sessions=none)[2].headers("Session-Expires") == []
    _, _, ok = connected("Supported: timer\r\nSession-Expires: 7200", sessions=none)
    assert ok.header("Session-Expires") == "7200;refresher=uac"


def test_too_short_an_interval_gets_422_with_ours() -> None:
    wire = Wire(sessions=SessionPolicy(interval=1800, min_se=120))
    caller = Caller(wire)
    answer = caller.send("INVITE", body=SDP, headers="Supported: timer\r\nSession-Expires: 119")
    assert (answer.status, answer.header("Min-SE")) == (422, "120")
    assert answer.start == "SIP/2.0 422 Session Interval Too Small"


def test_a_proxys_short_interval_is_not_refused_to_who_would_not_understand() -> None:
    _, _, ok = connected("Session-Expires: 30")
    assert ok.headers("Session-Expires") == []


@pytest.mark.parametrize("line", ["Session-Expires: soon", "Session-Expires: 90;refresher=me"])
def test_what_cannot_be_read_gets_400(line: str) -> None:
    caller = Caller(Wire(sessions=OURS))
    assert caller.send("INVITE", body=SDP, headers=f"Supported: timer\r\n{line}").status == 400


# The other side refreshes.


@pytest.mark.parametrize(("interval", "over"), [(90, 60), (300, 268), (1800, 1768)])
def test_a_call_that_nobody_refreshes_ends_before_its_time(interval: int, over: int) -> None:
    wire, caller, _ = connected(f"Supported: timer\r\nSession-Expires: {interval};refresher=uac")
    assert wire.run_until(over - 0.1) == []
    (bye,) = wire.run_until(over)
    assert bye.start.startswith("BYE ")
    assert bye.header("Reason").startswith("SIP;cause=408")
    assert wire.only(SessionExpired).call == caller.call
    wire.deliver(response_to(bye, 481))
    assert wire.only(Released)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_each_refresh_gives_the_call_its_time_anew(method: str) -> None:
    headers = "Supported: timer\r\nSession-Expires: 90;refresher=uac"
    wire, caller, _ = connected(headers)
    for turn in range(1, 4):
        wire.run_until(45 * turn)
        if method == "INVITE":
            wire.deliver(caller.request("INVITE", body=SDP, headers=headers))
            (ok,) = wire.do(lambda agent: agent.answer(caller.call, SDP, wire.now))
            caller.acknowledge()
        else:
            ok = caller.send("UPDATE", headers=headers)
        assert ok.header("Session-Expires") == "90;refresher=uac"
    assert wire.run_until(135 + 59.9) == []
    assert wire.run_until(135 + 60)[0].start.startswith("BYE ")


def test_a_refused_re_invite_is_no_refresh() -> None:
    headers = "Supported: timer\r\nSession-Expires: 90;refresher=uac"
    wire, caller, _ = connected(headers)
    wire.run_until(45)
    wire.deliver(caller.request("INVITE", body=SDP, headers=headers))
    wire.do(lambda agent: agent.refuse_offer(caller.call, 488, wire.now))
    byes = [sent for sent in wire.run_until(60) if sent.start.startswith("BYE ")]
    assert [bye.at for bye in byes] == [60]


def test_too_short_a_refresh_gets_422_and_changes_nothing() -> None:
    wire, caller, _ = connected("Supported: timer\r\nSession-Expires: 90;refresher=uac")
    wire.run_until(45)
    answer = caller.send("UPDATE", headers="Supported: timer\r\nSession-Expires: 60")
    assert (answer.status, answer.header("Min-SE")) == (422, "90")
    assert wire.run_until(60)[0].start.startswith("BYE ")


def test_a_call_that_has_ended_expires_no_more() -> None:
    wire, caller, _ = connected("Supported: timer\r\nSession-Expires: 90;refresher=uac")
    caller.send("BYE")
    wire.run_until(100)
    assert not wire.all(SessionExpired)
    assert wire.agent.next_deadline() is None


# We refresh.


def test_we_refresh_at_half_time_by_update_without_offer() -> None:
    wire, _, refresh = refreshing()
    assert refresh.start == "UPDATE sip:caller@192.0.2.99:5080 SIP/2.0"
    assert refresh.header("Session-Expires") == "300;refresher=uac"
    assert "timer" in refresh.header("Supported")
    assert refresh.body == b""
    wire.deliver(response_to(refresh, 200, headers="Session-Expires: 300;refresher=uac"))
    assert wire.run_until(299.9) == []
    (again,) = wire.run_until(300)
    assert again.start.startswith("UPDATE ")
    assert again.header("CSeq") == "2 UPDATE"


def test_we_refresh_by_re_invite_where_update_is_not_allowed() -> None:
    wire, caller, refresh = refreshing(update=False)
    assert refresh.start == "INVITE sip:caller@192.0.2.99:5080 SIP/2.0"
    assert refresh.body == SDP  # as our 200 described us
    assert refresh.header("Content-Type") == "application/sdp"
    ok = response_to(
        refresh,
        200,
        headers="Session-Expires: 300;refresher=uac\r\nContact: <sip:moved@192.0.2.99:5090>",
        body=OTHER_SDP,
    )
    (ack,) = wire.deliver(ok)
    assert ack.start == "ACK sip:moved@192.0.2.99:5090 SIP/2.0"
    assert ack.header("CSeq") == "1 ACK"
    assert ack.header("Via") != refresh.header("Via")
    assert wire.only(OfferAnswered) == OfferAnswered(caller.call, OTHER_SDP)
    (repeated,) = wire.deliver(ok)  # its ACK was lost
    assert repeated.data == ack.data
    assert len(wire.all(OfferAnswered)) == 1
    assert wire.run_until(300)[-1].start.startswith("INVITE ")


def test_a_peer_without_session_timers_is_refreshed_all_the_same() -> None:
    wire, _, _ = connected(ALLOW)
    for turn in range(1, 4):
        (refresh,) = wire.run_until(900 * turn)
        assert refresh.start.startswith("UPDATE ")
        wire.deliver(response_to(refresh, 200))


def test_the_peer_may_take_over_the_refreshing() -> None:
    wire, _, refresh = refreshing()
    wire.deliver(response_to(refresh, 200, headers="Session-Expires: 300;refresher=uas"))
    sent = wire.run_until(150 + 268)
    assert [(message.at, message.start.split()[0]) for message in sent] == [(418, "BYE")]


@pytest.mark.parametrize("status", [408, 481])
def test_a_peer_that_knows_the_call_no_more_ends_it(status: int) -> None:
    wire, caller, refresh = refreshing()
    (bye,) = wire.deliver(response_to(refresh, status))
    assert bye.start.startswith("BYE ")
    assert wire.only(SessionExpired).call == caller.call


def test_a_refresh_that_nobody_answers_ends_the_call_after_32_s() -> None:
    wire, _, refresh = refreshing()
    sent = wire.run_until(182)
    assert {message.data for message in sent[:-1]} == {refresh.data}
    assert sent[-1].start.startswith("BYE ")
    assert sent[-1].at == 182


def test_a_422_is_answered_with_the_longer_time() -> None:
    wire, _, refresh = refreshing()
    (again,) = wire.deliver(response_to(refresh, 422, headers="Min-SE: 600"))
    assert again.header("Session-Expires") == "600;refresher=uac"
    assert again.header("Min-SE") == "600"
    wire.deliver(response_to(again, 200, headers="Session-Expires: 600;refresher=uac"))
    assert [message.at for message in wire.run_until(450)] == [450]


def test_a_422_that_asks_for_nothing_longer_is_not_answered_for_ever() -> None:
    wire, _, refresh = refreshing()
    assert wire.deliver(response_to(refresh, 422, headers="Min-SE: 300")) == []
    assert wire.run_until(180) == []


def test_update_refused_as_a_method_becomes_re_invite() -> None:
    wire, _, refresh = refreshing()
    (again,) = wire.deliver(response_to(refresh, 405))
    assert again.start.startswith("INVITE ")


def test_after_491_we_wait_up_to_2_s_and_try_again() -> None:
    wire, _, refresh = refreshing(update=False)
    (ack,) = wire.deliver(response_to(refresh, 491))
    assert ack.start == "ACK sip:caller@192.0.2.99:5080 SIP/2.0"
    assert ack.header("Via") == refresh.header("Via")
    again = wire.run_until(152)[0]
    assert again.start.startswith("INVITE ")
    assert 150 <= again.at <= 152
    assert again.header("CSeq") == "2 INVITE"


def test_a_refresh_refused_otherwise_is_tried_again_until_the_session_is_over() -> None:
    wire, _, refresh = refreshing()
    wire.deliver(response_to(refresh, 503, headers="Retry-After: 20"))
    (second,) = wire.run_until(170)
    wire.deliver(response_to(second, 488))
    tries = 0
    while not (sent := wire.run_until(wire.elapsed + 1)) or not sent[0].start.startswith("BYE "):
        for message in sent:
            tries += 1
            wire.deliver(response_to(message, 488))
    assert 5 <= tries <= 20
    assert sent[0].at == 268  # 32 s before the end of the session


def test_an_offer_that_meets_our_re_invite_gets_491() -> None:
    wire, caller, refresh = refreshing(update=False)
    assert caller.send("INVITE", body=SDP).status == 491
    assert caller.send("UPDATE", body=SDP).status == 491
    assert caller.send("UPDATE").status == 200
    wire.deliver(response_to(refresh, 200, body=SDP))
    wire.deliver(caller.request("UPDATE", body=SDP))
    assert wire.do(lambda agent: agent.answer(caller.call, SDP, wire.now))[0].status == 200


def test_we_do_not_refresh_across_an_invite_of_the_peer() -> None:
    headers = "Supported: timer\r\nSession-Expires: 300;refresher=uas"
    wire, caller, _ = connected(headers)
    wire.run_until(149)
    wire.deliver(caller.request("INVITE", body=SDP))
    assert wire.run_until(155) == []
    wire.do(lambda agent: agent.refuse_offer(caller.call, 488, wire.now))
    assert wire.run_until(157)[-1].start.startswith("INVITE ")


def test_a_call_that_ends_during_a_refresh_leaves_nothing() -> None:
    wire, caller, refresh = refreshing(update=False)
    wire.deliver(response_to(refresh, 100))
    caller.send("BYE")
    (ack,) = wire.deliver(response_to(refresh, 487))
    assert ack.start.startswith("ACK ")
    wire.run_out(horizon=300)
    counts = wire.agent.counts()
    assert (counts.dialogs, counts.client_transactions, counts.server_transactions) == (0, 0, 0)
    assert not wire.all(SessionExpired)


def test_timers_of_calls_that_ended_take_no_room() -> None:
    timers = Timers()
    fired: list[float] = []
    timers.at(5000.5, fired.append)
    for number in range(10_000):
        timers.at(number + 1800.0, fired.append).cancel()
        timers.advance(float(number))
    assert len(timers) < 1500
    timers.advance(20_000.0)
    assert fired == [5001.0]


# Our re-INVITE's transaction.


def test_our_re_invite_is_sent_again_until_32_s() -> None:
    wire, _, refresh = refreshing(update=False)
    sent = wire.run_until(181.9)
    times = [0, *(message.at - 150 for message in sent if message.data == refresh.data)]
    assert times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert wire.run_until(182)[-1].start.startswith("BYE ")


def test_our_re_invite_over_tcp_is_sent_once() -> None:
    wire = Wire(transport="tcp", sessions=OURS)
    Caller(wire).connected(headers="Session-Expires: 300")
    assert [message.at for message in wire.run_until(181)] == [150]


def test_a_provisional_answer_stops_the_repeating_but_not_the_session_timer() -> None:
    wire, _, refresh = refreshing(update=False)
    wire.deliver(response_to(refresh, 100))
    sent = wire.run_until(268)
    assert [(message.at, message.start.split()[0]) for message in sent] == [(268, "BYE")]


def test_a_repeated_refusal_is_acknowledged_again_for_32_s() -> None:
    wire, _, refresh = refreshing(update=False)
    (ack,) = wire.deliver(response_to(refresh, 500, headers="Retry-After: 60"))
    wire.run_until(181)
    (again,) = wire.deliver(response_to(refresh, 500))
    assert again.data == ack.data
    wire.run_until(183)
    assert wire.deliver(response_to(refresh, 500)) == []

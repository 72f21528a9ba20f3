"""Where answers and our own requests go: Via, received and rport, Contact, Record-Route."""

import pytest

from ivr.sip.flow import Flow
from tests.sip.caller import SDP, Caller, final
from tests.wire import HERE, THERE, Sent, Wire

NAT = ("203.0.113.7", 61000)
PROXIES = "<sip:192.0.2.10;lr>, <sip:192.0.2.11:5070;lr;x=1>"


def bye_of(wire: Wire, caller: Caller) -> Sent:
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    return bye


def test_vias_go_back_in_order() -> None:
    wire = Wire()
    message = Caller(wire).request(
        "OPTIONS",
        headers='Via: SIP/2.0/TCP one.example;branch=z9hG4bK1;x="a,b" , SIP/2.0/UDP two.example\r\n'
        "v: SIP / 2.0 / UDP three.example",
    )
    (answer,) = wire.deliver(message)
    assert answer.headers("Via")[1:] == [
        'SIP/2.0/TCP one.example;branch=z9hG4bK1;x="a,b"',
        "SIP/2.0/UDP two.example",
        "SIP / 2.0 / UDP three.example",
    ]


def test_rport_is_filled_in_and_followed() -> None:
    wire = Wire(remote=NAT)
    (answer,) = wire.deliver(Caller(wire).request("OPTIONS"))
    assert f";rport={NAT[1]}" in answer.header("Via")
    assert f";received={NAT[0]}" in answer.header("Via")
    assert answer.flow.remote == NAT


def test_without_rport_the_answer_goes_to_the_port_of_via() -> None:
    wire = Wire(remote=NAT)
    (answer,) = wire.deliver(Caller(wire, rport=False).request("OPTIONS"))
    assert answer.header("Via").endswith(f";received={NAT[0]}")
    assert answer.flow.remote == (NAT[0], THERE[1])


def test_received_is_left_out_when_it_says_nothing_new() -> None:
    wire = Wire()
    (answer,) = wire.deliver(Caller(wire, rport=False).request("OPTIONS"))
    assert "received" not in answer.header("Via")
    assert answer.flow.remote == THERE


def test_a_received_that_the_peer_made_up_is_corrected() -> None:
    wire = Wire(remote=NAT)
    message = Caller(wire).request("OPTIONS", branch="z9hG4bKx;received=198.51.100.1")
    (answer,) = wire.deliver(message)
    assert f"received={NAT[0]}" in answer.header("Via")
    assert "198.51.100.1" not in answer.header("Via")


def test_over_tcp_the_answer_takes_the_connection() -> None:
    wire = Wire(transport="tcp", remote=NAT)
    (answer,) = wire.deliver(Caller(wire, rport=False).request("OPTIONS"))
    assert answer.flow == wire.flow


def test_a_phone_behind_nat_is_reached_where_it_sends_from() -> None:
    wire = Wire(remote=NAT)
    caller = Caller(wire)
    caller.connected()
    bye = bye_of(wire, caller)
    assert bye.flow.remote == NAT
    assert bye.start == f"BYE sip:caller@{THERE[0]}:{THERE[1]} SIP/2.0"


@pytest.mark.parametrize(
    ("contact", "remote"),
    [
        ("<sip:a@192.0.2.50:5099>", ("192.0.2.50", 5099)),
        ("sip:192.0.2.50", ("192.0.2.50", 5060)),
        ('"A, <b>" <sip:a@192.0.2.50;transport=UDP>;expires=3', ("192.0.2.50", 5060)),
        ("<sip:a@phone.example>", THERE),
        ("<sip:a@[2001:db8::9]:5070>", ("2001:db8::9", 5070)),
    ],
)
def test_our_requests_go_to_the_contact(contact: str, remote: tuple[str, int]) -> None:
    wire = Wire()
    caller = Caller(wire, contact=contact)
    caller.connected()
    assert bye_of(wire, caller).flow == Flow("udp", HERE, remote)


def test_a_contact_on_tcp_is_reached_by_tcp() -> None:
    wire = Wire()
    caller = Caller(wire, contact="<sip:a@192.0.2.50;transport=TCP>")
    caller.connected()
    bye = bye_of(wire, caller)
    assert bye.flow == Flow("tcp", HERE, ("192.0.2.50", 5060))
    assert bye.header("Via").startswith("SIP/2.0/TCP ")


def test_record_route_is_copied_to_what_opens_the_dialog() -> None:
    wire = Wire()
    caller = Caller(wire, record_route=PROXIES)
    caller.invite()
    (ringing,) = wire.do(lambda agent: agent.ring(caller.call, wire.now))
    (ok,) = wire.do(lambda agent: agent.accept(caller.call, SDP, wire.now))
    assert [answer.headers("Record-Route") for answer in (wire.sent[0], ringing, ok)] == [
        [],
        [PROXIES],
        [PROXIES],
    ]


def test_our_requests_take_the_way_of_loose_routers() -> None:
    wire = Wire()
    caller = Caller(wire, record_route=PROXIES)
    caller.connected()
    bye = bye_of(wire, caller)
    assert bye.headers("Route") == ["<sip:192.0.2.10;lr>", "<sip:192.0.2.11:5070;lr;x=1>"]
    assert bye.start == f"BYE sip:caller@{THERE[0]}:{THERE[1]} SIP/2.0"
    assert bye.flow.remote == ("192.0.2.10", 5060)


def test_our_requests_take_the_way_of_strict_routers() -> None:
    wire = Wire()
    caller = Caller(wire, record_route="<sip:192.0.2.10>\r\nRecord-Route: <sip:192.0.2.11;lr>")
    caller.connected()
    bye = bye_of(wire, caller)
    assert bye.start == "BYE sip:192.0.2.10 SIP/2.0"
    assert bye.headers("Route") == [
        "<sip:192.0.2.11;lr>",
        f"<sip:caller@{THERE[0]}:{THERE[1]}>",
    ]
    assert bye.flow.remote == ("192.0.2.10", 5060)


def test_a_record_route_that_cannot_be_read_gets_400() -> None:
    wire = Wire()
    caller = Caller(wire, record_route="<sip:192.0.2.10")
    assert final(wire.deliver(caller.request("INVITE"))).status == 400


def test_the_advertised_host_stands_in_contact_and_via() -> None:
    wire = Wire(advertised_host="203.0.113.10")
    caller = Caller(wire)
    assert caller.connected().header("Contact") == "<sip:203.0.113.10:5060;transport=udp>"
    assert "UDP 203.0.113.10:5060;" in bye_of(wire, caller).header("Via")


def test_ipv6_stands_in_brackets() -> None:
    wire = Wire(local=("2001:db8::1", 5060), remote=("2001:db8::9", 5060))
    caller = Caller(wire, contact="<sip:a@[2001:db8::9]>")
    assert caller.connected().header("Contact") == "<sip:[2001:db8::1]:5060;transport=udp>"
    bye = bye_of(wire, caller)
    assert bye.header("Via").startswith("SIP/2.0/UDP [2001:db8::1]:5060;")
    assert bye.flow.remote == ("2001:db8::9", 5060)

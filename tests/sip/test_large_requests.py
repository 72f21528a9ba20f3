"""Requests too large for a datagram go by TCP, or by UDP after all (RFC 3261 §18.1.1); what cannot
be sent at all has failed at once (§17.1.4)."""

import asyncio
import time

import pytest

from ivr.sip.events import Referred, Released, SessionExpired
from ivr.sip.session_terms import SessionPolicy
from tests.sip.answering import Answering
from tests.sip.caller import Caller, response_to
from tests.sip.test_transport import eventually, heard, phone
from tests.wire import Sent, Wire

MANY_PROXIES = ", ".join(f"<sip:192.0.2.10;lr;way={'x' * 150}{n}>" for n in range(10))


def large_bye(*, transport: str = "udp", proxies: str = MANY_PROXIES) -> tuple[Wire, Sent]:
    wire = Wire(transport=transport)
    caller = Caller(wire, record_route=proxies)
    caller.connected()
    (bye,) = wire.do(lambda agent: agent.bye(caller.call, wire.now))
    return wire, bye


def fail(wire: Wire, request: Sent) -> list[Sent]:
    branch = request.header("Via").partition("branch=")[2].partition(";")[0]
    return wire.do(lambda agent: agent.undelivered(branch, wire.now))


def test_a_large_request_goes_by_tcp_and_is_not_repeated() -> None:
    wire, bye = large_bye()
    assert len(bye.data) > 1300
    assert (bye.flow.transport, bye.flow.remote) == ("tcp", ("192.0.2.10", 5060))
    assert bye.header("Via").startswith("SIP/2.0/TCP ")
    assert wire.run_until(5.0) == []
    wire.deliver(response_to(bye, 200), bye.flow)
    wire.only(Released)
    assert wire.agent.counts().client_transactions == 0


def test_a_request_that_fits_goes_by_udp() -> None:
    _, bye = large_bye(proxies="<sip:192.0.2.10;lr>")
    assert bye.flow.transport == "udp"


def test_where_tcp_does_not_lead_there_it_goes_by_udp_after_all() -> None:
    wire, bye = large_bye()
    (again,) = fail(wire, bye)
    assert (again.flow.transport, again.flow.remote) == ("udp", bye.flow.remote)
    assert again.header("Via").startswith("SIP/2.0/UDP ")
    assert again.header("CSeq") == bye.header("CSeq")
    assert again.lines[2:] == bye.lines[2:]
    assert [sent.data for sent in wire.run_until(0.6)] == [again.data]
    assert fail(wire, bye) == []
    wire.deliver(response_to(again, 200))
    wire.only(Released)
    wire.run_out()
    assert wire.agent.counts().client_transactions == 0


def test_a_bye_whose_connection_cannot_be_had_ends_the_call_at_once() -> None:
    wire, bye = large_bye(transport="tcp")
    assert fail(wire, bye) == []
    wire.only(Released)
    assert wire.agent.counts().client_transactions == 0


def test_a_transfer_that_cannot_be_sent_has_failed_with_503() -> None:
    wire = Wire(transport="tcp")
    caller = Caller(wire)
    caller.connected()
    (refer,) = wire.do(lambda agent: agent.refer(caller.call, "sip:a@192.0.2.7", wire.now))
    fail(wire, refer)
    assert wire.only(Referred) == Referred(caller.call, 503, refused=True)


def test_a_refresh_that_cannot_be_sent_is_tried_again() -> None:
    wire = Wire(transport="tcp", sessions=SessionPolicy(1800))
    Caller(wire).connected()
    (refresh,) = wire.run_until(900.0)
    fail(wire, refresh)
    assert wire.all(SessionExpired) == []
    assert wire.run_until(1500.0)[0].method == refresh.method


@pytest.mark.socket
async def test_a_bye_to_a_phone_without_tcp_arrives_by_udp() -> None:
    async with Answering() as answering:
        sender, ear = await phone()
        place = sender.get_extra_info("sockname")
        routes = f"<sip:127.0.0.1:{place[1]};lr;way={'x' * 700}>, <sip:192.0.2.7;lr;w={'y' * 700}>"
        caller = Caller(Wire(), record_route=routes)
        sender.sendto(caller.request("INVITE"), ("127.0.0.1", answering.ports["udp"]))
        text = b""
        while not text.startswith(b"SIP/2.0 200 "):
            text = await heard(ear)
        caller.to_tag = text.decode().partition("\r\nTo: ")[2].partition(";tag=")[2].split()[0]
        sender.sendto(caller.request("ACK", cseq=1), ("127.0.0.1", answering.ports["udp"]))
        await eventually(lambda: answering.counts["Confirmed"] == 1)
        answering.agent.bye(caller.to_tag, time.monotonic())
        answering.transport.pump()
        while not text.startswith(b"BYE "):
            text = await heard(ear)
        assert len(text) > 1300
        assert b"\r\nVia: SIP/2.0/UDP " in text
        sender.close()


@pytest.mark.socket
async def test_a_bye_to_a_phone_with_tcp_arrives_by_tcp() -> None:
    byes: asyncio.Queue[bytes] = asyncio.Queue()

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        byes.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with Answering() as answering:
        sender, ear = await phone()
        port = sender.get_extra_info("sockname")[1]
        listener = await asyncio.start_server(came, "127.0.0.1", port)
        contact = f"<sip:a@127.0.0.1:{port};way={'x' * 1400}>"
        caller = Caller(Wire(), contact=contact)
        sender.sendto(caller.request("INVITE"), ("127.0.0.1", answering.ports["udp"]))
        text = b""
        while not text.startswith(b"SIP/2.0 200 "):
            text = await heard(ear)
        caller.to_tag = text.decode().partition("\r\nTo: ")[2].partition(";tag=")[2].split()[0]
        sender.sendto(caller.request("ACK", cseq=1), ("127.0.0.1", answering.ports["udp"]))
        await eventually(lambda: answering.counts["Confirmed"] == 1)
        answering.agent.bye(caller.to_tag, time.monotonic())
        answering.transport.pump()
        async with asyncio.timeout(5):
            assert b"\r\nVia: SIP/2.0/TCP " in await byes.get()
        listener.close()
        sender.close()

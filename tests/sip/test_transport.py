"""The sockets: what asyncio must carry, bound, close and never leak."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from ivr.sip import streams
from ivr.sip.events import ByeReceived, Dropped, DropReason, Event, Invited
from ivr.sip.transport import Transport
from ivr.sip.user_agent import UserAgent
from tests.sip.answering import Answering
from tests.sip.caller import Caller
from tests.wire import Wire

pytestmark = pytest.mark.socket


class Phone(asyncio.DatagramProtocol):
    """A UDP socket that keeps what it gets."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait((data, addr))


async def phone(host: str = "127.0.0.1") -> tuple[asyncio.DatagramTransport, Phone]:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Phone, local_addr=(host, 0))


async def heard(phone: Phone) -> bytes:
    async with asyncio.timeout(5):
        return (await phone.heard.get())[0]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


OPTIONS = Caller(Wire()).request("OPTIONS")
OPTIONS_TCP = Caller(Wire(transport="tcp")).request("OPTIONS")


@pytest.mark.parametrize(
    ("listen", "ring"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.2"), ("::1", "::1"), ("::", "::1"),
     ("::", "127.0.0.2")],
)  # fmt: skip
async def test_a_datagram_is_answered_from_the_address_it_went_to(listen: str, ring: str) -> None:
    async with Answering(listen) as answering:
        sender, ear = await phone("::1" if ":" in ring else "127.0.0.1")
        sender.sendto(OPTIONS, (ring, answering.ports["udp"]))
        async with asyncio.timeout(5):
            data, source = await ear.heard.get()
        sender.close()
        assert data.startswith(b"SIP/2.0 200 OK\r\n")
        assert source[:2] == (ring, answering.ports["udp"])
        shown = f"[{ring}]" if ":" in ring else ring
        assert f"Contact: <sip:{shown}:{answering.ports['udp']};".encode() in data


async def test_the_addresses_are_told() -> None:
    async with Answering() as answering:
        assert answering.transport.addresses == [
            f"{protocol}:127.0.0.1:{port}" for protocol, port in answering.ports.items()
        ]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
async def test_a_busy_port_is_an_os_error(protocol: str) -> None:
    async with Answering() as answering:
        other = Transport(UserAgent(server_name="test"), lambda event: None)
        with pytest.raises(OSError, match="in use"):
            await other.listen(protocol, "127.0.0.1", answering.ports[protocol])
        await other.close()


async def test_a_closed_transport_frees_its_ports() -> None:
    async with Answering() as answering:
        ports = dict(answering.ports)
    for kind, protocol in ((socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")):
        with socket.socket(socket.AF_INET, kind) as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", ports[protocol]))


async def test_a_stream_carries_pings_and_requests() -> None:
    async with Answering() as answering:
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tcp"])
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(5):
            assert await reader.readexactly(2) == b"\r\n"
            writer.write(OPTIONS_TCP[:30])
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(OPTIONS_TCP[30:])
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK\r\n")
        writer.close()


async def test_a_stream_without_content_length_is_closed() -> None:
    async with Answering() as answering:
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tcp"])
        writer.write(b"BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n")
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        assert answering.dropped == {DropReason.UNFRAMED: 1}
        writer.close()


async def test_a_connection_that_never_says_anything_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "PART_TIMEOUT", 0.1)
    async with Answering() as answering:
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tcp"])
        writer.write(b"INVITE sip:")
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()


async def test_connections_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_CONNECTIONS", 1)
    async with Answering() as answering:
        port = answering.ports["tcp"]
        first, first_writer = await asyncio.open_connection("127.0.0.1", port)
        second, second_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await second.readexactly(1)
            first_writer.write(b"\r\n\r\n")
            assert await first.readexactly(2) == b"\r\n"
        first_writer.close()
        second_writer.close()


async def test_a_request_before_a_fault_is_answered() -> None:
    async with Answering() as answering:
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tcp"])
        writer.write(OPTIONS_TCP + b"BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"SIP/2.0 200 OK\r\n")
        assert answering.dropped == {DropReason.UNFRAMED: 1}
        writer.close()


async def test_one_address_does_not_take_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_PER_ADDRESS", 1)
    async with Answering() as answering:
        port = answering.ports["tcp"]
        _, first = await asyncio.open_connection("127.0.0.1", port)
        second, second_writer = await asyncio.open_connection("127.0.0.1", port)
        other, other_writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.2", 0)
        )
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await second.readexactly(1)
            other_writer.write(b"\r\n\r\n")
            assert await other.readexactly(2) == b"\r\n"
        for writer in (first, second_writer, other_writer):
            writer.close()


async def test_a_peer_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_UNSENT", 1000)
    async with Answering() as answering:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", answering.ports["tcp"]))

            async def shout() -> None:
                while True:
                    await loop.sock_sendall(deaf, OPTIONS_TCP * 100)
                    await asyncio.sleep(0)

            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await asyncio.wait_for(shout(), 20)


async def test_our_bye_takes_a_new_connection_when_the_callers_is_gone() -> None:
    peers: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peers.put((reader, writer))

    listener = await asyncio.start_server(came, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with Answering() as answering:
        wire = Wire(transport="tcp")
        caller = Caller(wire, contact=f"<sip:a@127.0.0.1:{port};transport=tcp>")
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tcp"])
        writer.write(caller.request("INVITE"))
        async with asyncio.timeout(5):
            text = b""
            while b"200 OK" not in text:
                text += await reader.readuntil(b"\r\n\r\n")
        caller.to_tag = (
            text.decode().rpartition("To: ")[2].partition("\r\n")[0].partition("tag=")[2]
        )
        writer.write(caller.request("ACK", cseq=1))
        await eventually(lambda: answering.counts["Confirmed"] == 1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
        answering.agent.bye(caller.to_tag, time.monotonic())
        answering.transport.pump()
        async with asyncio.timeout(5):
            again, again_writer = await peers.get()
            assert (await again.readline()).startswith(b"BYE sip:a@127.0.0.1:")
        again_writer.close()
    listener.close()
    await listener.wait_closed()


async def test_a_handler_that_fails_costs_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []

    def fails(event: Event) -> None:
        events.append(event)
        raise RuntimeError("broken on purpose")

    agent = UserAgent(server_name="test")
    transport = Transport(agent, fails)
    host, port = await transport.listen("udp", "127.0.0.1", 0)
    sender, _ = await phone()
    sender.sendto(b"nonsense", (host, port))
    sender.sendto(Caller(Wire()).request("INVITE"), (host, port))
    await eventually(lambda: len(events) == 2)
    assert [type(event) for event in events] == [Dropped, Invited]
    assert "a handler of SIP events failed" in caplog.text
    sender.close()
    await transport.close()


async def test_timers_fire_by_themselves() -> None:
    async with Answering() as answering:
        sender, ear = await phone()
        sender.sendto(Caller(Wire()).request("INVITE"), ("127.0.0.1", answering.ports["udp"]))
        statuses = [int((await heard(ear)).split()[1]) for _ in range(4)]
        sender.close()
        assert statuses == [100, 180, 200, 200]


async def test_an_event_handler_may_pump() -> None:
    agent = UserAgent(server_name="test")
    seen: list[type[Event]] = []

    def handle(event: Event) -> None:
        seen.append(type(event))
        transport.pump()

    transport = Transport(agent, handle)
    host, port = await transport.listen("udp", "127.0.0.1", 0)
    sender, _ = await phone()
    sender.sendto(b"one", (host, port))
    sender.sendto(b"two", (host, port))
    await eventually(lambda: len(seen) == 2)
    assert ByeReceived not in seen
    sender.close()
    await transport.close()

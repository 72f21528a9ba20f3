"""UDP and TCP for a user agent, on asyncio: the only file of `ivr.sip` with sockets.

No rule of SIP lives here. After every message, every timer and every call of the application, the
same `pump` sends what is pending, delivers events and re-arms the one timer.
"""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Callable

from ivr.sip.events import Dropped, DropReason, Event
from ivr.sip.flow import Flow, Outgoing
from ivr.sip.framing import PONG, StreamFramer
from ivr.sip.message import MAX_MESSAGE
from ivr.sip.user_agent import UserAgent
from ivr.wire import WireError

Address = tuple[str, int]

RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes of socket buffer: a second of a flood
DATAGRAMS_PER_WAKE_UP = 64  # so that a flood does not starve the rest of the loop
MAX_CONNECTIONS = 2_000
MAX_UNSENT = 256 * 1024  # bytes a TCP peer may leave unread before it is cut off
PART_TIMEOUT = 32.0  # seconds for a first message, or the rest of one, to come
IDLE_TIMEOUT = 3_600.0  # seconds without a message; longer than any call
CONNECT_TIMEOUT = 10.0
MAX_PENDING = 16  # messages that wait for one connection to open

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104
_IP_PKTINFO = 8  # linux/in.h; Python's socket names only its IPv6 sister


class Transport:
    """The listeners of one user agent. Use it from one event loop."""

    def __init__(
        self,
        agent: UserAgent,
        on_event: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._agent = agent
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._addresses: list[str] = []
        self._datagrams: dict[Address, _DatagramSocket] = {}
        self._listeners: list[asyncio.Server] = []
        self._streams = _Streams(self)
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._closed = False

    @property
    def addresses(self) -> list[str]:
        """Where calls come in, such as "udp:127.0.0.1:5060"; an IPv6 address is in brackets."""
        return self._addresses.copy()

    async def listen(self, transport: str, host: str, port: int) -> Address:
        """Listen on "udp" or "tcp"; port 0 picks one. Raises `OSError` when it can't be."""
        if transport == "udp":
            datagrams = _DatagramSocket(self, host, port)
            local = datagrams.local
            self._datagrams[local] = datagrams
        else:
            listening = _stream_socket(host, port)
            self._listeners.append(
                await self._loop.create_server(self._streams.accepted, sock=listening)
            )
            local = listening.getsockname()[:2]
        shown = f"[{local[0]}]" if ":" in local[0] else local[0]
        self._addresses.append(f"{transport}:{shown}:{local[1]}")
        return local

    def pump(self) -> None:
        """Send what is pending, deliver events, re-arm the timer. Call it after each call of ours.

        An event's handler may call the user agent and pump itself: the outer one carries on.
        """
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while True:
                for message in self._agent.outgoing():
                    self._send(message)
                events = self._agent.events()
                if not events:
                    break
                for event in events:
                    self._deliver(event)
        finally:
            self._pumping = False
        self._arm()

    async def close(self) -> None:
        """Close every socket and connection. What is pending is not sent any more."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for listener in self._listeners:
            listener.close()
        self._streams.close()
        for datagrams in self._datagrams.values():
            datagrams.close()
        self._datagrams.clear()
        self._listeners.clear()
        # The loop closes sockets of streams in its next turn.
        await asyncio.sleep(0)

    def received(self, data: bytes, flow: Flow) -> None:
        """Hand one message to the user agent; `pump` is the caller's next step."""
        self._agent.receive(data, flow, self.clock())

    def connection_lost(self, flow: Flow) -> None:
        """Tell the user agent that a connection is gone."""
        self._agent.connection_lost(flow, self.clock())
        self.pump()

    def dropped(self, reason: DropReason, flow: Flow) -> None:
        """Tell the application of something that never reached the user agent."""
        self._deliver(Dropped(reason, flow))

    def _deliver(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:
            # The next event, or the next caller, must not pay for this one.
            self._loop.call_exception_handler(
                {"message": "a handler of SIP events failed", "exception": error}
            )

    def _send(self, message: Outgoing) -> None:
        if message.flow.reliable:
            self._streams.send(message)
            return
        datagrams = self._socket_for(message.flow)
        if datagrams:
            datagrams.send(message)

    def _socket_for(self, flow: Flow) -> "_DatagramSocket | None":
        exact = self._datagrams.get(flow.local)
        if exact:
            return exact
        is_v6 = ":" in flow.remote[0]
        for datagrams in self._datagrams.values():
            if datagrams.is_v6 == is_v6 or datagrams.is_wildcard:
                return datagrams
        return None

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        deadline = self._agent.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - self.clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._agent.advance(self.clock())
        self.pump()


class _DatagramSocket:
    """One UDP socket. On a wildcard address it asks the kernel which address was written to."""

    def __init__(self, transport: Transport, host: str, port: int) -> None:
        self.is_v6 = ":" in host
        self.is_wildcard = host in _WILDCARDS
        self._transport = transport
        self._socket = socket.socket(
            socket.AF_INET6 if self.is_v6 else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if self.is_wildcard and self.is_v6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            elif self.is_wildcard:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.local: Address = self._socket.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, message: Outgoing) -> None:
        host, port = message.flow.remote
        if self.is_v6 and ":" not in host:
            host = f"::ffff:{host}"
        try:
            if self.is_wildcard:
                source = [self._source(message.flow.local[0])]
                self._socket.sendmsg([message.data], source, 0, (host, port))
            else:
                self._socket.sendto(message.data, (host, port))
        except OSError:
            # A full buffer or no route: as good as lost on the way, and mended in the same way.
            return

    def _readable(self) -> None:
        receive = self._receive_anywhere if self.is_wildcard else self._receive
        # It would block, or tells of an ICMP error about something we sent earlier.
        with contextlib.suppress(OSError):
            for _ in range(DATAGRAMS_PER_WAKE_UP):
                data, local, remote = receive()
                self._transport.received(data, Flow("udp", local, remote))
        self._transport.pump()

    def _receive(self) -> tuple[bytes, Address, Address]:
        data, remote = self._socket.recvfrom(MAX_MESSAGE)
        return data, self.local, remote[:2]

    def _receive_anywhere(self) -> tuple[bytes, Address, Address]:
        data, ancillary, _, remote = self._socket.recvmsg(MAX_MESSAGE, 64)
        host = self.local[0]
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET, value[8:12])
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET6, value[:16])
        return data, (_plain(host), self.local[1]), (_plain(remote[0]), remote[1])

    def _source(self, host: str) -> tuple[int, int, bytes]:
        """The control message that makes `host` the source address (ip(7), ipv6(7))."""
        if self.is_v6:
            mapped = host if ":" in host else f"::ffff:{host}"
            packed = socket.inet_pton(socket.AF_INET6, mapped)
            return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + bytes(4)
        packed = socket.inet_pton(socket.AF_INET, host)
        return socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + packed + bytes(4)


class _Streams:
    """The TCP connections, those that came in and those that we opened."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.by_id: dict[int, _Connection] = {}
        self._by_remote: dict[Address, _Connection] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)

    def accepted(self) -> "_Connection":
        """The protocol of a connection that comes in."""
        return _Connection(self, None)

    def opened(self, connection: "_Connection", remote: Address) -> int:
        """Enter a connection; 0 when there are too many."""
        if len(self.by_id) >= MAX_CONNECTIONS:
            return 0
        number = next(self._ids)
        self.by_id[number] = connection
        self._by_remote[remote] = connection
        return number

    def closed(self, connection: "_Connection", flow: Flow) -> None:
        """Strike a connection out."""
        del self.by_id[flow.connection]
        if self._by_remote.get(flow.remote) is connection:
            del self._by_remote[flow.remote]
        self.transport.connection_lost(flow)

    def send(self, message: Outgoing) -> None:
        """Send on the connection that is meant, or one to that address, or a new one."""
        flow = message.flow
        connection = self.by_id.get(flow.connection) or self._by_remote.get(flow.remote)
        if connection:
            connection.send(message.data)
        elif waiting := self._opening.get(flow.remote):
            if len(waiting) < MAX_PENDING:
                waiting.append(message.data)
        elif len(self.by_id) + len(self._opening) < MAX_CONNECTIONS:
            self._opening[flow.remote] = [message.data]
            task = asyncio.get_running_loop().create_task(self._open(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, flow: Flow) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self, flow.local), *flow.remote
                )
        except (OSError, ValueError):  # ValueError: what a peer gave for an address is none
            return  # the transaction's own timer tells who waits for an answer
        finally:
            waiting = self._opening.pop(flow.remote)
        for data in waiting:
            connection.send(data)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in list(self.by_id.values()):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One TCP connection. `local` is the listener's address on one that we opened ourselves."""

    def __init__(self, streams: _Streams, local: Address | None) -> None:
        self._streams = streams
        self._local = local
        self._framer = StreamFramer()
        self._flow: Flow | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + PART_TIMEOUT
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is wanted")
        self._transport = transport
        peer = transport.get_extra_info("peername")
        name = transport.get_extra_info("sockname")
        remote = (_plain(peer[0]), peer[1])
        local = self._local or (_plain(name[0]), name[1])
        number = self._streams.opened(self, remote)
        if not number:
            transport.abort()
            return
        self._flow = Flow("tcp", local, remote, number)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch:
            self._watch.cancel()
        if self._flow:
            self._streams.closed(self, self._flow)

    def data_received(self, data: bytes) -> None:
        flow, transport = self._flow, self._streams.transport
        if flow is None:
            return
        pings = self._framer.pings
        try:
            messages = self._framer.feed(data)
        except WireError:
            transport.dropped(DropReason.UNFRAMED, flow)
            self.abort()
            return
        for message in messages:
            transport.received(message, flow)
        if self._framer.pings > pings:
            self.send(PONG * (self._framer.pings - pings))
        now = self._loop.time()
        if messages or self._framer.pings > pings:
            self._deadline = now + IDLE_TIMEOUT
        if self._framer.holds_part:
            self._deadline = min(self._deadline, now + PART_TIMEOUT)
        transport.pump()

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _look_again(self) -> None:
        """Close if nothing whole has come for too long; look again when that may be so."""
        remaining = self._deadline - self._loop.time()
        if remaining <= 0:
            self.abort()
            return
        self._watch = self._loop.call_later(min(remaining, PART_TIMEOUT), self._look_again)


def _stream_socket(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port))
    return socket.create_server(
        (host, port), family=socket.AF_INET6, dualstack_ipv6=host in _WILDCARDS
    )


def _plain(host: str) -> str:
    """An IPv4 address that an IPv6 socket shows, as IPv4."""
    return host.removeprefix("::ffff:") if "." in host else host

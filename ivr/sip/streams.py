"""The TCP and TLS connections of the signalling, those that came in and those that we opened."""

import asyncio
import itertools
import random
import socket
from collections import Counter
from dataclasses import replace

from ivr.sip.events import DropReason
from ivr.sip.flow import Flow, Outgoing
from ivr.sip.framing import PONG, StreamFramer
from ivr.sip.keep_alive import PING, Due, KeepAlive
from ivr.sip.receiver import WILDCARDS, Address, Receiver, plain
from ivr.sip.tls import TlsContexts, peer_names
from ivr.wire import WireError

MAX_CONNECTIONS = 2_000
MAX_PER_ADDRESS = 500  # a quarter: no single address keeps the others out
MAX_UNSENT = 256 * 1024  # bytes a peer may leave unread before it is cut off
PART_TIMEOUT = 32.0  # seconds for a first message, or the rest of one, to come
IDLE_TIMEOUT = 3_600.0  # seconds without a message; longer than any call
CONNECT_TIMEOUT = 10.0
UNTAKEN_TIMEOUT_MS = 32_000
HANDSHAKE_TIMEOUT = 10.0
HANDSHAKE_COST = 20.0  # messages' worth of work
MAX_PENDING = 16  # messages that wait for one connection to open

_Place = tuple[str, Address]  # transport, remote address


class Streams:
    """Every connection of one user agent. `tls` is None where TLS is not spoken."""

    def __init__(self, receiver: Receiver, tls: TlsContexts | None) -> None:
        self.receiver = receiver
        self.tls = tls
        self.by_id: dict[int, Connection] = {}
        self._by_place: dict[_Place, Connection] = {}
        self._opening: dict[_Place, list[Outgoing]] = {}
        self._per_host: Counter[str] = Counter()
        self._listeners: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)

    async def listen(self, transport: str, host: str, port: int) -> Address:
        """Listen for "tcp" or "tls"; raises `OSError` when it can't be."""
        listening = _listening_socket(host, port)
        self._listeners.append(
            await asyncio.get_running_loop().create_server(
                lambda: Connection(self, transport), sock=listening
            )
        )
        local: Address = listening.getsockname()[:2]
        return local

    def enter(self, connection: "Connection", remote: Address) -> int:
        """Give a connection its number; 0 when there are too many."""
        host = remote[0]
        if len(self.by_id) >= MAX_CONNECTIONS or self._per_host[host] >= MAX_PER_ADDRESS:
            return 0
        self._per_host[host] += 1
        number = next(self._ids)
        self.by_id[number] = connection
        self._by_place[connection.kind, remote] = connection
        return number

    def strike_out(self, connection: "Connection", flow: Flow) -> None:
        """Forget a connection that is gone."""
        del self.by_id[flow.connection]
        host = flow.remote[0]
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]
        if self._by_place.get((flow.transport, flow.remote)) is connection:
            del self._by_place[flow.transport, flow.remote]
        self.receiver.connection_lost(flow)

    def send(self, message: Outgoing) -> None:
        """Send on the connection that is meant, or one to that address, or a new one."""
        flow = message.flow
        place = (flow.transport, flow.remote)
        connection = self.by_id.get(flow.connection) or self._by_place.get(place)
        if connection:
            connection.send(message.data)
        elif waiting := self._opening.get(place):
            if len(waiting) < MAX_PENDING:
                waiting.append(message)
            else:
                self.receiver.undelivered(message)
        elif len(self.by_id) + len(self._opening) < MAX_CONNECTIONS:
            self._opening[place] = [message]
            self.run(self._open(flow))
        else:
            self.receiver.undelivered(message)

    def run(self, work: "asyncio._CoroutineLike[None]") -> None:
        """Let `work` run beside the rest, until `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close every listener and connection."""
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self.by_id.values()):
            connection.abort()

    async def _open(self, flow: Flow) -> None:
        place = (flow.transport, flow.remote)
        opened: Connection | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, flow.transport, opens=flow), *flow.remote
                )
                await connection.is_ready.wait()
                opened = connection if connection.is_open else None
        except (OSError, ValueError):  # ValueError: what a peer gave for an address is none
            pass
        finally:
            waiting = self._opening.pop(place)
        for message in waiting:
            if opened:
                opened.send(message.data)
            else:
                self.receiver.undelivered(message)


class Connection(asyncio.Protocol):
    """One connection. `opens`: the flow that it is opened for, None where the peer opened it.

    On one of ours the local address stays that of the flow: the listener's, where we are reached.
    TLS begins once the connection has its place among the others, so that a handshake is as
    limited as any connection; `is_ready` is set when it is through, or failed.
    """

    def __init__(self, streams: Streams, kind: str, *, opens: Flow | None = None) -> None:
        self.kind = kind
        self.is_ready = asyncio.Event()
        self._streams = streams
        self._opens = opens
        self._framer = StreamFramer()
        self._flow: Flow | None = None
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + PART_TIMEOUT
        self._keep_alive = KeepAlive(random.random, self._loop.time())  # no secret: it spreads
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has its place among the others, and is not being closed."""
        return self._flow is not None and not (self._transport and self._transport.is_closing())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is wanted")
        self._transport = transport
        # What the peer's host does not take within that time tells of a dead one (tcp(7)).
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_TIMEOUT_MS)
        peer = transport.get_extra_info("peername")
        name = transport.get_extra_info("sockname")
        remote = (plain(peer[0]), peer[1])
        local = self._opens.local if self._opens else (plain(name[0]), name[1])
        number = self._streams.enter(self, remote)
        if not number:
            transport.abort()
            self.is_ready.set()
            return
        self._flow = Flow(self.kind, local, remote, number)
        cost = HANDSHAKE_COST if self.kind == "tls" else 1.0
        if self._opens is None and not self._streams.receiver.admits(self._flow, cost):
            transport.abort()
            return
        self._look_again()
        if self.kind == "tls":
            transport.pause_reading()
            self._streams.run(self._shake_hands(transport, self._flow))
        else:
            self.is_ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_ready.set()
        if self._watch:
            self._watch.cancel()
        flow, self._flow = self._flow, None
        if flow:
            self._streams.strike_out(self, flow)

    def data_received(self, data: bytes) -> None:
        if not self.is_ready.is_set():
            self._early.append(data)  # came in one piece with the end of the handshake
            return
        flow, receiver = self._flow, self._streams.receiver
        if flow is None:
            return
        pings = self._framer.pings
        try:
            messages = self._framer.feed(data)
            if not all(receiver.received(message, flow) for message in messages):
                receiver.pump()
                self._hang_up()  # one who sends so much on a stream would fill it again
                return
            if messages:
                self._framer.feed(b"")  # tells whether what is behind them can be followed
        except WireError:
            receiver.pump()
            receiver.dropped(DropReason.UNFRAMED, flow)
            self._hang_up()
            return
        if self._framer.pings > pings:
            self.send(PONG * (self._framer.pings - pings))
        now = self._loop.time()
        pong = self._keep_alive.awaits_pong and self._framer.take_pong()
        if messages or pong:
            self._keep_alive.heard(now, pong=pong)
        if messages or pong or self._framer.pings > pings:
            self._deadline = now + IDLE_TIMEOUT
        if self._framer.holds_part:
            self._deadline = min(self._deadline, now + PART_TIMEOUT)
        receiver.pump()

    def send(self, data: bytes) -> None:
        """Send, or cut the peer off when it leaves too much unread."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def _hang_up(self) -> None:
        """Close once what is to be sent has gone, or the next look finds that it doesn't go."""
        self._deadline = self._loop.time()
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport:
            self._transport.abort()

    async def _shake_hands(self, transport: asyncio.Transport, flow: Flow) -> None:
        try:
            secured = await self._secured(transport)
        except OSError:  # ssl.SSLError is one
            secured = None
        if secured is None:  # also when the peer left in the middle
            self._streams.receiver.dropped(DropReason.HANDSHAKE, flow)
            transport.abort()
            self.connection_lost(None)
            return
        self._transport = secured
        names = peer_names(secured.get_extra_info("peercert"))
        if self._opens and not _is_meant(self._opens, names):
            self._streams.receiver.dropped(DropReason.HANDSHAKE, flow)
            self.abort()
            return
        if self._flow:
            self._flow = replace(self._flow, peer_names=names)
        self.is_ready.set()
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    async def _secured(self, transport: asyncio.Transport) -> asyncio.Transport | None:
        contexts = self._streams.tls
        if contexts is None:
            return None
        opens = self._opens
        return await self._loop.start_tls(
            transport,
            self,
            contexts.client() if opens else contexts.server(),
            server_side=opens is None,
            # Which of its certificates a peer with several is to show (RFC 6066 §3).
            server_hostname=[*opens.peer_names, opens.remote[0]][0] if opens else None,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
        )

    def _look_again(self) -> None:
        """Close if nothing whole has come for too long, or a ping has had no answer; look again
        when that may be so."""
        now = self._loop.time()
        due = self._keep_alive.advance(now) if self.is_ready.is_set() else Due.NOTHING
        if now >= self._deadline or due is Due.HANG_UP:
            self.abort()
            return
        if due is Due.PING:
            self.send(PING)
        following = min(self._deadline, now + PART_TIMEOUT)
        if self._keep_alive.deadline > now:
            following = min(following, self._keep_alive.deadline)
        self._watch = self._loop.call_at(following, self._look_again)


def _is_meant(flow: Flow, names: tuple[str, ...]) -> bool:
    """Whether a connection of ours has reached who it was for (RFC 5922 §7.3): the peer that was
    there before, if its names are known, else whoever has a certificate for the address."""
    meant = flow.peer_names or (flow.remote[0].lower(),)
    return any(name in meant for name in names)


def _listening_socket(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port))
    return socket.create_server(
        (host, port), family=socket.AF_INET6, dualstack_ipv6=host in WILDCARDS
    )

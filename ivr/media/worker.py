"""The process that carries sound: the sockets and the clock around an `Engine`.

Started by `session.MediaPool` as `python -m ivr.media.worker LINK BANK`, two inherited descriptors:
the link to the front, and the memory that holds the prompts. It exits when the front is gone.
"""

import contextlib
import dataclasses
import gc
import ipaddress
import mmap
import resource
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from ivr.media import link, rtcp, rtp
from ivr.media.engine import Arrivals, Datagram, Engine, NoSlot
from ivr.media.playout import Burst
from ivr.media.ports import PortPair, PortPool
from ivr.media.stream import (
    TICK_MS,
    Address,
    KeyPressed,
    NoPortsLeft,
    PlayEnded,
    StreamParams,
)

TICK = TICK_MS / 1000
MAX_CATCH_UP = 0.25
"""Seconds: a worker that was stopped for longer goes on from now instead of sending it all."""

_BATCH = 1024  # datagrams handed to the engine at once
_ROUNDS = 16  # datagrams of one call in one tick: a flood on one port must not starve the others
_REPORT_TICKS = 20  # RTCP goes out a few calls at a time: the first of a batch costs the most
_READ = 65536


class FrontGone(Exception):  # noqa: N818 - the way this process is told to end
    """The front closed the link, or stopped reading it."""


_Heard = TypeVar("_Heard", int, tuple[int, Address])
_Ears = dict[int, tuple[Callable[[memoryview], _Heard], int]]
"""By descriptor: how to read a datagram into memory, and whose it is (slot)."""


@dataclass(slots=True)
class _Line:
    """One call's sockets. `connection` is the one for `remote`; `ports.rtp` is for the rest."""

    call: int
    slot: int
    ports: PortPair
    remote: Address | None = None
    connection: socket.socket | None = None


class Worker:
    """Orders come in on `front`, reports go out on it; calls are pumped every tick."""

    def __init__(self, front: socket.socket, setup: link.Setup, bank: mmap.mmap) -> None:
        self._front = front
        self._engine = Engine(setup.capacity, np.frombuffer(bank, np.uint8))
        self._ports = PortPool(
            setup.host,
            setup.port_range,
            share=setup.share,
            shares=setup.shares,
            rest=setup.port_rest,
        )
        self._by_call: dict[int, _Line] = {}
        self._by_slot: dict[int, _Line] = {}
        self._by_rtcp: dict[int, _Line] = {}
        # Bound methods at hand: the two loops that run for every packet look nothing else up.
        self._senders: dict[int, Callable[[bytes], int]] = {}
        self._peers: _Ears[int] = {}
        self._anyone: _Ears[tuple[int, Address]] = {}
        self._peers_poll, self._anyone_poll, self._rtcp_poll = (select.epoll() for _ in range(3))
        memory = memoryview(bytearray(_BATCH * rtp.MAX_PACKET))
        self._rows = np.frombuffer(memory, np.uint8).reshape(_BATCH, rtp.MAX_PACKET)
        self._row_views = [
            memory[begin : begin + rtp.MAX_PACKET]
            for begin in range(0, len(memory), rtp.MAX_PACKET)
        ]
        self._reports_at = 0  # tick
        self._backlog = bytearray()
        self._late_ticks = 0
        self._unsent = 0
        self._orders = msgspec.msgpack.Decoder(link.Order)
        self._frames = link.Frames()

    def run(self) -> None:
        """Serve until the front is gone (`FrontGone`)."""
        self._report(link.Ready())
        self._flush()
        doorbell = select.epoll()
        doorbell.register(self._front, select.EPOLLIN)
        number, start = 0, 0.0  # the last tick; when tick 0 was
        while True:
            now = time.monotonic()
            following = self._engine.next_tick(number)
            late = now - (start + following * TICK)
            if not self._engine.calls:
                # Nobody to keep time for: sleep until an order, or until a port has rested.
                doorbell.poll(self._idle_timeout(now))
                start = time.monotonic() - number * TICK
                self._read_orders()
            elif late < 0:
                if doorbell.poll(-late):
                    self._read_orders()
            else:
                if late > TICK:
                    self._late_ticks += 1
                if late > MAX_CATCH_UP:
                    following += int(late / TICK)
                number = following
                self._tick(number, now)
            self._ports.advance(time.monotonic())
            self._flush()

    def _idle_timeout(self, now: float) -> float | None:
        if self._backlog:
            return TICK
        deadline = self._ports.deadline
        return None if deadline is None else max(0.0, deadline - now)

    def _tick(self, number: int, now: float) -> None:
        self._receive_rtcp(now)
        self._drain(self._peers_poll, self._peers, self._hear_peers, now)
        self._drain(self._anyone_poll, self._anyone, self._hear_anyone, now)
        for burst in self._engine.tick(number, now):
            self._send_rtp(burst)
        if number >= self._reports_at:
            self._reports_at = number + _REPORT_TICKS
            for datagram in self._engine.reports(now, time.time()):
                self._send_rtcp(datagram)
        self._report_events()

    def _send_rtp(self, burst: Burst) -> None:
        senders = self._senders
        packets: list[bytes] = burst.data.view(f"V{burst.data.shape[1]}").ravel().tolist()
        for slot, packet in zip(burst.slots.tolist(), packets, strict=True):
            try:
                senders[slot](packet)
            except OSError:
                self._send_again(slot, packet)

    def _send_again(self, slot: int, packet: bytes) -> None:
        """Send what failed: the fault may be what ICMP told of an earlier packet."""
        try:
            self._senders[slot](packet)
        except OSError:
            self._unsent += 1  # no route, or a full buffer: the packet is lost

    def _drain(
        self,
        poll: select.epoll,
        ears: _Ears[_Heard],
        hear: Callable[[list[int], list[_Heard], float], None],
        now: float,
    ) -> None:
        """Read what has come, in rounds of one datagram per socket; `hear` gets it in batches."""
        views = self._row_views
        slots: list[int] = []
        heard: list[_Heard] = []
        for _ in range(_ROUNDS):
            readable = poll.poll(0, _BATCH - len(heard))
            if not readable:
                break
            for descriptor, _ in readable:
                receive, slot = ears[descriptor]
                try:
                    heard.append(receive(views[len(heard)]))
                except OSError:
                    continue
                slots.append(slot)
            if len(heard) == _BATCH:
                hear(slots, heard, now)
                slots, heard = [], []
        if heard:
            hear(slots, heard, now)

    def _hear_peers(self, slots: list[int], lengths: list[int], now: float) -> None:
        data = self._rows[: len(slots)]
        self._engine.receive(Arrivals(data, np.fromiter(lengths, np.int64), slots, None), now)

    def _hear_anyone(self, slots: list[int], heard: list[tuple[int, Address]], now: float) -> None:
        data = self._rows[: len(slots)]
        lengths = np.fromiter((length for length, _ in heard), np.int64)
        sources = [source[:2] for _, source in heard]
        self._engine.receive(Arrivals(data, lengths, slots, sources), now)
        for slot in set(slots):
            self._follow(self._by_slot[slot])

    def _follow(self, line: _Line) -> None:
        """Connect the call to where its RTP goes to, where that has changed."""
        remote = self._engine.peers[line.slot]
        if remote is None or remote == line.remote:
            return
        self._disconnect(line)
        line.remote = remote
        try:
            connection = line.ports.connect(remote)
        except OSError:
            # No route for now, or no descriptor: the socket that hears anyone does it all.
            self._senders[line.slot] = lambda packet: line.ports.rtp.sendto(packet, remote)
            return
        line.connection = connection
        self._senders[line.slot] = connection.send
        self._peers[connection.fileno()] = (connection.recv_into, line.slot)
        self._peers_poll.register(connection, select.EPOLLIN)

    def _disconnect(self, line: _Line) -> None:
        if line.connection is not None:
            self._peers_poll.unregister(line.connection)
            del self._peers[line.connection.fileno()]
            line.connection.close()
            line.connection = None

    def _receive_rtcp(self, now: float) -> None:
        for descriptor, _ in self._rtcp_poll.poll(0, _BATCH):
            line = self._by_rtcp[descriptor]
            with contextlib.suppress(OSError):
                data, source = line.ports.rtcp.recvfrom(rtcp.MAX_PACKET)
                self._engine.receive_rtcp(line.slot, data, source[:2], now)

    def _send_rtcp(self, datagram: Datagram) -> None:
        with contextlib.suppress(OSError):
            self._by_slot[datagram.slot].ports.rtcp.sendto(datagram.data, datagram.destination)

    def _read_orders(self) -> None:
        try:
            data = self._front.recv(_READ)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise FrontGone from error
        if not data:
            raise FrontGone
        for body in self._frames.feed(data):
            self._obey(self._orders.decode(body), time.monotonic())
        self._report_events()

    def _obey(self, order: link.Order, now: float) -> None:
        match order:
            case link.Open(call):
                self._open(call, now)
            case link.AskLoad(request):
                self._report_load(request)
            case link.Setup():
                raise link.LinkError("set up twice")
            case _:
                # A call that got no port may still be closed by a front that had not heard so.
                if (line := self._by_call.get(order.call)) is not None:
                    self._obey_for(line, order, now)

    def _obey_for(self, line: _Line, order: link.CallOrder, now: float) -> None:
        match order:
            case link.Configure(_, params):
                self._engine.configure(line.slot, self._reachable(params))
                self._follow(line)
            case link.Play(_, play, clips, barge_in):
                self._engine.play(line.slot, play, clips, barge_in=barge_in)
            case link.Stop():
                self._engine.stop(line.slot)
            case link.InfoKey(_, key, duration):
                self._engine.info_key(line.slot, key, duration, now)
            case link.Close():
                self._close(line, now)

    def _report_load(self, request: int) -> None:
        load = link.Load(
            request=request,
            calls=self._engine.calls,
            ports=self._ports.in_use,
            resting=self._ports.resting,
            late_ticks=self._late_ticks,
            unsent=self._unsent,
            malformed=self._engine.malformed,
        )
        self._report(load)

    def _open(self, call: int, now: float) -> None:
        try:
            ports = self._ports.acquire()
        except NoPortsLeft:
            self._report(link.NotOpened(call))
            return
        try:
            slot = self._engine.open(now, secrets.token_urlsafe(12))
        except NoSlot:
            self._ports.release(ports, now)
            self._report(link.NotOpened(call))
            return
        line = _Line(call, slot, ports)
        self._by_call[call] = self._by_slot[slot] = line
        self._by_rtcp[ports.rtcp.fileno()] = line
        self._anyone[ports.rtp.fileno()] = (ports.rtp.recvfrom_into, slot)
        self._anyone_poll.register(ports.rtp, select.EPOLLIN)
        self._rtcp_poll.register(ports.rtcp, select.EPOLLIN)
        self._report(link.Opened(call, (ports.rtp.getsockname()[0], ports.port)))

    def _close(self, line: _Line, now: float) -> None:
        stats, bye = self._engine.close(line.slot, now, time.time())
        if bye is not None:
            self._send_rtcp(bye)
        self._disconnect(line)
        self._anyone_poll.unregister(line.ports.rtp)
        self._rtcp_poll.unregister(line.ports.rtcp)
        self._senders.pop(line.slot, None)
        del self._by_call[line.call], self._by_slot[line.slot]
        del self._anyone[line.ports.rtp.fileno()], self._by_rtcp[line.ports.rtcp.fileno()]
        self._ports.release(line.ports, now)
        self._report(link.Closed(line.call, stats))
        if not self._by_call:
            gc.collect()  # the collector is off; nobody hears this pause

    def _reachable(self, params: StreamParams) -> StreamParams:
        """The addresses as our sockets spell them; one that they cannot reach becomes None."""
        return dataclasses.replace(
            params,
            remote=self._spelt(params.remote),
            remote_rtcp=self._spelt(params.remote_rtcp),
        )

    def _spelt(self, address: Address | None) -> Address | None:
        if address is None:
            return None
        try:
            ip = ipaddress.ip_address(address[0])
        except ValueError:
            return None  # a name: looking it up would stop the clock
        if "%" in address[0]:
            return None  # a scope is of the peer's machine, and may hold anything
        if self._ports.family == socket.AF_INET6:
            host = f"::ffff:{ip}" if ip.version == 4 else str(ip)
            return host, address[1]
        return (str(ip), address[1]) if ip.version == 4 else None

    def _report_events(self) -> None:
        for slot, event in self._engine.events():
            call = self._by_slot[slot].call
            match event:
                case KeyPressed(key, way):
                    self._report(link.Pressed(call, key, way))
                case PlayEnded(play, clips_begun, barged):
                    self._report(link.Ended(call, play, clips_begun, barged))

    def _report(self, report: link.Report) -> None:
        """Put it with what `run` sends once a round: each send wakes the front."""
        self._backlog += link.encode(report)

    def _flush(self) -> None:
        """Send what the link takes just now. Raises `FrontGone` past `link.MAX_BACKLOG`."""
        if not self._backlog:
            return
        try:
            sent = self._front.send(self._backlog)
        except BlockingIOError:
            sent = 0
        except ConnectionError as error:
            raise FrontGone from error
        del self._backlog[:sent]
        if len(self._backlog) > link.MAX_BACKLOG:
            raise FrontGone


def _first_order(front: socket.socket) -> link.Setup:
    """The set-up, which the front sends alone. Raises `FrontGone`."""
    frames = link.Frames()
    while data := front.recv(_READ):
        for body in frames.feed(data):
            return msgspec.msgpack.decode(body, type=link.Setup)
    raise FrontGone


def main(link_descriptor: int, bank_descriptor: int) -> None:
    """Be a media worker until the front is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the front, which decides
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.suppress(FrontGone), socket.socket(fileno=link_descriptor) as front:
        setup = _first_order(front)
        bank = mmap.mmap(bank_descriptor, 2 * setup.bank_size, prot=mmap.PROT_READ)
        front.setblocking(False)
        worker = Worker(front, setup, bank)
        gc.freeze()
        gc.disable()
        worker.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

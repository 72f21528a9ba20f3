"""The sockets of a worker's calls, between the system and its engine. Nothing here ever waits.

Packets of plain calls go out and come in many at once where there is a ring (`uring`); those of
secured calls, or without a ring, one by one.
"""

import contextlib
import select
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ivr.media import rtcp, rtp, srtp
from ivr.media.engine import Arrivals, Datagram, Engine
from ivr.media.playout import Burst
from ivr.media.ports import PortPair
from ivr.media.stream import Address, SrtpKeys
from ivr.media.uring import Ring

_BATCH = 1024  # datagrams handed to the engine at once
_TURNS = 4  # ticks, in the last of which it is seen that no ring's socket holds a second one back
_ROUNDS = 16  # datagrams of one call in one tick: a flood on one port must not starve the others
_NOBODY = np.zeros(0, np.int64)


_Heard = TypeVar("_Heard", int, tuple[int, Address])
_Ears = dict[int, tuple[Callable[[memoryview], _Heard], int]]
"""By descriptor: how to read a datagram into memory, and whose it is (slot)."""


@dataclass(slots=True)
class Line:
    """One call's sockets. `connection` is the one for `remote`; `ports.rtp` is for the rest.
    `guard` has the keys of a secured call. `is_polled`: the connection is read by the poll."""

    call: int
    slot: int
    ports: PortPair
    remote: Address | None = None
    connection: socket.socket | None = None
    guard: srtp.Guard | None = None
    is_polled: bool = False


class Lines:
    """The sockets of every call. `io_uring`: use a ring where the system lets us have one."""

    def __init__(self, engine: Engine, capacity: int, *, io_uring: bool) -> None:
        self._engine = engine
        self._by_slot: dict[int, Line] = {}
        self._by_rtcp: dict[int, Line] = {}
        # Bound methods at hand: the two loops that run for every packet look nothing else up.
        self._senders: dict[int, Callable[[bytes], int]] = {}
        self._peers: _Ears[int] = {}
        self._anyone: _Ears[tuple[int, Address]] = {}
        self._ring = _ring(capacity) if io_uring else None
        self._turn = 0
        self._peers_poll, self._anyone_poll, self._rtcp_poll = (select.epoll() for _ in range(3))
        memory = memoryview(bytearray(_BATCH * rtp.MAX_PACKET))
        self._rows = np.frombuffer(memory, np.uint8).reshape(_BATCH, rtp.MAX_PACKET)
        self._row_views = [
            memory[begin : begin + rtp.MAX_PACKET]
            for begin in range(0, len(memory), rtp.MAX_PACKET)
        ]
        self.unsent = 0
        """Packets that the system would not take."""
        self.drops: Counter[srtp.Drop] = Counter()
        """Datagrams of secured calls that were not heard."""

    def __getitem__(self, slot: int) -> Line:
        """The line of the call in a slot."""
        return self._by_slot[slot]

    @property
    def batches(self) -> bool:
        """Whether packets of many calls go in one system call."""
        return self._ring is not None

    def open(self, call: int, slot: int, ports: PortPair) -> Line:
        """Listen on a new call's ports."""
        line = Line(call, slot, ports)
        self._by_slot[slot] = line
        self._by_rtcp[ports.rtcp.fileno()] = line
        self._wire_up(line)
        self._anyone_poll.register(ports.rtp, select.EPOLLIN)
        self._rtcp_poll.register(ports.rtcp, select.EPOLLIN)
        return line

    def close(self, line: Line) -> None:
        """The call is over. Its ports stay bound: they are their pool's."""
        self._disconnect(line)
        self._anyone_poll.unregister(line.ports.rtp)
        self._rtcp_poll.unregister(line.ports.rtcp)
        self._senders.pop(line.slot, None)
        del self._by_slot[line.slot]
        del self._anyone[line.ports.rtp.fileno()], self._by_rtcp[line.ports.rtcp.fileno()]

    def read(self, number: int, now: float) -> None:
        """Hand the engine what has come by tick `number`."""
        self._receive_rtcp(now)
        if self._ring is not None:
            self._drain_ring(self._ring, number, now)
        self._drain(self._peers_poll, self._peers, self._hear_peers, now)
        self._drain(self._anyone_poll, self._anyone, self._hear_anyone, now)

    def send(self, burst: Burst) -> None:
        """Send what is due at a tick."""
        slots, data = burst.slots, burst.data
        if (ring := self._ring) is not None:
            attached = ring.attached[slots]
            if np.count_nonzero(attached) == len(slots):
                self._send_by_ring(ring, slots, data)
                return
            self._send_by_ring(ring, slots[attached], data[attached])
            slots, data = slots[~attached], data[~attached]
        senders = self._senders
        packets: list[bytes] = data.view(f"V{data.shape[1]}").ravel().tolist()
        for slot, packet in zip(slots.tolist(), packets, strict=True):
            try:
                senders[slot](packet)
            except OSError:
                self._send_again(slot, packet)

    def _send_by_ring(self, ring: Ring, slots: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        for row in ring.send(slots, data):
            self._send_again(int(slots[row]), data[row].tobytes())

    def _send_again(self, slot: int, packet: bytes) -> None:
        """Send what failed: the fault may be what ICMP told of an earlier packet."""
        try:
            self._senders[slot](packet)
        except OSError:
            self.unsent += 1  # no route, or a full buffer: the packet is lost

    def _drain_ring(self, ring: Ring, number: int, now: float) -> None:
        """Read what has come on the ring's sockets: one datagram of each, which is all there mostly
        is, and now and then, of those that had one, all that there are."""
        slots = self._engine.to_read(number)
        slots = slots[ring.attached[slots]]
        self._turn += 1
        for round_ in range(_ROUNDS):
            heard = [
                self._hear_ring(ring, slots[begin : begin + _BATCH], now)
                for begin in range(0, len(slots), _BATCH)
            ]
            slots = np.concatenate([*heard, _NOBODY])
            if not slots.size or (round_ == 0 and self._turn % _TURNS):
                break

    def _hear_ring(self, ring: Ring, slots: NDArray[np.int64], now: float) -> NDArray[np.int64]:
        """Read one datagram of each; those that had one."""
        data = self._rows[: len(slots)]
        lengths = ring.receive(slots, data)
        came = slots[lengths >= 0]
        if came.size:  # the second look mostly finds nothing
            self._engine.receive(Arrivals(data, lengths, slots, None), now)
        return came

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
            self.follow(self._by_slot[slot])

    def follow(self, line: Line) -> None:
        """Connect the call to where its RTP goes to, where that has changed."""
        remote = self._engine.peers[line.slot]
        if remote is None or remote == line.remote:
            return
        self._disconnect(line)
        line.remote = remote
        # Without a route for now, or a descriptor, the socket that hears anyone does it all.
        with contextlib.suppress(OSError):
            line.connection = line.ports.connect(remote)
        self._wire_up(line)

    def _wire_up(self, line: Line) -> None:
        """How the call's packets are sent and read: by its sockets' own methods, behind its guard
        where it has one. Settled here, so that no packet has to ask."""
        guard, connection, remote, anyone = line.guard, line.connection, line.remote, line.ports.rtp
        hear_from: Callable[[memoryview], tuple[int, Address]] = anyone.recvfrom_into
        self._anyone[anyone.fileno()] = (
            guard.reader_from(hear_from) if guard else hear_from,
            line.slot,
        )
        self._listen(line)
        if connection is not None:
            hear: Callable[[memoryview], int] = connection.recv_into
            self._peers[connection.fileno()] = (guard.reader(hear) if guard else hear, line.slot)
        if remote is not None:
            send: Callable[[bytes], int] = (
                connection.send
                if connection is not None
                else lambda packet: anyone.sendto(packet, remote)
            )
            self._senders[line.slot] = guard.sender(send) if guard else send

    def _listen(self, line: Line) -> None:
        """Have the call's connection read, and sent on, by the ring; without one, or where each
        packet passes a guard, by the poll."""
        ring, connection = self._ring, line.connection
        if ring is not None:
            ring.detach(line.slot)
        if connection is None:
            return
        if ring is not None and line.guard is None:
            with contextlib.suppress(OSError):
                ring.attach(line.slot, connection)
        by_ring = ring is not None and bool(ring.attached[line.slot])
        if line.is_polled and by_ring:
            self._peers_poll.unregister(connection)
        elif not (line.is_polled or by_ring):
            self._peers_poll.register(connection, select.EPOLLIN)
        line.is_polled = not by_ring

    def secure(self, line: Line, keys: SrtpKeys | None) -> None:
        """Take over the call's keys, at first or again, or that it has none any more."""
        if keys is not None and line.guard is not None:
            line.guard.rekey(keys)
        elif keys is not None or line.guard is not None:
            line.guard = srtp.Guard(keys, self.drops) if keys else None
            self._wire_up(line)

    def _disconnect(self, line: Line) -> None:
        if line.connection is not None:
            if line.is_polled:
                self._peers_poll.unregister(line.connection)
            if self._ring is not None:
                self._ring.detach(line.slot)  # it would hold the port
            line.is_polled = False
            del self._peers[line.connection.fileno()]
            line.connection.close()
            line.connection = None

    def _receive_rtcp(self, now: float) -> None:
        for descriptor, _ in self._rtcp_poll.poll(0, _BATCH):
            line = self._by_rtcp[descriptor]
            with contextlib.suppress(OSError):
                data, source = line.ports.rtcp.recvfrom(rtcp.MAX_PACKET)
                if line.guard is not None:
                    data = line.guard.open_rtcp(data)
                self._engine.receive_rtcp(line.slot, data, source[:2], now)

    def send_rtcp(self, datagram: Datagram) -> None:
        """Send a report, or what ends the call."""
        line, data = self._by_slot[datagram.slot], datagram.data
        with contextlib.suppress(OSError):
            if line.guard is not None:
                data = line.guard.protect_rtcp(data)
            line.ports.rtcp.sendto(data, datagram.destination)


def _ring(slots: int) -> Ring | None:
    """A ring, or None where the system has none for us: then each packet is a system call."""
    try:
        return Ring(slots)
    except OSError:
        return None

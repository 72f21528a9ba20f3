"""The process that carries sound: the sockets and the clock around an `Engine`.

Started by `session.MediaPool` as `python -m ivr.media.worker LINK BANK`, two inherited descriptors:
the link to the front, and the memory that holds the prompts. It exits when the front is gone.
"""

import bisect
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
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from ivr.media import link
from ivr.media.engine import Engine, NoSlot
from ivr.media.lines import Line, Lines
from ivr.media.ports import PortPool
from ivr.media.stream import (
    LATENESS_BOUNDS,
    TICK_MS,
    Address,
    KeyPressed,
    NoPortsLeft,
    PlayEnded,
    Spoke,
    StreamParams,
)

TICK = TICK_MS / 1000
MAX_CATCH_UP = 0.25
"""Seconds: a worker that was stopped for longer goes on from now instead of sending it all."""

_REPORT_TICKS = 20  # RTCP goes out a few calls at a time: the first of a batch costs the most
_READ = 65536


class FrontGone(Exception):  # noqa: N818 - the way this process is told to end
    """The front closed the link, or stopped reading it."""


class Worker:
    """Orders come in on `front`, reports go out on it; calls are pumped every tick."""

    def __init__(self, front: socket.socket, setup: link.Setup, bank: mmap.mmap) -> None:
        self._front = front
        self._engine = Engine(setup.capacity, np.frombuffer(bank, np.uint8), inband=setup.inband)
        self._ports = PortPool(
            setup.host,
            setup.port_range,
            share=setup.share,
            shares=setup.shares,
            rest=setup.port_rest,
        )
        self._lines = Lines(self._engine, setup.capacity, io_uring=setup.io_uring)
        self._by_call: dict[int, Line] = {}
        self._reports_at = 0  # tick
        self._backlog = bytearray()
        self._late_ticks = 0
        self._lateness = [0] * (len(LATENESS_BOUNDS) + 1)
        self._busy_seconds = 0.0
        self._orders = msgspec.msgpack.Decoder(link.Order)
        self._frames = link.Frames()

    def run(self) -> None:
        """Serve until the front is gone (`FrontGone`)."""
        self._report(link.Ready(batches=self._lines.batches))
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
                self._lateness[bisect.bisect_left(LATENESS_BOUNDS, late)] += 1
                if late > MAX_CATCH_UP:
                    following += int(late / TICK)
                number = following
                self._tick(number, now)
                self._busy_seconds += time.monotonic() - now
                # One that is always late would else be deaf, and be taken for dead.
                if time.monotonic() > start + (number + 1) * TICK:
                    self._read_orders()
            self._ports.advance(time.monotonic())
            self._flush()

    def _idle_timeout(self, now: float) -> float | None:
        if self._backlog:
            return TICK
        deadline = self._ports.deadline
        return None if deadline is None else max(0.0, deadline - now)

    def _tick(self, number: int, now: float) -> None:
        self._lines.read(number, now)
        for burst in self._engine.tick(number, now):
            self._lines.send(burst)
        if number >= self._reports_at:
            self._reports_at = number + _REPORT_TICKS
            for datagram in self._engine.reports(now, time.time()):
                self._lines.send_rtcp(datagram)
        self._report_events()

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
            case link.AskStreams(request, calls):
                self._report_streams(request, calls)
            case link.Setup():
                raise link.LinkError("set up twice")
            case _:
                # A call that got no port may still be closed by a front that had not heard so.
                if (line := self._by_call.get(order.call)) is not None:
                    self._obey_for(line, order, now)

    def _obey_for(self, line: Line, order: link.CallOrder, now: float) -> None:
        match order:
            case link.Configure(_, params):
                self._lines.secure(line, params.keys)
                self._engine.configure(line.slot, self._reachable(params))
                self._lines.follow(line)
            case link.Play(_, play, clips, barge_in):
                self._engine.play(line.slot, play, clips, barge_in=barge_in)
            case link.Stop():
                self._engine.stop(line.slot)
            case link.Listen(_, wanted):
                self._engine.listen(line.slot, wanted)
            case link.InfoKey(_, key, duration):
                self._engine.info_key(line.slot, key, duration, now)
            case link.Close():
                self._close(line, now)

    def _report_load(self, request: int) -> None:
        load = link.Load(
            request=request,
            clock=time.monotonic(),
            busy_seconds=self._busy_seconds,
            lateness=self._lateness,
            memory=_resident_bytes(),
            calls=self._engine.calls,
            ports=self._ports.in_use,
            resting=self._ports.resting,
            late_ticks=self._late_ticks,
            unsent=self._lines.unsent,
            malformed=self._engine.malformed,
            srtp_dropped={drop.value: count for drop, count in self._lines.drops.items()},
        )
        self._report(load)

    def _report_streams(self, request: int, calls: Iterable[int]) -> None:
        lines = [line for call in calls if (line := self._by_call.get(call)) is not None]
        stats = {line.call: self._engine.stats(line.slot) for line in lines}
        self._report(link.Streams(request, stats))

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
        self._by_call[call] = self._lines.open(call, slot, ports)
        self._report(link.Opened(call, (ports.rtp.getsockname()[0], ports.port)))

    def _close(self, line: Line, now: float) -> None:
        stats, bye = self._engine.close(line.slot, now, time.time())
        if bye is not None:
            self._lines.send_rtcp(bye)
        self._lines.close(line)
        del self._by_call[line.call]
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
            call = self._lines[slot].call
            match event:
                case KeyPressed(key, way):
                    self._report(link.Pressed(call, key, way))
                case PlayEnded(play, clips_begun, barged):
                    self._report(link.Ended(call, play, clips_begun, barged))
                case Spoke():
                    self._report(link.Talks(call))

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


def _resident_bytes() -> int:
    """What this process has in memory; 0 where the system does not tell it the way Linux does."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


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

"""A fleet of callers on this machine: the sockets and the clock around a `Crowd` and a
`Switchboard`.

One thread, absolute deadlines, a system call for some hundred packets. It measures its own lateness
and its own CPU, so that a benchmark can refuse to conclude when the callers, not the server, were
slow; the arrival times are the kernel's, so that they do not depend on when we look.
"""

import contextlib
import gc
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crowd import PACKET, PARTS, Crowd, Heard, noise
from benchmarks.keying import Scripts
from benchmarks.mmsg import Inbox, Outbox, arrival_time, keep_arrival_times
from benchmarks.ringing import Call, Switchboard, Tally

SLOT = PACKET / PARTS
LATE = 10e-3
"""Seconds: callers whose packets leave later than that at the 99th percentile prove nothing."""
MAX_CATCH_UP = 0.25
RECEIVE_BUFFER = 4 << 20
ANSWER_WITHIN = 2.0  # s; a key that no sound has followed by then is unanswered
ADVANCE_SLOTS = 50
PRIORITY = -10
_INBOX = 512
_WIDTH = 192  # bytes looked at of a packet
_FOREVER = 1e12


@dataclass(slots=True)
class FleetReport:
    """What the callers saw, and what they cost themselves. Times in seconds.

    `first_packet`: from the answer to the first packet heard; `lateness`: of every 2 ms turn to
    send while it was measured; `cpu`: of the callers' thread; `overflowed`: packets that the
    callers' own sockets had no room for.
    """

    tally: Tally
    heard: Heard
    call_seconds: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    overflowed: int = 0
    first_packet: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)

    @property
    def late(self) -> float:
        """Seconds, 99th percentile."""
        return percentile(self.lateness, 0.99)

    @property
    def conclusive(self) -> bool:
        """Whether the callers kept their own clock and lost nothing themselves."""
        return self.late <= LATE and not self.overflowed


class Fleet:
    """Up to `capacity` calls at once to `line` at `target`. `tones`: keys go as tones."""

    def __init__(
        self,
        target: tuple[str, int],
        line: str,
        *,
        capacity: int,
        scripts: Scripts,
        tones: bool = False,
    ) -> None:
        self._target = target
        self._crowd = Crowd(capacity, scripts, noise(), tones=tones)
        self._outbox = Outbox(self._crowd.data)
        self._crowd.lengths = self._outbox.lengths
        self._inbox = Inbox(_INBOX, _WIDTH)
        pairs = [_port_pair() for _ in range(PARTS)]
        self._lines = [rtp for rtp, _ in pairs]
        self._rtcp = [rtcp for _, rtcp in pairs]
        self._ports: list[int] = [line.getsockname()[1] for line in self._lines]
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._sip.bind(("127.0.0.1", 0))
        self._sip.setblocking(False)
        keep_arrival_times(self._sip)
        self._board = Switchboard(target, line, self._sip.getsockname()[1])
        rows = self._crowd.rows_of_part
        # Rows are given in turn to the parts, so that few callers are spread as well as many.
        self._free = deque(part * rows + row for row in range(rows) for part in range(PARTS))
        self._placed = 0
        self._live: list[Call] = []
        self._leaving: deque[Call] = deque()
        self._report = FleetReport(self._board.tally, self._crowd.heard)
        self._measuring = False

    def ramp_up(
        self, count: int, rate: float, script: int, spread: float, patience: float = 10.0
    ) -> None:
        """Place `count` calls, `rate` a second, and wait for their answers. They begin `script` up
        to `spread` seconds after the answer, each at its own time."""
        start, placed = time.monotonic(), 0

        def place(now: float) -> bool:
            nonlocal placed
            while placed < min(count, int((now - start) * rate) + 1):
                self._place(script, delay=spread * ((placed + 0.5) * 0.618 % 1), stays=_FOREVER)
                placed += 1
            return placed < count or (
                self._board.waiting > 0 and now < start + count / rate + patience
            )

        self._run(place)

    def settle(self, seconds: float) -> None:
        """Let the calls go on and count nothing."""
        start = time.monotonic()
        self._run(lambda now: now < start + seconds)

    def detour(self, scripts: Sequence[int], over: float) -> None:
        """Let as many callers as there are scripts begin one each, one after the other over so many
        seconds from now; each when it is next between two rounds of keys."""
        now = time.time()
        step = max(1, len(self._live) // max(1, len(scripts)))
        for number, (call, script) in enumerate(zip(self._live[::step], scripts, strict=False)):
            self._crowd.detour(call.row, script, now + over * number / len(scripts))

    def measure(self, seconds: float) -> None:
        """Let the calls go on for `seconds`; what is counted for the report is counted here."""
        with self._measured():
            start = time.monotonic()
            self._run(lambda now: now < start + seconds)

    def ring(self, rate: float, seconds: float, stays: float) -> None:
        """Short calls: `rate` placed a second for `seconds`, each hung up `stays` seconds after
        its answer; counted for the report."""
        start, placed = time.monotonic(), 0

        def place(now: float) -> bool:
            nonlocal placed
            while placed < (min(now - start, seconds)) * rate and self._free:
                self._place(0, delay=0.0, stays=stays)
                placed += 1
            return now < start + seconds

        with self._measured():
            self._run(place)
        end = time.monotonic() + stays
        self._run(lambda now: now < end or (self._board.waiting > 0 and now < end + 10.0))

    def hang_up(self) -> FleetReport:
        """End every call with a BYE, wait for the answers, and report."""
        now = time.time()
        for call in self._live:
            self._board.hang_up(call, now)
        start = time.monotonic()
        self._run(lambda now: now < start + 0.5 or (self._board.waiting > 0 and now < start + 10.0))
        ports = {line.getsockname()[1] for line in (*self._lines, self._sip)}
        self._report.overflowed = _overflowed(ports)
        for udp in (*self._lines, *self._rtcp, self._sip):
            udp.close()
        return self._report

    @contextlib.contextmanager
    def _measured(self) -> Iterator[None]:
        """While it lasts everything is counted, and the garbage collector keeps still."""
        report, begun = self._report, len(self._live)
        gc.collect()
        gc.disable()
        start, cpu = time.monotonic(), time.thread_time()
        self._measuring = self._crowd.measuring = True
        yield
        self._measuring = self._crowd.measuring = False
        seconds = time.monotonic() - start
        report.seconds += seconds
        report.call_seconds += (begun + len(self._live)) / 2 * seconds
        report.cpu += time.thread_time() - cpu
        self._crowd.give_up_waiting(time.time() - ANSWER_WITHIN)
        gc.enable()

    def _run(self, go_on: Callable[[float], bool]) -> None:
        # The world outside does not wait for the server's processor. Needs root; without it, the
        # callers are late the sooner, and say so.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PRIORITY)
        start, slot = time.monotonic(), 0
        while go_on(now := time.monotonic()):
            deadline = start + slot * SLOT
            # Asleep, not waiting on the sockets: a server on the same machine would pay for waking
            # us at each packet, which no server pays for a caller across a network.
            if deadline > now:
                time.sleep(deadline - now)
            elif now - deadline > MAX_CATCH_UP:
                start = now - slot * SLOT
            self._send_sound(slot % PARTS)
            if self._measuring:
                self._report.lateness.append(time.monotonic() - deadline)
            self._receive_sound(self._lines[(slot + PARTS // 2) % PARTS])
            self._signal(slot)
            slot += 1

    def _send_sound(self, part: int) -> None:
        rows = self._crowd.step(part, time.time())
        if rows.size:
            unsent = self._outbox.send(self._lines[part], rows)
            if self._measuring:
                self._crowd.heard.unsent += unsent

    def _receive_sound(self, line: socket.socket) -> None:
        while (received := self._inbox.receive(line)) is not None:
            self._crowd.hear(received)
            if len(received.lengths) < self._inbox.size:
                return

    def _signal(self, slot: int) -> None:
        board = self._board
        while True:
            try:
                data, ancillary, _, _ = self._sip.recvmsg(65535, 64)
            except BlockingIOError:
                break
            board.receive(data, arrival_time(ancillary, time.time()))
        now = time.time()
        if slot % ADVANCE_SLOTS == 0:
            board.advance(now)
        while self._leaving and self._leaving[0].answered + self._leaving[0].stays <= now:
            board.hang_up(self._leaving.popleft(), now)
        if board.begun or board.ended:
            self._settle_calls()
        if board.out:
            for message in board.out:
                self._sip.sendto(message, self._target)
            board.out.clear()

    def _settle_calls(self) -> None:
        board, crowd = self._board, self._crowd
        for call in board.begun:
            self._outbox.aim(call.row, call.remote)
            crowd.start(call.row, call.remote[1], call.script, call.delay)
            self._live.append(call)
            if call.stays < _FOREVER:
                self._leaving.append(call)
        for call in board.ended:
            if call.answered:
                if crowd.first_sound[call.row]:
                    first = float(crowd.first_sound[call.row])
                    self._report.first_packet.append(max(0.0, first - call.answered))
                crowd.stop(call.row)
            self._free.append(call.row)
        if board.ended:
            self._live = [call for call in self._live if not call.over]
        board.begun.clear()
        board.ended.clear()

    def _place(self, script: int, *, delay: float, stays: float) -> None:
        row = self._free.popleft()
        self._placed += 1
        port = self._ports[row // self._crowd.rows_of_part]
        # The clock is read as late as can be: what we do before it is no wait of the caller's.
        call = Call(self._placed, row, script, delay, stays, time.time())
        self._board.invite(call, port)


def _port_pair() -> tuple[socket.socket, socket.socket]:
    """Sockets for RTP and, on the next port, for RTCP, which is taken and not looked at."""
    while True:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind(("127.0.0.1", 0))
        try:
            rtcp.bind(("127.0.0.1", rtp.getsockname()[1] + 1))
        except (OSError, OverflowError):
            rtp.close()
            rtcp.close()
            continue
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        rtcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the least there is
        rtp.setblocking(False)
        keep_arrival_times(rtp)
        return rtp, rtcp


def _overflowed(ports: set[int]) -> int:
    """Datagrams that the sockets on these UDP ports had no room for."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(int(row[-1]) for row in fields if int(row[1].rpartition(":")[2], 16) in ports)


def percentile(values: Sequence[float], share: float) -> float:
    """The `share` (0…1) percentile of `values`, nearest rank; 0 of an empty list."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

"""What a call's sound costs: two system calls a packet, the engine alone, a worker with sockets,
without io_uring and with it, and the same with SRTP.

Every call plays a prompt and is sent two-way RTP, 20 ms packets of A-law. Prints a table and one
line of JSON: CPU in milliseconds per call-second. `python -m benchmarks.media_engine --calls 200`
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pylibsrtp import Policy, Session
from rich.console import Console
from rich.table import Table

from ivr.media import rtp
from ivr.media.engine import Arrivals, Engine
from ivr.media.session import (
    Clip,
    MediaPool,
    MediaSettings,
    PromptBankFile,
    SrtpKeys,
    StreamParams,
)
from ivr.media.stream import TICK_MS

PACKET_MS = 20
SAMPLES = 160
BANK_SIZE = 8000 * 120
PAYLOAD_TYPE = 8
LATE_MS = 20.0
SUITES = {
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. `cpu_ms`: milliseconds of CPU per call-second; `lost`: packets that a call missed
    on either side; `callers_late_ms`: the worst lateness of the load itself. Past `LATE_MS` the run
    speaks of a busy machine and not of the worker: `conclusive` is False.
    """

    what: str
    calls: int
    seconds: float
    cpu_ms: float
    lost: int = 0
    late_ticks: int = 0
    callers_late_ms: float = 0.0
    conclusive: bool = True


def packets_of(calls: int) -> np.ndarray:
    """(calls, 172) uint8: an RTP packet of each caller, sequence and timestamp 0."""
    data = np.full((calls, rtp.HEADER_SIZE + SAMPLES), 0xD5, np.uint8)
    header = np.zeros(calls, rtp.HEADER)
    header["first"] = rtp.VERSION << 6
    header["second"] = PAYLOAD_TYPE
    header["ssrc"] = np.arange(calls) + 1
    data[:, : rtp.HEADER_SIZE] = header.view(np.uint8).reshape(calls, rtp.HEADER_SIZE)
    return data


def advance(data: np.ndarray, step: int) -> None:
    """Give the packets their sequence and timestamp at 20 ms step `step`."""
    data[:, 2:4] = np.frombuffer((step & 0xFFFF).to_bytes(2, "big"), np.uint8)
    data[:, 4:8] = np.frombuffer((step * SAMPLES & 0xFFFFFFFF).to_bytes(4, "big"), np.uint8)


def engine_cost(calls: int, seconds: float) -> Cost:
    """The engine without sockets: CPU of its receive and tick, over simulated time."""
    engine = Engine(calls, np.full(2 * BANK_SIZE, 0xD5, np.uint8))
    peer = ("127.0.0.1", 4000)
    slots = [engine.open(0.0, "bench") for _ in range(calls)]
    for slot in slots:
        engine.configure(slot, StreamParams(peer, None, "pcma", PAYLOAD_TYPE, PACKET_MS, {}))
        engine.play(slot, 1, [Clip(0, BANK_SIZE)], barge_in=True)
    rows = np.zeros((calls, rtp.MAX_PACKET), np.uint8)
    rows[:, : rtp.HEADER_SIZE + SAMPLES] = packets_of(calls)
    lengths = np.full(calls, rtp.HEADER_SIZE + SAMPLES, np.int64)
    arrivals = Arrivals(rows, lengths, slots, None)
    number, used = 0, 0.0
    while (number := engine.next_tick(number)) < seconds * 1000 / TICK_MS:
        advance(rows, number * TICK_MS // PACKET_MS)
        now = number * TICK_MS / 1000
        begin = time.process_time()
        engine.receive(arrivals, now)
        engine.tick(number, now)
        engine.reports(now, now)
        used += time.process_time() - begin
    return Cost("engine", calls, seconds, round(1000 * used / calls / seconds, 4))


def system_calls_cost(calls: int, seconds: float) -> Cost:
    """The floor: nothing but one receive and one send per packet, at a worker's pace."""
    lines = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(calls)]
    for line in lines:
        line.bind(("127.0.0.1", 0))
        line.setblocking(False)
    callers = Callers([line.getsockname() for line in lines])
    data = bytes(rtp.HEADER_SIZE + SAMPLES)
    for line in lines:
        line.connect(callers.socket.getsockname())
    load = threading.Thread(target=callers.run, args=(seconds,))
    used, begin = 0.0, time.monotonic()
    load.start()
    for number in range(round(seconds * 1000 / PACKET_MS)):
        time.sleep(max(0.0, begin + number * PACKET_MS / 1000 - time.monotonic()))
        before = time.thread_time()
        for line in lines:
            with contextlib.suppress(BlockingIOError):
                line.recv_into(_SCRAP)
        for line in lines:
            line.send(data)
        used += time.thread_time() - before
    load.join()
    for udp in (*lines, callers.socket):
        udp.close()
    return Cost("system calls", calls, seconds, round(1000 * used / calls / seconds, 4))


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, to the nanosecond as the scheduler counts it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Callers:
    """All the callers in one socket: sends each call's packet every 20 ms, counts what comes.

    `secured`: what they send with, None for plain RTP.
    """

    def __init__(self, targets: list[tuple[str, int]], secured: Session | None = None) -> None:
        self.secured = secured
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.targets = targets
        self.received = 0
        self.late = 0.0

    def run(self, seconds: float) -> int:
        """Keep it up for `seconds`; how many packets each caller sent. Calls are spread in time."""
        data = packets_of(len(self.targets))
        start = time.monotonic()
        steps = round(seconds * 1000 / PACKET_MS)
        parts = np.array_split(np.arange(len(self.targets)), PACKET_MS)
        for step in range(steps):
            advance(data, step)
            for millisecond, part in enumerate(parts):
                deadline = start + (step * PACKET_MS + millisecond) / 1000
                self.drain()
                # Asleep, not in poll: each packet that wakes its reader costs the one who sends it.
                if (wait := deadline - time.monotonic()) > 0:
                    time.sleep(wait)
                self.late = max(self.late, time.monotonic() - deadline)
                for index in part.tolist():
                    packet = data[index].tobytes()
                    if self.secured is not None:
                        packet = self.secured.protect(packet)
                    self.socket.sendto(packet, self.targets[index])
        return steps

    def drain(self) -> None:
        """Count what has come."""
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv_into(_SCRAP):
                self.received += 1


_SCRAP = bytearray(rtp.MAX_PACKET)


async def worker_cost(
    calls: int, seconds: float, suite: str = "", *, io_uring: bool = True
) -> Cost:
    """A worker process and `calls` callers on 127.0.0.1: CPU of the worker. With SRTP of `suite`
    where one is named."""
    keys, secured = None, None
    if suite:
        profile, size = SUITES[suite]
        keys = SrtpKeys(suite, os.urandom(size), os.urandom(size))
        secured = Session(Policy(keys.theirs, Policy.SSRC_ANY_OUTBOUND, 0, profile))
    bank = os.memfd_create("bench")
    os.truncate(bank, 2 * BANK_SIZE)
    pool = await MediaPool.start(
        MediaSettings(workers=1, port_rest=0.0, io_uring=io_uring), PromptBankFile(bank, BANK_SIZE)
    )
    os.close(bank)
    try:
        sessions = [await pool.open(lambda event: None) for _ in range(calls)]
        callers = Callers([session.local for session in sessions], secured)
        remote = callers.socket.getsockname()
        for session in sessions:
            params = StreamParams(remote, None, "pcma", PAYLOAD_TYPE, PACKET_MS, {}, keys=keys)
            session.configure(params)
            session.play([Clip(0, BANK_SIZE)], barge_in=True)
        await pool.stats()  # once it answers, it has taken all of that
        callers.drain()
        [pid] = pool.pids
        before, begin = cpu_seconds(pid), time.monotonic()
        sent = await asyncio.to_thread(callers.run, seconds)
        used, elapsed = cpu_seconds(pid) - before, time.monotonic() - begin
        [load] = await pool.stats()
        figures = [await session.close() for session in sessions]
        await asyncio.sleep(0.05)
        callers.drain()
    finally:
        await pool.close()
    kind = suite or ("" if io_uring else "without io_uring")
    missed = sum(stats.sent for stats in figures) - callers.received
    unheard = sent * calls - sum(stats.received for stats in figures)
    return Cost(
        what=f"worker, {kind}" if kind else "worker",
        calls=calls,
        seconds=round(elapsed, 1),
        cpu_ms=round(1000 * used / calls / elapsed, 4),
        lost=max(0, missed) + max(0, unheard),
        late_ticks=load.late_ticks,
        callers_late_ms=round(1000 * callers.late, 1),
        conclusive=1000 * callers.late <= LATE_MS,
    )


def main() -> None:
    """Run for each number of calls; print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, nargs="+", default=[50, 200, 500])
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    costs: list[Cost] = []
    for calls in options.calls:
        costs.append(system_calls_cost(calls, options.seconds))
        costs.append(engine_cost(calls, options.seconds))
        costs.append(asyncio.run(worker_cost(calls, options.seconds, io_uring=False)))
        costs += [
            asyncio.run(worker_cost(calls, options.seconds, suite)) for suite in ("", *SUITES)
        ]
    table = Table(title="CPU of a call's sound")
    for heading in ("what", "calls", "ms per call-second", "lost", "late ticks", "load late, ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for cost in costs:
        table.add_row(
            cost.what,
            str(cost.calls),
            f"{cost.cpu_ms:.3f}" if cost.conclusive else f"({cost.cpu_ms:.3f}) load was late",
            str(cost.lost),
            str(cost.late_ticks),
            f"{cost.callers_late_ms:.1f}",
        )
    Console(stderr=True).print(table)
    print(json.dumps([asdict(cost) for cost in costs]))


if __name__ == "__main__":
    main()

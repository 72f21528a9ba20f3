"""What a held call costs: N callers at once who hear prompts and key digits (`make bench`).

Starts `ivr serve` in a folder of its own with the demo file, rings it with a fleet of callers on
127.0.0.1 and prints a table (and JSON with `--json`): CPU of all server processes per call-second,
packet loss and inter-arrival as the callers hear it, set-up time. When the callers themselves were
late the figures prove nothing, and it says so and exits 1.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Fleet, percentile
from tests.running import RunningServer, command, run, running_server, write_config

LINE = "0810257510"
# A matricule, then back: the caller hears prompts and is heard, and nothing is hashed.
KEYS = "0123456*"
# A caller keys some 25 digits in 3 minutes; these key 8 every 22 s.
PAUSE = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
LATE = 10e-3


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. CPU in milliseconds per call-second, times in milliseconds, memory in KB."""

    calls: int
    failed: int
    seconds: float
    cpu_ms: float
    cpu_front_ms: float
    cpu_media_ms: float
    received: int
    lost: int
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    set_up_p95_ms: float
    first_packet_p95_ms: float
    memory_per_call_kb: float
    callers_late_p99_ms: float

    @property
    def conclusive(self) -> bool:
        """Whether the callers kept their own clock, so that the figures speak of the server."""
        return self.callers_late_p99_ms <= LATE * 1e3


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_kb(pid: int) -> int:
    """Resident memory of a process that it shares with no other."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


async def measure(calls: int, rate: float, seconds: float) -> Figures:
    """Start a server, hold `calls` calls for `seconds`, stop it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = {"sip.max_calls": calls + 10, "sip.max_cps": 1000}
        config = write_config(folder, changes)
        for step in ("migrate", "demo"):
            status, _, error = await run(command("auth-core"), step, "--config", str(config))
            if status:
                raise SystemExit(error)
        async with running_server(folder, changes) as server:
            return await asyncio.to_thread(_measure, server, calls, rate, seconds)


def _measure(server: RunningServer, calls: int, rate: float, seconds: float) -> Figures:
    front: int = server.ready["pid"]
    workers: list[int] = server.ready["media_workers"]
    processes = [front, *workers]
    idle = sum(memory_kb(pid) for pid in processes)
    target = ("127.0.0.1", server.port)
    fleet = Fleet(target, LINE, count=calls, rate=rate, keys=KEYS, pause=PAUSE)
    fleet.ramp_up()
    before = {pid: cpu_seconds(pid) for pid in processes}
    fleet.measure(seconds)
    used = {pid: cpu_seconds(pid) - before[pid] for pid in processes}
    held = sum(memory_kb(pid) for pid in processes) - idle
    report = fleet.hang_up()
    per_call_second = 1e3 / max(report.call_seconds, 1e-9)
    return Figures(
        calls=report.calls,
        failed=report.failed,
        seconds=seconds,
        cpu_ms=sum(used.values()) * per_call_second,
        cpu_front_ms=used[front] * per_call_second,
        cpu_media_ms=sum(used[pid] for pid in workers) * per_call_second,
        received=report.received,
        lost=report.lost,
        gap_p50_ms=percentile(report.gaps, 0.5) * 1e3,
        gap_p99_ms=percentile(report.gaps, 0.99) * 1e3,
        gap_max_ms=max(report.gaps, default=0.0) * 1e3,
        set_up_p95_ms=percentile(report.set_up, 0.95) * 1e3,
        first_packet_p95_ms=percentile(report.first_packet, 0.95) * 1e3,
        memory_per_call_kb=held / max(report.calls, 1),
        callers_late_p99_ms=percentile(report.lateness, 0.99) * 1e3,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=200, help="calls held at once")
    parser.add_argument("--rate", type=float, default=50.0, help="calls started a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="time measured")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.calls, options.rate, options.seconds))
    if options.json:
        print(json.dumps(asdict(figures), indent=2))
    else:
        table = Table("figure", "value", title=f"{figures.calls} calls that play and collect")
        for name, value in asdict(figures).items():
            table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
        Console().print(table)
    if not figures.conclusive:
        print("The callers were late: the machine is too busy to conclude.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the operator's console costs while calls are held, and how soon its pages are there.

`python -m benchmarks.console --calls 1000` holds the calls, measures what the server takes with
nobody at the console and with somebody who looks at the live page of calls, in turns, and then asks
for every page again and again. Prints a table (JSON with `--json`); exits with 1 when a page takes
over 300 ms or the console over 2 % of a CPU, and when the callers themselves were late.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.calls import BETWEEN_ROUNDS, SETTLE, wandering
from benchmarks.fleet import Fleet, FleetReport, percentile
from benchmarks.keying import Scripts
from benchmarks.processes import Processes, with_children
from benchmarks.targets import LINE, prepare_files, roomy
from ivr.console.desk import NAV
from ivr.users import hashed
from tests.console.conftest import PASSWORD, log_in
from tests.running import RunningServer, running_server

PAGE_MS, CPU_PERCENT = 300.0, 2.0
TURNS = 4
ASKED = 10
"""Times that each page is asked for."""
BETWEEN_PAGES = 0.05  # seconds: somebody who clicks fast
PAGES_WITHIN = 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU in percent of one CPU, times in milliseconds. `gap_p99_ms`: of all that callers heard."""

    calls: int
    failed: int
    cpu_without: float
    cpu_with: float
    page_p50_ms: float
    page_p95_ms: float
    page_max_ms: float
    lost: int
    gap_p99_ms: float
    conclusive: bool

    @property
    def good(self) -> bool:
        return self.page_max_ms <= PAGE_MS and self.cpu_with - self.cpu_without <= CPU_PERCENT


async def measure(calls: int, turn: float) -> Figures:
    """Hold `calls` and look at them in turns of `turn` seconds, then at every page."""
    users = [{"name": "anna", "role": "operator", "password": hashed(PASSWORD)}]
    settings = {**roomy(calls), "log.level": "error", "console.users": users}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await asyncio.to_thread(prepare_files, folder)
        async with (
            running_server(folder, settings) as server,
            httpx.AsyncClient(base_url=server.ready["console"], timeout=30) as anna,
        ):
            await log_in(anna)
            fleet, up = _fleet(server, calls), asyncio.Event()
            ready = partial(asyncio.get_running_loop().call_soon_threadsafe, up.set)
            # What the turns and the pages take is within what is measured of the calls.
            seconds = 2 * TURNS * turn + PAGES_WITHIN
            holding = asyncio.create_task(asyncio.to_thread(_hold, fleet, calls, seconds, ready))
            await up.wait()
            without, looked_at = await _in_turns(server, anna, turn)
            pages = await _pages(anna)
            report = await holding
    return Figures(
        calls=report.tally.answered,
        failed=report.tally.placed - report.tally.answered,
        cpu_without=without,
        cpu_with=looked_at,
        page_p50_ms=percentile(pages, 0.5) * 1e3,
        page_p95_ms=percentile(pages, 0.95) * 1e3,
        page_max_ms=max(pages) * 1e3,
        lost=report.heard.lost,
        gap_p99_ms=report.heard.gap(0.99) * 1e3,
        conclusive=report.conclusive,
    )


def _fleet(server: RunningServer, calls: int) -> Fleet:
    scripts = Scripts()
    wandering(scripts)
    return Fleet(("127.0.0.1", server.port), LINE, capacity=calls, scripts=scripts)


def _hold(fleet: Fleet, calls: int, seconds: float, up: Callable[[], object]) -> FleetReport:
    """Hold the calls; `up` is called once all are answered. Blocks."""
    fleet.ramp_up(calls, rate=100, script=0, spread=BETWEEN_ROUNDS)
    fleet.settle(SETTLE)
    up()
    fleet.measure(seconds)
    return fleet.hang_up()


async def _in_turns(
    server: RunningServer, anna: httpx.AsyncClient, turn: float
) -> tuple[float, float]:
    """What the server takes with nobody at the console, and with somebody: percent of one CPU."""
    processes = Processes({"all": with_children(server.process.pid)})
    without, looked_at = [], []
    for _ in range(TURNS):
        without.append(await _taken(processes, turn))
        looking = asyncio.create_task(_look(anna))
        looked_at.append(await _taken(processes, turn))
        looking.cancel()
        await asyncio.wait([looking])
    return statistics.mean(without), statistics.mean(looked_at)


async def _taken(processes: Processes, seconds: float) -> float:
    begun, before = time.monotonic(), sum(processes.cpu().values())
    await asyncio.sleep(seconds)
    used = sum(processes.cpu().values()) - before
    return 100 * used / (time.monotonic() - begun)


async def _look(anna: httpx.AsyncClient) -> None:
    """Open the page of calls, and have it told what changes."""
    await anna.get("/")
    async with anna.stream("GET", "/", headers={"Accept": "text/event-stream"}) as stream:
        async for _ in stream.aiter_lines():
            pass


async def _pages(anna: httpx.AsyncClient) -> list[float]:
    """Seconds that each page took, each asked for again and again."""
    took = []
    for _ in range(ASKED):
        for path, _ in NAV:
            begun = time.monotonic()
            answer = await anna.get(path)
            answer.raise_for_status()
            took.append(time.monotonic() - begun)
            await asyncio.sleep(BETWEEN_PAGES)
    return took


def table_of(figures: Figures) -> Table:
    """The figures, one to a line."""
    table = Table("figure", "value")
    for name, value in asdict(figures).items():
        table.add_row(name, f"{value:.2f}" if isinstance(value, float) else str(value))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--turn", type=float, default=5.0, help="seconds of each of the turns")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.calls, options.turn))
    if options.json:
        print(json.dumps(asdict(figures), indent=2))
    else:
        Console().print(table_of(figures))
    if not figures.conclusive:
        print("The callers themselves were late: nothing to conclude.", file=sys.stderr)
        return 1
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())

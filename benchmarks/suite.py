"""Every figure that the server is to reach, measured one after the other (`make bench`).

Starts `ivr serve` in a folder of its own for each run, rings it with callers on 127.0.0.1, and says
of each figure whether it was reached; pictures and all figures as JSON go to `--output`. With
`--peer sip:LINE@HOST:PORT --pid N` another server is held to the same calls beside ours, in turn.
Exits with 1 when a figure was missed, or when the callers were late and nothing can be said.

`make soak` has the one that takes too long here: memory after 100,000 calls.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import barge_in, calls, plots, short_calls
from benchmarks.calls import Figures as HeldFigures
from benchmarks.calls import Load, Run
from benchmarks.media_engine import system_calls_cost
from benchmarks.processes import ProcessGone
from benchmarks.targets import own_server, peer, prepare_files, roomy, settings_of, target_options
from tests.running import Prepared

RATE = 100.0
FEW, MANY, MOST = 500, 1_000, 1_500
LOGINS = 1.2 / 180
"""Of one caller, a second: some key a wrong secret first, and a call lasts three minutes."""
LOADS = (
    Load(FEW, RATE, 25.0),
    Load(MANY, RATE, 35.0, logins=LOGINS * MANY),
    Load(MOST, RATE, 25.0),
)
SHORT_RATES = (100.0, 200.0, 300.0)
SHORT_RATE = 200.0
SHORT_SECONDS = 12.0
READY = 2.0  # s
BARGE_IN_CALLS, BARGE_IN_SECONDS = 200, 10.0
FLOOR_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reached:
    """One figure: what was measured beside what is wanted. `met`: None when nothing can be said."""

    what: str
    measured: str
    wanted: str
    met: bool | None


@dataclass(slots=True)
class Results:
    """What was measured; by what server and how many calls, "500" or "500, peer". `floor_ms`: CPU
    per call-second of nothing but a receive and a send for each packet, a machine's own measure;
    `faults`: runs that did not come to their end, and why."""

    runs: dict[str, Run] = field(default_factory=dict)
    short: list[short_calls.Figures] = field(default_factory=list)
    keyed: list[barge_in.Figures] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    floor_ms: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": {name: asdict(run.figures) for name, run in self.runs.items()},
            "floor_ms": self.floor_ms,
            "short_calls": [asdict(figures) for figures in self.short],
            "barge_in": [asdict(figures) for figures in self.keyed],
            "reached": [asdict(reached) for reached in judged(self)],
            "faults": self.faults,
        }


def judged(results: Results) -> list[Reached]:
    """Each figure that is wanted, in the order of the runs."""
    return [*_held(results), *_short(results), *_barge_in(results)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A figure of one run, and the most that it may be."""

    calls: int
    what: str
    limit: float
    unit: str
    measure: Callable[[HeldFigures], float | None]


_WANTED = (
    _Wanted(FEW, "CPU per call-second", 0.5, "ms", lambda run: run.cpu_ms),
    _Wanted(
        MANY,
        "last digit to first sound, p95",
        500,
        "ms",
        lambda run: run.verdict_p95_ms if run.logins else float("inf"),
    ),
    _Wanted(MANY, "steps of the front over 10 ms", 0, "steps", lambda run: run.slow_steps),
    _Wanted(MOST, "failed or cut", 0, "calls", lambda run: run.failed + run.hung_up_by_server),
    _Wanted(MOST, "lost on the way to the callers", 0, "packets", lambda run: run.lost),
    _Wanted(MOST, "lost on the way to the server", 0, "packets", lambda run: run.lost_to_server),
    _Wanted(MOST, "inter-arrival p99", 25, "ms", lambda run: run.gap_p99_ms),
    _Wanted(MOST, "memory per call", 100, "KB", lambda run: run.memory_per_call_kb),
)


def _held(results: Results) -> list[Reached]:
    reached = []
    for wanted in _WANTED:
        name = f"{wanted.what}, {wanted.calls} calls"
        limit = f"≤ {wanted.limit:g} {wanted.unit}" if wanted.limit else "none"
        run = results.runs.get(str(wanted.calls))
        if run is None:
            reached.append(Reached(name, "no run", limit, None))
        elif (value := wanted.measure(run.figures)) is not None:
            met = value <= wanted.limit if run.figures.conclusive else None
            reached.append(Reached(name, f"{round(value, 2):g} {wanted.unit}", limit, met))
    ready = [run.figures.ready_s for run in results.runs.values() if run.figures.ready_s]
    if ready:
        name, slowest = f"ready, slowest of {len(ready)} starts", max(ready)
        reached.append(Reached(name, f"{slowest:.2f} s", f"≤ {READY:g} s", slowest <= READY))
    return reached


def _short(results: Results) -> list[Reached]:
    what = f"set-up p95 at {SHORT_RATE:.0f} short calls a second"
    wanted = f"≤ {short_calls.PATIENCE_MS:.0f} ms, none failed"
    figures = next((row for row in results.short if row.rate == SHORT_RATE), None)
    if figures is None:
        return [Reached(what, "no run", wanted, None)]
    text = f"{figures.set_up_p95_ms:.1f} ms, {figures.failed} failed"
    return [Reached(what, text, wanted, figures.kept_up if figures.conclusive else None)]


def _barge_in(results: Results) -> list[Reached]:
    by_way = {figures.way: figures for figures in results.keyed}
    reached = []
    for way, limit in barge_in.WAYS.items():
        what = f"key to silence by {way}, {BARGE_IN_CALLS} calls"
        wanted = f"≤ {limit:.0f} ms, each"
        if (figures := by_way.get(way)) is None:
            reached.append(Reached(what, "no run", wanted, None))
        else:
            text = f"{figures.max_ms:.0f} ms, {figures.unanswered} without effect"
            met = figures.met if figures.conclusive else None
            reached.append(Reached(what, text, wanted, met))
    return reached


def targets_table(reached: Sequence[Reached]) -> Table:
    """What was reached, what was missed, and what can't be said."""
    table = Table("figure", "measured", "wanted", "met", title="What was to be reached")
    for row in reached:
        met = {True: "[green]yes", False: "[red]NO", None: "[yellow]can't be said"}[row.met]
        table.add_row(row.what, row.measured, row.wanted, met)
    return table


def runs_table(runs: dict[str, Run]) -> Table:
    """A column for each run."""
    table = Table("held calls", *runs)
    columns = [asdict(run.figures) for run in runs.values()]
    for name in columns[0]:
        if name != "cpu_of_parts_ms":
            table.add_row(name, *(_text(column[name]) for column in columns))
    for part in sorted({part for column in columns for part in column["cpu_of_parts_ms"]}):
        table.add_row(
            f"cpu_ms of {part}", *(_text(column["cpu_of_parts_ms"].get(part)) for column in columns)
        )
    return table


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


async def measure(options: argparse.Namespace) -> Results:
    """All the runs. Raises ValueError: options that don't fit."""
    if (options.peer is None) != (options.pid is None):
        raise ValueError("--peer and --pid go together")
    changes = settings_of(options)
    results = Results()
    with tempfile.TemporaryDirectory() as name:
        prepared = await asyncio.to_thread(prepare_files, Path(name))
        _say(f"{FEW} calls of system calls alone")
        floor = await asyncio.to_thread(system_calls_cost, FEW, FLOOR_SECONDS)
        results.floor_ms = floor.cpu_ms
        for load in LOADS:
            await _hold(prepared, load, changes, results)
            if options.peer is not None:
                await _hold_peer(options, load, results)
        try:
            async with own_server(prepared, {**roomy(short_calls.ROOM), **changes}) as target:
                for rate in SHORT_RATES:
                    _say(f"{rate:.0f} short calls a second")
                    results.short.append(
                        await asyncio.to_thread(short_calls.ring, target, rate, SHORT_SECONDS)
                    )
        except ProcessGone as gone:
            results.faults["short calls"] = str(gone)
        _say(f"{BARGE_IN_CALLS} calls that key over a prompt")
        try:
            results.keyed = await barge_in.measure(
                prepared, [BARGE_IN_CALLS], BARGE_IN_SECONDS, changes
            )
        except ProcessGone as gone:
            results.faults["key to silence"] = str(gone)
    return results


async def _hold(prepared: Prepared, load: Load, changes: dict[str, Any], results: Results) -> None:
    _say(f"{load.calls} calls")
    try:
        async with own_server(prepared, {**roomy(load.calls), **changes}) as target:
            results.runs[str(load.calls)] = await asyncio.to_thread(calls.hold, target, load)
    except ProcessGone as gone:
        results.faults[f"{load.calls} calls"] = str(gone)


async def _hold_peer(options: argparse.Namespace, load: Load, results: Results) -> None:
    name = f"{load.calls}, peer"
    _say(f"{load.calls} calls to the peer")
    try:
        target = peer(options.peer, options.pid)
        results.runs[name] = await asyncio.to_thread(calls.hold, target, load)
    except ProcessGone as gone:
        results.faults[name] = str(gone)


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, help="folder for figures.json and the pictures")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    target_options(parser)
    options = parser.parse_args()
    try:
        results = asyncio.run(measure(options))
    except ValueError as error:
        parser.error(str(error))
    reached = judged(results)
    if options.json:
        print(json.dumps(results.as_json(), indent=2))
    else:
        console = Console()
        if results.runs:
            console.print(runs_table(results.runs))
        if results.short:
            console.print(short_calls.table_of(results.short))
        if results.keyed:
            console.print(barge_in.table_of(results.keyed))
        console.print(targets_table(reached))
        console.print(
            f"Two system calls a packet, alone: {results.floor_ms:.3f} ms per call-second."
        )
    for what, fault in results.faults.items():
        print(f"{what}: {fault}", file=sys.stderr)
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "figures.json").write_text(json.dumps(results.as_json(), indent=2))
        for file in plots.draw(results.runs, results.short, options.output):
            print(file, file=sys.stderr)
    return 0 if all(row.met for row in reached) else 1


if __name__ == "__main__":
    sys.exit(main())

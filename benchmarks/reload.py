"""What a reload costs those who are on the line: no call, and how much of their sound?

`python -m benchmarks.reload --calls 100` holds the calls twice, the second time with `ivr reload`
again and again: each brings a new recording, a new dialplan, new hours and a new limit. Prints a
table (JSON with `--json`); exits with 1 when a call was dropped, a packet lost or sound came too
late, and when the callers themselves were too slow to conclude.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import wave
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.calls import BETWEEN_ROUNDS, SETTLE, wandering
from benchmarks.fleet import Fleet, FleetReport
from benchmarks.keying import Scripts
from benchmarks.processes import Processes
from benchmarks.targets import LINE, Target, prepare_files, roomy
from ivr.prompts import RATE, read_recording
from tests.running import PROJECT, RunningServer, command, run, running_server, write_config

MAY_COST_MS = 20.0
"""Of sound: the longest time between two packets may be as much more than the 20 ms that it is."""
USUAL_MS = 20.0
BETWEEN_RELOADS = 0.5
OWN_FILES = {"dialplans": "dialplans", "prompts": "prompts"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What the callers of one run heard; times in milliseconds. `reload_ms`: from the command to
    its end, its own start included, the median."""

    calls: int
    dropped: int
    lost: int
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    reloads: int
    reload_ms: float
    conclusive: bool

    @property
    def good(self) -> bool:
        """Every caller stayed, and nobody missed more than may be."""
        return not self.dropped and not self.lost and self.gap_max_ms <= USUAL_MS + MAY_COST_MS


async def measure(calls: int, seconds: float) -> tuple[Figures, Figures]:
    """Without reloads, and with them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await asyncio.to_thread(_lay_out, folder)
        settings = {**OWN_FILES, **roomy(calls), "log.level": "error"}
        async with running_server(folder, settings) as server:
            target = Target(("127.0.0.1", server.port), LINE, Processes({}), own=server)
            without = await asyncio.to_thread(hold, target, calls, seconds)
            async with _reloading(server, calls) as took:
                report = await asyncio.to_thread(hold, target, calls, seconds)
            return _figures(without, []), _figures(report, took)


def _lay_out(folder: Path) -> None:
    """A folder in which a server starts on dialplans and prompts of its own."""
    prepare_files(folder)
    for files in OWN_FILES:
        shutil.copytree(PROJECT / files, folder / files)


def hold(target: Target, calls: int, seconds: float) -> FleetReport:
    """Hold calls whose callers key and listen. Blocks."""
    scripts = Scripts()
    script = wandering(scripts)
    fleet = Fleet(target.address, target.line, capacity=calls, scripts=scripts)
    fleet.ramp_up(calls, rate=25, script=script, spread=BETWEEN_ROUNDS)
    fleet.settle(SETTLE)
    fleet.measure(seconds)
    return fleet.hang_up()


@contextlib.asynccontextmanager
async def _reloading(server: RunningServer, calls: int) -> AsyncIterator[list[float]]:
    """Change and reload, again and again, while this is entered; the seconds that each took."""
    took: list[float] = []
    stop = asyncio.Event()

    async def again() -> None:
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            await asyncio.to_thread(_change, server.folder, calls, len(took))
            begun = clock()
            code, _, err = await run(command("ivr"), "reload", "--config", str(server.config))
            if code:
                raise RuntimeError(f"a reload was refused: {err}")
            took.append(clock() - begun)
            await asyncio.sleep(BETWEEN_RELOADS)

    task = asyncio.create_task(again())
    try:
        yield took
    finally:
        stop.set()
        await task


def _change(folder: Path, calls: int, number: int) -> None:
    """Another `ask_secret`, other timers, other hours, another limit."""
    recording = Path("prompts") / "fr" / "ask_secret.wav"
    samples = read_recording(PROJECT / recording)
    with wave.open(str(folder / recording), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((samples - number % 7).astype("<i2").tobytes())
    plan = Path("dialplans") / "caller.yaml"
    text = (PROJECT / plan).read_text(encoding="utf-8")
    changed = text.replace("first_digit: 7", f"first_digit: 7.{number % 9 + 1}")
    (folder / plan).write_text(changed, encoding="utf-8")
    hours = {"mon-fri": f"09:{number % 60:02}-16:30"}
    line = {"number": LINE, "caf": "751", "hours": hours}
    limits = {**roomy(calls), "sip.max_calls": calls + 11 + number}
    write_config(folder, {**OWN_FILES, **limits, "log.level": "error", "lines": [line]})


def _figures(report: FleetReport, took: list[float]) -> Figures:
    tally, heard = report.tally, report.heard
    return Figures(
        calls=tally.answered,
        dropped=tally.placed - tally.answered + tally.hung_up,
        lost=heard.lost,
        gap_p50_ms=heard.gap(0.5) * 1e3,
        gap_p99_ms=heard.gap(0.99) * 1e3,
        gap_max_ms=heard.gap_max * 1e3,
        reloads=len(took),
        reload_ms=statistics.median(took) * 1e3 if took else 0.0,
        conclusive=report.conclusive,
    )


def table_of(without: Figures, during: Figures) -> Table:
    """Both runs side by side."""
    table = Table("", "without", "with reloads")
    for name, before in asdict(without).items():
        after = getattr(during, name)
        shown = [f"{value:.1f}" if isinstance(value, float) else value for value in (before, after)]
        table.add_row(name.replace("_", " "), *map(str, shown))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    without, during = asyncio.run(measure(options.calls, options.seconds))
    if options.json:
        print(json.dumps({"without": asdict(without), "with": asdict(during)}, indent=2))
    else:
        Console().print(table_of(without, during))
    if not (without.conclusive and during.conclusive):
        print("The callers themselves were late: nothing to conclude.", file=sys.stderr)
        return 1
    return 0 if during.good else 1


if __name__ == "__main__":
    sys.exit(main())

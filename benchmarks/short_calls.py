"""How many short calls a second, and how long their callers wait for the answer.

`python -m benchmarks.short_calls` starts `ivr serve` in a folder of its own, rings it at one rate
after the other, each call hung up 150 ms after its answer. Prints a table (JSON with `--json`);
exits with 1 when the callers themselves were late.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fleet import LATE, Fleet, percentile
from benchmarks.keying import Scripts
from benchmarks.targets import Target, chosen_target, measured, roomy, target_options

STAYS = 0.15  # s
ROOM = 2_000  # calls at once, more than any rate needs that is kept up
PATIENCE_MS = 20.0
"""The 95th percentile of the set-up time with which a rate counts as kept up."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One rate. `rate`: calls wanted a second; `placed_rate`: what the callers came to; CPU in
    milliseconds per call, other times in milliseconds."""

    rate: float
    placed_rate: float
    placed: int
    failed: int
    repeated: int
    set_up_p50_ms: float
    set_up_p95_ms: float
    set_up_p99_ms: float
    set_up_max_ms: float
    cpu_per_call_ms: float
    cpu_of_parts_ms: dict[str, float]
    callers_late_p99_ms: float
    conclusive: bool

    @property
    def kept_up(self) -> bool:
        """Whether every call was answered, nearly all of them soon."""
        return not self.failed and self.set_up_p95_ms <= PATIENCE_MS


def ring(target: Target, rate: float, seconds: float) -> Figures:
    """Ring at one rate. Blocks."""
    fleet = Fleet(target.address, target.line, capacity=ROOM, scripts=Scripts())
    before = target.processes.cpu()
    fleet.ring(rate, seconds, STAYS)
    report = fleet.hang_up()
    after = target.processes.cpu()
    tally = report.tally
    per_call = 1e3 / max(tally.placed, 1)
    used = {part: (after[part] - before[part]) * per_call for part in before}
    return Figures(
        rate=rate,
        placed_rate=tally.placed / max(report.seconds, 1e-9),
        placed=tally.placed,
        failed=tally.placed - tally.answered,
        repeated=tally.repeated,
        set_up_p50_ms=percentile(tally.set_up, 0.5) * 1e3,
        set_up_p95_ms=percentile(tally.set_up, 0.95) * 1e3,
        set_up_p99_ms=percentile(tally.set_up, 0.99) * 1e3,
        set_up_max_ms=max(tally.set_up, default=0.0) * 1e3,
        cpu_per_call_ms=sum(used.values()),
        cpu_of_parts_ms=used,
        callers_late_p99_ms=report.late * 1e3,
        conclusive=report.conclusive and tally.placed >= 0.98 * rate * seconds,
    )


def table_of(figures: Sequence[Figures]) -> Table:
    """A column for each rate."""
    table = Table("short calls", *(f"{of_rate.rate:.0f}/s" for of_rate in figures))
    for name in asdict(figures[0]):
        if name not in ("rate", "cpu_of_parts_ms"):
            table.add_row(name, *(_text(getattr(of_rate, name)) for of_rate in figures))
    for part in figures[0].cpu_of_parts_ms:
        table.add_row(f"  of {part}", *(_text(row.cpu_of_parts_ms[part]) for row in figures))
    table.add_row("kept up", *(str(of_rate.kept_up) for of_rate in figures))
    return table


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


async def _measure(options: argparse.Namespace) -> list[Figures]:
    with tempfile.TemporaryDirectory() as name:
        async with chosen_target(options, Path(name), roomy(ROOM)) as target:
            return [
                await asyncio.to_thread(ring, target, rate, options.seconds)
                for rate in options.rates
            ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0, 100.0, 200.0, 300.0])
    parser.add_argument("--seconds", type=float, default=10.0, help="time at each rate")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    target_options(parser)
    options = parser.parse_args()
    figures = measured(parser, _measure(options))
    if options.json:
        print(json.dumps([asdict(of_rate) for of_rate in figures], indent=2))
    else:
        Console().print(table_of(figures))
    if not all(of_rate.conclusive for of_rate in figures):
        print(
            f"The callers were more than {LATE * 1e3:.0f} ms late, or could not place the calls: "
            "nothing to conclude at that rate.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

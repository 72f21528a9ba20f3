"""Run the corpora, print the table; see the package."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.dtmf import plots
from benchmarks.dtmf.corpora import CORPORA, Want
from benchmarks.dtmf.scoring import Cost, Score, TalkOff, costs, met, scores, talk_off
from tests.receivers import Multimon, Ours, Receiver, Spandsp


def _cell(score: Score) -> str:
    extra = f" +{score.extra}" if score.extra else ""
    return f"{score.percent:.1f}{extra}"


def main() -> None:
    """Everything, or the corpora that are named."""
    parser = argparse.ArgumentParser(description="How well keys are heard in the sound")
    parser.add_argument("corpora", nargs="*", help=f"of {', '.join(CORPORA)}; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--hours", type=float, default=1.0, help="of speech; 0: no talk-off")
    parser.add_argument("--calls", type=int, default=500, help="of which CPU is measured; 0: none")
    parser.add_argument("--picture", type=Path, help="SVG file to draw (matplotlib, extra bench)")
    parser.add_argument("--no-multimon", action="store_true", help="leave multimon-ng out")
    options = parser.parse_args()
    if unknown := set(options.corpora) - set(CORPORA):
        parser.error(f"no corpus {', '.join(sorted(unknown))}; there are {', '.join(CORPORA)}")
    more: list[Receiver] = [] if options.no_multimon else [Multimon()]
    rows = [
        scores(point, [Ours(), Spandsp(dial_tone=point.dial_tone), *more])
        for name in options.corpora or CORPORA
        for point in CORPORA[name]()
    ]
    falsely = talk_off(options.hours, [Ours(), Spandsp(), *more]) if options.hours else []
    cpu = costs(options.calls) if options.calls else []
    all_met = all(map(met, rows)) and not any(
        found.digits for found in falsely if found.receiver == Ours.name
    )
    if options.picture:
        plots.draw([score for row in rows for score in row], options.picture)
    if options.json:
        print(
            json.dumps(
                {
                    "met": all_met,
                    "scores": [asdict(score) for row in rows for score in row],
                    "talk_off": [asdict(found) for found in falsely],
                    "cost": [asdict(found) for found in cpu],
                },
                ensure_ascii=False,
            )
        )
    else:
        _print(rows, falsely, cpu)
    sys.exit(0 if all_met else 1)


def _print(
    rows: Sequence[Sequence[Score]], falsely: Sequence[TalkOff], cpu: Sequence[Cost]
) -> None:
    console = Console(width=120)
    names = [score.receiver for score in rows[0]] if rows else []
    table = Table("limit", "at", "wanted", *(f"{name}, %" for name in names), "met")
    for row in rows:
        wanted = row[0].want
        verdict = "" if wanted == Want.OPEN else "yes" if met(row) else "NO"
        table.add_row(row[0].limit, row[0].value, wanted, *map(_cell, row), verdict)
    console.print(table)
    if falsely:
        table = Table("where nobody keys", "receiver", "seconds", "digits heard")
        for found in falsely:
            table.add_row(found.sound, found.receiver, f"{found.seconds:.0f}", str(found.digits))
        console.print(table)
    if cpu:
        table = Table("callers", "calls", "ms of CPU per call-second")
        for cost in cpu:
            table.add_row(cost.callers, str(cost.calls), f"{cost.cpu_ms:.3f}")
        console.print(table)


if __name__ == "__main__":
    main()

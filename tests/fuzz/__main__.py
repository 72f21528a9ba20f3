"""`python -m tests.fuzz --count 1000000 --seed 1`: a table, JSON with `--json`, finds as files.

Exits with 1 when something was found or something grew.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.fuzz.running import TARGETS, Report, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100_000, help="inputs, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(TARGETS), help="one target gets them all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--finds", type=Path, default=Path("var/fuzz"), help="where finds are kept")
    options = parser.parse_args()
    chosen = {name: make for name, make in TARGETS.items() if options.only in (None, name)}
    whole = sum(make.share for make in chosen.values())
    reports = []
    for make in chosen.values():
        count = options.count * make.share // whole
        reports.append(fuzz(make, count, options.seed))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if options.json:
        print(json.dumps([_without_data(report) for report in reports], indent=2))
    else:
        Console(width=110).print(_table(reports, options.seed))
    for report in reports:
        for find in report.finds:
            folder = options.finds / report.target.replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / find.name).write_bytes(find.data)
            print(f"{report.target}: {folder / find.name}\n{find.told}", file=sys.stderr)
    return 0 if all(report.clean for report in reports) else 1


def _table(reports: list[Report], seed: int) -> Table:
    total = sum(report.inputs for report in reports)
    table = Table(title=f"{total} damaged inputs, seed {seed}")
    table.add_column("target", no_wrap=True)
    for column in ("inputs", "read", "finds", "µs", "slowest µs", "µs/octet", "KB", "objects"):
        table.add_column(column, justify="right", no_wrap=True)
    for report in reports:
        table.add_row(
            report.target,
            str(report.inputs),
            str(report.read),
            str(len(report.finds)),
            f"{report.seconds * 1e6 / max(report.inputs, 1):.0f}",
            f"{report.slowest_us:.0f}",
            f"{report.slowest_us_per_octet:.2f}",
            f"{report.memory_after - report.memory_before:+d}",
            f"{report.objects_after - report.objects_before:+d}",
            style="" if report.clean else "red",
        )
    return table


def _without_data(report: Report) -> dict[str, Any]:
    shown = asdict(report)
    shown["finds"] = [find.name for find in report.finds]
    return shown


if __name__ == "__main__":
    sys.exit(main())

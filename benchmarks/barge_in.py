"""How soon a key stops what plays: from its first packet, as a caller sends it, to the first packet
of silence that the caller receives.

`python -m benchmarks.barge_in` starts `ivr serve` in a folder of its own with a flow that asks, and
asks again, in a steady noise: whatever is silent is our silence. Callers key over it, by RFC 4733
and then by tones in the sound that begin anywhere in a packet; few at once, then many. Prints a
table (JSON with `--json`); exits with 1 when a limit was missed, or the callers were late.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import LATE, Fleet, percentile
from benchmarks.keying import Press, Scripts, Wait
from benchmarks.targets import (
    Target,
    measured,
    own_server,
    prepare_files,
    roomy,
    set_option,
    settings_of,
)
from ivr.media.stream import Way
from tests.running import PROJECT, Prepared
from tests.sounds import RATE, white, write_wav

WAYS = {Way.RFC4733: 100.0, Way.INBAND: 120.0}
"""The ways in which callers key, and in milliseconds how soon it must be silent."""
INTER_DIGIT = 0.5
AFTER_SILENCE = 1.5
"""Seconds after a key that answers nothing in which the question plays again, and more."""
SPREAD = 2.0
_FLOW = f"""
start: ask
languages: [fr]
trouble: bye
give_up: {{silence: ask, errors: ask}}
timers: {{first_digit: 60, inter_digit: {INTER_DIGIT}}}
nodes:
  ask:
    kind: collect
    into: matricule
    lengths: [7]
    prompts: [ask_matricule]
    next: bye
  bye: {{kind: hang_up}}
"""
_PROMPT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Keys of one way. Times in milliseconds, from a key's first packet to the first silent one;
    `unanswered`: keys after which it did not become silent within two seconds."""

    way: str
    calls: int
    keys: int
    unanswered: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    limit_ms: float
    callers_late_p99_ms: float
    conclusive: bool

    @property
    def met(self) -> bool:
        """Whether every key was soon enough."""
        return self.keys > 0 and not self.unanswered and self.max_ms <= self.limit_ms


def lay_out(folder: Path) -> dict[str, Any]:
    """The flow and the noise in `folder`, and the keys of the config that name them."""
    dialplans, prompts = folder / "dialplans", folder / "prompts"
    dialplans.mkdir()
    (dialplans / "caller.yaml").write_text(_FLOW, encoding="utf-8")
    shutil.copytree(PROJECT / "prompts", prompts)
    noise = white(-20.0, np.random.default_rng(1))(RATE * _PROMPT_SECONDS)
    write_wav(prompts / "fr" / "ask_matricule.wav", noise)
    return {"dialplans": str(dialplans), "prompts": str(prompts)}


def key_over(target: Target, way: Way, calls: int, seconds: float) -> Figures:
    """Hold `calls` calls that key over the question again and again for `seconds`. Blocks."""
    scripts = Scripts()
    pauses = np.random.default_rng(2).uniform(AFTER_SILENCE, AFTER_SILENCE + 1.0, 50)
    keying = scripts.add(
        [
            Press(float(pause), "0123456789"[number % 10], Wait.SILENCE)
            for number, pause in enumerate(pauses)
        ],
        again_from=0,
    )
    tones = way is Way.INBAND
    fleet = Fleet(target.address, target.line, capacity=calls, scripts=scripts, tones=tones)
    fleet.ramp_up(calls, 50.0, keying, SPREAD)
    fleet.settle(SPREAD)
    fleet.measure(seconds)
    report = fleet.hang_up()
    silences = report.heard.silences
    return Figures(
        way=way,
        calls=report.tally.answered,
        keys=len(silences),
        unanswered=report.heard.unanswered,
        p50_ms=percentile(silences, 0.5) * 1e3,
        p95_ms=percentile(silences, 0.95) * 1e3,
        p99_ms=percentile(silences, 0.99) * 1e3,
        max_ms=max(silences, default=0.0) * 1e3,
        limit_ms=WAYS[way],
        callers_late_p99_ms=report.late * 1e3,
        conclusive=report.conclusive,
    )


async def measure(
    prepared: Prepared, calls: Sequence[int], seconds: float, changes: Mapping[str, Any]
) -> list[Figures]:
    """Each way with each number of calls, on a server with `changes` to its config."""
    with tempfile.TemporaryDirectory() as name:
        settings = {**roomy(max(calls)), **lay_out(Path(name)), **changes}
        async with own_server(prepared, settings) as target:
            return [
                await asyncio.to_thread(key_over, target, way, count, seconds)
                for count in calls
                for way in WAYS
            ]


async def _measure(options: argparse.Namespace) -> list[Figures]:
    with tempfile.TemporaryDirectory() as name:
        prepared = await asyncio.to_thread(prepare_files, Path(name))
        return await measure(prepared, options.calls, options.seconds, settings_of(options))


def table_of(figures: Sequence[Figures]) -> Table:
    """A column for each way and number of calls."""
    table = Table("key to silence", *(f"{row.way}, {row.calls} calls" for row in figures))
    for name in asdict(figures[0]):
        if name not in ("way", "calls"):
            table.add_row(name, *(_text(getattr(row, name)) for row in figures))
    table.add_row("met", *("yes" if row.met else "NO" for row in figures))
    return table


def _text(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description="How soon a key stops what plays")
    parser.add_argument("--calls", type=int, nargs="+", default=[5, 200], help="calls at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="time measured, of each")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    set_option(parser)
    options = parser.parse_args()
    figures = measured(parser, _measure(options))
    if options.json:
        print(json.dumps([asdict(row) for row in figures], indent=2))
    else:
        Console().print(table_of(figures))
    if not all(row.conclusive for row in figures):
        print(
            f"The callers were more than {LATE * 1e3:.0f} ms late: nothing to conclude there.",
            file=sys.stderr,
        )
        return 1
    return 0 if all(row.met for row in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

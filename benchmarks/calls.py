"""What held calls cost: N callers at once who hear prompts, key digits and log in.

`python -m benchmarks.calls --calls 500` starts `ivr serve` in a folder of its own, rings it with a
fleet of callers on 127.0.0.1 and prints a table (JSON with `--json`); with
`--peer sip:LINE@HOST:PORT --pid N` it rings another server instead. When the callers themselves
were late the figures prove nothing, and it says so and exits 1.
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

from benchmarks.fleet import LATE, Fleet, FleetReport, percentile
from benchmarks.keying import Scripts, Wait, entry
from benchmarks.targets import Login, Target, chosen_target, measured, roomy, target_options

# A caller keys some 25 digits in 3 minutes; these key 8 every 25 s, and nothing is hashed.
BETWEEN_ROUNDS = 20.0
LISTENS = 3.0
AFTER_LOGIN = 12.0
SETTLE = 3.0
LAST_LOGIN = 8.0
"""Seconds before the end of the measurement: a login that begins later has no answer in it."""
RECORDS_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. CPU in milliseconds per call-second, other times in milliseconds too, memory in KB.

    `cpu_of_callers_ms`: of the load itself. `lost`: packets that the callers missed;
    `lost_to_server`: those that they sent and the server did not hear, None where it doesn't say.
    `slow_steps`: of the server's event loop, over 10 ms, from the first call to the last BYE.
    `refused`: final answers other than 200, by status; `menu`: from the last digit of a matricule
    to the next prompt; `verdict`: from the last digit of a secret to
    the answer.
    """

    calls: int
    failed: int
    refused: dict[str, int]
    hung_up_by_server: int
    seconds: float
    ready_s: float | None
    slow_steps: int | None
    cpu_ms: float
    cpu_of_parts_ms: dict[str, float]
    cpu_of_callers_ms: float
    cores: float
    memory_per_call_kb: float
    set_up_p50_ms: float
    set_up_p95_ms: float
    first_packet_p95_ms: float
    received: int
    lost: int
    lost_to_server: int | None
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    menu_p50_ms: float
    menu_p95_ms: float
    logins: int
    verdict_p50_ms: float
    verdict_p95_ms: float
    verdict_p99_ms: float
    unanswered_keys: int
    callers_late_p99_ms: float
    callers_overflowed: int
    conclusive: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The figures, and what the callers saw in full."""

    figures: Figures
    report: FleetReport


@dataclass(frozen=True, slots=True)
class Load:
    """So many calls at once, `rate` started a second, held for `seconds`; `logins` a second."""

    calls: int
    rate: float
    seconds: float
    logins: float = 0.0


def hold(target: Target, load: Load) -> Run:
    """Hold the calls and measure. Blocks."""
    scripts = Scripts()
    wander = wandering(scripts)
    count = round(load.logins * max(0.0, load.seconds - LAST_LOGIN))
    logins = _login_scripts(scripts, target.logins, count)
    idle, slow_before = target.processes.memory_kb(), target.slow_steps()
    fleet = Fleet(target.address, target.line, capacity=load.calls, scripts=scripts)
    fleet.ramp_up(load.calls, load.rate, wander, spread=BETWEEN_ROUNDS)
    fleet.settle(SETTLE)
    fleet.detour(logins, over=load.seconds - LAST_LOGIN)
    before = target.processes.cpu()
    fleet.measure(load.seconds)
    after = target.processes.cpu()
    held = target.processes.memory_kb() - idle
    report = fleet.hang_up()
    slow = None if slow_before is None else (target.slow_steps() or 0) - slow_before
    return Run(_figures(target, report, _used(before, after), held, slow), report)


def wandering(scripts: Scripts) -> int:
    """A caller who keys a matricule, goes back, and listens for a while, again and again."""
    return scripts.add(
        # What a key cuts short may still be heard after it: only where nothing plays is the next
        # sound the answer.
        [*entry(BETWEEN_ROUNDS, "0123456", Wait.ANSWER), *entry(LISTENS, "*", Wait.NOTHING)],
        again_from=0,
    )


def _login_scripts(scripts: Scripts, logins: Sequence[Login], count: int) -> list[int]:
    """`count` scripts that log in, each to the next file, and then ask for the payments again and
    again."""
    if not logins:
        return []
    positions = [
        scripts.add(
            [
                *entry(0.1, login.matricule, Wait.ANSWER),
                *entry(LISTENS, login.secret, Wait.VERDICT),
                *entry(AFTER_LOGIN, "1", Wait.NOTHING),
            ],
            again_from=len(login.matricule) + len(login.secret),
        )
        for login in logins
    ]
    return [positions[number % len(positions)] for number in range(count)]


def _used(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {part: after[part] - before[part] for part in before}


def _figures(
    target: Target,
    report: FleetReport,
    used: dict[str, float],
    held_kb: int,
    slow_steps: int | None,
) -> Figures:
    tally, heard = report.tally, report.heard
    per_call_second = 1e3 / max(report.call_seconds, 1e-9)
    return Figures(
        calls=tally.answered,
        failed=tally.placed - tally.answered,
        refused={str(status): count for status, count in tally.statuses.items()},
        hung_up_by_server=tally.hung_up,
        seconds=report.seconds,
        ready_s=target.ready_in,
        slow_steps=slow_steps,
        cpu_ms=sum(used.values()) * per_call_second,
        cpu_of_parts_ms={part: of_part * per_call_second for part, of_part in used.items()},
        cpu_of_callers_ms=report.cpu * per_call_second,
        cores=sum(used.values()) / max(report.seconds, 1e-9),
        memory_per_call_kb=held_kb / max(tally.answered, 1),
        set_up_p50_ms=percentile(tally.set_up, 0.5) * 1e3,
        set_up_p95_ms=percentile(tally.set_up, 0.95) * 1e3,
        first_packet_p95_ms=percentile(report.first_packet, 0.95) * 1e3,
        received=heard.received,
        lost=heard.lost,
        lost_to_server=None if target.own is None else _lost_to_server(target),
        gap_p50_ms=heard.gap(0.5) * 1e3,
        gap_p99_ms=heard.gap(0.99) * 1e3,
        gap_max_ms=heard.gap_max * 1e3,
        menu_p50_ms=percentile(heard.answers, 0.5) * 1e3,
        menu_p95_ms=percentile(heard.answers, 0.95) * 1e3,
        logins=len(heard.verdicts),
        verdict_p50_ms=percentile(heard.verdicts, 0.5) * 1e3,
        verdict_p95_ms=percentile(heard.verdicts, 0.95) * 1e3,
        verdict_p99_ms=percentile(heard.verdicts, 0.99) * 1e3,
        unanswered_keys=heard.unanswered,
        callers_late_p99_ms=report.late * 1e3,
        callers_overflowed=report.overflowed,
        conclusive=report.conclusive,
    )


def _lost_to_server(target: Target) -> int:
    """What the server missed of the callers' sound, over the whole of their calls."""
    assert target.own is not None
    return sum(record["rtp"]["lost"] for record in target.own.records() if record["rtp"])


async def _measure(options: argparse.Namespace, load: Load) -> Run:
    with tempfile.TemporaryDirectory() as name:
        async with chosen_target(options, Path(name), roomy(load.calls)) as target:
            return await asyncio.to_thread(hold, target, load)


def table_of(figures: Figures) -> Table:
    """The figures, one to a line."""
    table = Table("figure", "value", title=f"{figures.calls} calls at once")
    for name, value in asdict(figures).items():
        if isinstance(value, dict):
            for part, of_part in value.items():
                table.add_row(f"  {part}", _text(of_part))
        else:
            table.add_row(name, _text(value))
    return table


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=200, help="calls held at once")
    parser.add_argument("--rate", type=float, default=100.0, help="calls started a second")
    parser.add_argument("--seconds", type=float, default=25.0, help="time measured")
    parser.add_argument("--logins", type=float, default=0.0, help="logins a second")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    target_options(parser)
    options = parser.parse_args()
    load = Load(options.calls, options.rate, options.seconds, options.logins)
    figures = measured(parser, _measure(options, load)).figures
    if options.json:
        print(json.dumps(asdict(figures), indent=2))
    else:
        Console().print(table_of(figures))
    if not figures.conclusive:
        print(
            f"The callers were more than {LATE * 1e3:.0f} ms late, or had no room for what came: "
            "the machine is too busy to conclude.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

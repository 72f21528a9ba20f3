"""How many machines a line needs: Erlang's formulas, and a day of calls played through.

`python -m benchmarks.cluster` takes the calls of a year, the shape of a day and what one machine
carries, and says how many machines are wanted so that the worst hour of the worst day turns nearly
nobody away, with one machine down. It then plays that day: callers come at random, are refused when
no machine has room, and try again; one machine fails in the worst hour and its callers try again
too. The defaults are the worked example of docs/capacity.md.
"""

import argparse
import heapq
import itertools
import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from rich.console import Console
from rich.table import Table

from benchmarks import erlang

HOUR = 3600.0
# The share of a day's calls in each hour from 8 to 18: a steep morning, a dip at noon.
DAY = (0.07, 0.14, 0.14, 0.12, 0.08, 0.08, 0.11, 0.11, 0.09, 0.06)
FIRST_HOUR = 8
WORKING_DAYS = 251
SPREAD = 0.8  # sigma of the logarithm of how long calls last: some hang up at once, some listen on


@dataclass(frozen=True, slots=True)
class Demand:
    """Who calls. `worst_day`: its calls over those of a usual one; `peak`: the rate of the worst
    minutes over that of the worst hour; `lasts`: seconds of a call on average; `logins`: hashes to
    a call; `again`: the share of refused callers who try again, after `again_after` seconds on
    average; `curve`: the share of the day's calls in each hour."""

    calls_a_year: float = 37.5e6
    worst_day: float = 3.0
    peak: float = 1.25
    lasts: float = 180.0
    logins: float = 1.2
    again: float = 0.7
    again_after: float = 60.0
    curve: tuple[float, ...] = DAY

    @property
    def worst_hour(self) -> float:
        """Calls a second in the worst hour of the worst day."""
        return self.calls_a_year / WORKING_DAYS * self.worst_day * max(self.curve) / HOUR

    @property
    def load(self) -> float:
        """Erlangs in the worst minutes."""
        return self.worst_hour * self.peak * self.lasts


@dataclass(frozen=True, slots=True)
class Machine:
    """What one carries: calls at once, calls a second, hashes at once and seconds for one."""

    calls: int = 1_000
    rate: float = 200.0
    hash_threads: int = 2
    hash_time: float = 0.041


@dataclass(frozen=True, slots=True)
class Size:
    """What the formulas say. `machines` of them with the spare one; `limit`: what decides."""

    erlangs: float
    lines: int
    machines: int
    limit: str
    refused_one_down: float
    hash_wait_p95_ms: float


def size(demand: Demand, machine: Machine, refused: float) -> Size:
    """The fewest machines that turn away at most a share `refused` with one of them down."""
    rate = demand.worst_hour * demand.peak
    lines = erlang.lines_for(demand.load, refused)
    hashing = rate * demand.logins * machine.hash_time
    needs = {
        "calls at once": math.ceil(lines / machine.calls),
        "calls a second": math.ceil(rate / machine.rate),
        # Not over 70 % busy: past it the wait grows faster than the load.
        "hashing": math.ceil(hashing / (0.7 * machine.hash_threads)),
    }
    limit = max(needs, key=lambda need: needs[need])
    up = needs[limit]
    each = hashing / up
    return Size(
        erlangs=demand.load,
        lines=lines,
        machines=up + 1,
        limit=limit,
        refused_one_down=erlang.blocked(demand.load, up * machine.calls),
        hash_wait_p95_ms=1e3 * erlang.wait(each, machine.hash_threads, machine.hash_time, 0.05),
    )


@dataclass(slots=True)
class Hour:
    """One hour of the day that was played. `refused`: attempts that found no room; `cut`: calls
    that ended with their machine; `gave_up`: callers who did not try again; `most`: at once."""

    hour: int
    attempts: int = 0
    refused: int = 0
    cut: int = 0
    gave_up: int = 0
    most: int = 0


class _What(Enum):
    CALL = 0
    END = 1
    DOWN = 2
    UP = 3


@dataclass(slots=True)
class _Cluster:
    """Machines by the calls on each; None while one is down."""

    room: int
    held: list[set[int] | None]

    def place(self, call: int) -> int | None:
        """The machine with the fewest calls takes it; None when there is no room."""
        best, fewest = None, self.room
        for number, calls in enumerate(self.held):
            if calls is not None and len(calls) < fewest:
                best, fewest = number, len(calls)
        if best is not None:
            taker = self.held[best]
            assert taker is not None
            taker.add(call)
        return best

    @property
    def calls(self) -> int:
        return sum(len(calls) for calls in self.held if calls is not None)


def play(
    demand: Demand,
    machine: Machine,
    machines: int,
    *,
    down: tuple[float, float] | None = None,
    seed: int = 1,
) -> list[Hour]:
    """Play a worst day, hour by hour. `down`: from when to when, in seconds from the beginning,
    one machine is out; its calls are cut, and their callers try again like those refused."""
    chance = random.Random(seed)
    a_day = demand.calls_a_year / WORKING_DAYS * demand.worst_day
    cluster = _Cluster(machine.calls, [set() for _ in range(machines)])
    hours = [Hour(FIRST_HOUR + number) for number in range(len(demand.curve))]
    events: list[tuple[float, int, _What, int]] = []
    order = itertools.count()

    def at(when: float, what: _What, which: int) -> None:
        heapq.heappush(events, (when, next(order), what, which))

    def try_again(now: float, hour: Hour) -> None:
        if chance.random() < demand.again:
            at(now + chance.expovariate(1 / demand.again_after), _What.CALL, next(order))
        else:
            hour.gave_up += 1

    if down is not None:
        at(down[0], _What.DOWN, 0)
        at(down[1], _What.UP, 0)
    fresh = _arrivals([share * a_day / HOUR for share in demand.curve], demand.peak, chance)
    at(next(fresh), _What.CALL, -1)
    mean = math.log(demand.lasts) - SPREAD**2 / 2
    while events:
        now, number, what, which = heapq.heappop(events)
        hour = hours[min(int(now / HOUR), len(hours) - 1)]
        if what is _What.CALL:
            if which < 0 and (following := next(fresh, None)) is not None:
                at(following, _What.CALL, -1)
            hour.attempts += 1
            place = cluster.place(number)
            if place is None:
                hour.refused += 1
                try_again(now, hour)
            else:
                # The end finds the call by its number, which is this event's, and its machine.
                lasts = chance.lognormvariate(mean, SPREAD)
                at(now + lasts, _What.END, number * machines + place)
                hour.most = max(hour.most, cluster.calls)
        elif what is _What.END:
            call, place = divmod(which, machines)
            if (calls := cluster.held[place]) is not None:
                calls.discard(call)
        elif what is _What.DOWN:
            cut, cluster.held[which] = cluster.held[which] or set(), None
            hour.cut += len(cut)
            for _ in cut:
                try_again(now, hour)
        else:
            cluster.held[which] = set()
    return hours


def _arrivals(rates: Sequence[float], peak: float, chance: random.Random) -> Iterator[float]:
    """When callers call: at random, at the hour's rate, with a wave of `peak` over it in each."""
    height, now = peak - 1, 0.0
    most = max(rates) * (1 + height)
    while (now := now + chance.expovariate(most)) < len(rates) * HOUR:
        wave = 1 + height * math.sin(2 * math.pi * now / HOUR)
        if chance.random() * most < rates[int(now / HOUR)] * wave:
            yield now


def _numbers(options: Demand | Machine) -> dict[str, int | float]:
    return {name: value for name, value in asdict(options).items() if name != "curve"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    for options, kind in ((Demand(), "who calls"), (Machine(), "what a machine carries")):
        group = parser.add_argument_group(kind)
        for name, value in _numbers(options).items():
            group.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--refused", type=float, default=0.001, help="share to be turned away")
    parser.add_argument("--machines", type=int, help="play with so many; default: as sized")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    chosen = parser.parse_args()
    demand = Demand(**{name: getattr(chosen, name) for name in _numbers(Demand())})
    machine = Machine(**{name: getattr(chosen, name) for name in _numbers(Machine())})
    found = size(demand, machine, chosen.refused)
    machines = chosen.machines or found.machines
    worst = DAY.index(max(DAY)) * HOUR
    hours = play(demand, machine, machines, down=(worst + HOUR / 4, worst + HOUR))
    if chosen.json:
        print(
            json.dumps({"size": asdict(found), "day": [asdict(hour) for hour in hours]}, indent=2)
        )
        return 0
    console = Console()
    table = Table("by the formulas", "")
    table.add_row("calls a second, worst minutes", f"{demand.worst_hour * demand.peak:.1f}")
    for name, value in asdict(found).items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    title = f"A worst day on {machines} machines, one down for 45 min"
    table = Table(*asdict(hours[0]), title=title)
    for hour in hours:
        table.add_row(*(str(value) for value in asdict(hour).values()))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

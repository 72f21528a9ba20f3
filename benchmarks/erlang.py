"""The formulas of telephone traffic (A. K. Erlang, 1917).

`load` is in Erlangs: calls a second times the seconds that one lasts.
"""

import math


def blocked(load: float, lines: int) -> float:
    """Erlang B: the share of calls that find every line taken and go away."""
    inverse = 1.0
    for line in range(1, lines + 1):
        inverse = 1.0 + inverse * line / load
    return 1.0 / inverse


def lines_for(load: float, share: float) -> int:
    """The fewest lines that turn away at most this share of the calls."""
    lines, inverse = 0, 1.0
    while 1.0 / inverse > share:
        lines += 1
        inverse = 1.0 + inverse * lines / load
    return lines


def delayed(load: float, servers: int) -> float:
    """Erlang C: the share of jobs that find every server busy and wait; 1 when it never ends."""
    if load >= servers:
        return 1.0
    turned_away = blocked(load, servers)
    return turned_away / (1.0 - load / servers * (1.0 - turned_away))


def wait(load: float, servers: int, service: float, share: float) -> float:
    """How long a job waits at most, but for a `share` of them (0.05: the 95th percentile).

    `service`: seconds that a job takes on average; taken for exponential, which is the worse case
    for one that always takes the same. Infinite when the servers can't keep up.
    """
    if load >= servers:
        return math.inf
    waits = delayed(load, servers)
    if waits <= share:
        return 0.0
    return math.log(waits / share) * service / (servers - load)

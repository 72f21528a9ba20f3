"""How often values fell between fixed bounds, as Prometheus wants to be told it."""

import bisect
from collections.abc import Sequence


class Histogram:
    """Values so far. `counts[i]`: those that were at most `bounds[i]` and more than the bound
    before; the last, all greater ones. `total`: all added up."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: rising, in the unit of the values."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> "Histogram":
        """The same as it is just now."""
        other = Histogram(self.bounds)
        other.counts, other.total = self.counts.copy(), self.total
        return other

"""Packets that came together, in turns in which no call has two."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class Turns:
    """Splits the packets of up to `capacity` calls; the order within a call stays."""

    def __init__(self, capacity: int) -> None:
        self._first = np.zeros(capacity, np.int64)

    def of(self, slots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Indices of `slots` in as many turns as it takes for no call to come twice in one."""
        waiting = np.arange(len(slots))
        while waiting.size:
            # Of what is written to one place the last stays: backwards, a call's first packet.
            self._first[slots[waiting[::-1]]] = waiting[::-1]
            comes = self._first[slots[waiting]] == waiting
            yield waiting[comes]
            waiting = waiting[~comes]

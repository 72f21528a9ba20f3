"""The parts of pages that change: made once a period, whoever looks at them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping

Parts = Mapping[str, str]
"""HTML by the id of the element that it stands in."""


class Live:
    """Shares what is made among all who look at the same. `streams`: of them, just now."""

    def __init__(self, period: float, clock: Callable[[], float]) -> None:
        self.period = period
        self.streams = 0
        self._clock = clock
        self._made: dict[Hashable, tuple[float, asyncio.Future[Parts]]] = {}

    async def parts(self, key: Hashable, make: Callable[[], Awaitable[Parts]]) -> Parts:
        """What `make` gives for `key`, or gave less than half a period ago."""
        now = self._clock()
        made = self._made.get(key)
        if made is None or made[0] < now - self.period / 2:
            self._made = {k: each for k, each in self._made.items() if each[0] > now - self.period}
            self._made[key] = made = (now, asyncio.ensure_future(make()))
        return await asyncio.shield(made[1])

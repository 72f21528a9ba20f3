"""How long an answer takes: failures all alike, whatever was behind them."""

from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]
Monotonic = Callable[[], float]


class Tempo:
    """The floor under failures, on clocks that tests replace. Seconds."""

    def __init__(self, floor: float, sleep: Sleep, monotonic: Monotonic) -> None:
        self._floor = floor
        self._sleep = sleep
        self._monotonic = monotonic

    def begin(self) -> float:
        return self._monotonic()

    async def reach_floor(self, begun: float) -> None:
        """Wait until the floor has passed since `begun`."""
        left = begun + self._floor - self._monotonic()
        if left > 0:
            await self._sleep(left)

    async def delay(self, seconds: float) -> None:
        await self._sleep(seconds)

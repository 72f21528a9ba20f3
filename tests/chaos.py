"""A bad network between two peers on this machine: UDP lost, doubled, delayed and so reordered."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

Address = tuple[str, int]


@dataclass(frozen=True)
class Weather:
    """How bad. Shares of all datagrams; `late` is the most seconds that a delayed one waits."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    late: float = 0.08


CALM = Weather()
LATE = Weather(delayed=0.5)
STORM = Weather(lost=0.1, doubled=0.1, delayed=0.3)


class Chaos:
    """`async with Chaos(("127.0.0.1", 5060), STORM) as chaos`: peers ring `chaos.port` instead.

    `weather` is that on the way to the server, and back unless `back` says otherwise. The same
    seed loses the same datagrams, counted as they come.
    """

    def __init__(
        self, server: Address, weather: Weather, back: Weather | None = None, *, seed: int = 1
    ) -> None:
        self.server = server
        self.done: Counter[str] = Counter()
        self._weather = weather
        self._back = back or weather
        self._chance = random.Random(seed)
        self._ways: dict[Address, asyncio.DatagramTransport] = {}

    async def __aenter__(self) -> "Chaos":
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _End(self._from_peer), local_addr=("127.0.0.1", 0)
        )
        self.port: int = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._front.close()
        for way in self._ways.values():
            way.close()
        await asyncio.sleep(0)

    def _from_peer(self, data: bytes, peer: Address) -> None:
        if peer in self._ways:
            self._carry(data, self._ways[peer], None)
        else:
            task = asyncio.get_running_loop().create_task(self._open(peer))
            task.add_done_callback(lambda _: self._carry(data, self._ways[peer], None))

    async def _open(self, peer: Address) -> None:
        loop = asyncio.get_running_loop()
        way, _ = await loop.create_datagram_endpoint(
            lambda: _End(lambda data, _: self._carry(data, self._front, peer)),
            remote_addr=self.server,
        )
        self._ways[peer] = way

    def _carry(self, data: bytes, way: asyncio.DatagramTransport, remote: Address | None) -> None:
        weather = self._weather if remote is None else self._back
        chance = self._chance
        self.done["carried"] += 1
        if chance.random() < weather.lost:
            self.done["lost"] += 1
            return
        copies = 1 + (chance.random() < weather.doubled)
        self.done["doubled"] += copies - 1
        for _ in range(copies):
            if chance.random() < weather.delayed:
                self.done["delayed"] += 1
                loop = asyncio.get_running_loop()
                loop.call_later(chance.uniform(0, weather.late), self._send, data, way, remote)
            else:
                self._send(data, way, remote)

    def _send(self, data: bytes, way: asyncio.DatagramTransport, remote: Address | None) -> None:
        if not way.is_closing():
            way.sendto(data, remote)


class _End(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)

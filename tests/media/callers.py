"""Callers on real sockets, and the pools of workers that they ring."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from ivr.media.session import (
    MediaEvent,
    MediaPool,
    MediaSession,
    MediaSettings,
    PromptBankFile,
    StreamParams,
)

BANK_SIZE = 16_000
ALAW = np.random.default_rng(2).integers(0, 128, BANK_SIZE, np.uint8).tobytes()
ULAW = bytes(code + 128 for code in ALAW)
DEFAULTS = MediaSettings(workers=1, port_rest=0.2)
each_way = pytest.mark.usefixtures("_each_way")
"""With io_uring, and without."""


@contextlib.contextmanager
def bank() -> Iterator[PromptBankFile]:
    descriptor = os.memfd_create("bank")
    try:
        os.write(descriptor, ALAW + ULAW)
        yield PromptBankFile(descriptor, BANK_SIZE)
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def running(**settings: object) -> AsyncIterator[MediaPool]:
    with bank() as file:
        pool = await MediaPool.start(replace(DEFAULTS, **settings), file)  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.close()


class Caller:
    """A caller on 127.0.0.1: RTP with its time of arrival, RTCP, and the events of its session."""

    def __init__(self) -> None:
        self.rtp, self.rtcp = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        for ear in (self.rtp, self.rtcp):
            ear.bind(("127.0.0.1", 0))
            ear.setblocking(False)
        self.packets: list[tuple[float, bytes]] = []
        self.reports: list[bytes] = []
        self.events: list[MediaEvent] = []
        loop = asyncio.get_running_loop()
        loop.add_reader(self.rtp, self._hear)
        loop.add_reader(self.rtcp, lambda: self.reports.append(self.rtcp.recv(2000)))

    @property
    def params(self) -> StreamParams:
        remote, remote_rtcp = self.rtp.getsockname(), self.rtcp.getsockname()
        return StreamParams(remote, remote_rtcp, "pcma", 8, 20, {101: 8000})

    @property
    def sound(self) -> bytes:
        return b"".join(data[12:] for _, data in self.packets)

    def say(self, data: bytes, session: MediaSession) -> None:
        self.rtp.sendto(data, session.local)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for ear in (self.rtp, self.rtcp):
            loop.remove_reader(ear)
            ear.close()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.packets.append((time.monotonic(), self.rtp.recv(2000)))


async def until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


async def configured(pool: MediaPool, session: MediaSession, params: StreamParams) -> None:
    """Configure, and see it done: a packet that comes while the call's socket is being connected is
    dropped, as it may be anybody's; a phone sends the next, a test may not."""
    session.configure(params)
    await pool.stats()  # answered after what was ordered before it


async def left_behind(pool: MediaPool) -> set[tuple[int, int, int]]:
    return {(worker.calls, worker.ports, worker.resting) for worker in await pool.stats()}

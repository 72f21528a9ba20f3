"""What the front sees of sound: a pool of worker processes, and one media session per call."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivr.media import link
from ivr.media.process import (
    ANSWER_TIMEOUT,
    Listener,
    MediaSettings,
    PromptBankFile,
    WorkerProcess,
)
from ivr.media.rfc4733 import KEYS
from ivr.media.stream import (
    LATENESS_BOUNDS,
    Address,
    Clip,
    KeyPressed,
    MediaEvent,
    MediaLost,
    NoMedia,
    NoPortsLeft,
    NoWorker,
    PlayEnded,
    Spoke,
    SrtpKeys,
    StreamParams,
    StreamStats,
)

__all__ = [
    "LATENESS_BOUNDS",
    "Clip",
    "KeyPressed",
    "MediaEvent",
    "MediaLost",
    "MediaPool",
    "MediaSession",
    "MediaSettings",
    "NoMedia",
    "NoPortsLeft",
    "NoWorker",
    "PlayEnded",
    "PromptBankFile",
    "Spoke",
    "SrtpKeys",
    "StreamParams",
    "StreamStats",
    "WorkerStats",
]

_FIRST_BACKOFF, _LAST_BACKOFF = 0.1, 5.0
_OPEN_TRIES = 2  # a worker may die under an open; the one that replaces it gets a chance
_SETTLED = 10.0  # seconds of life after which a worker's death is a new story for the backoff


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """One worker just now: calls, pairs of ports in use and at rest, resident bytes; and since its
    start: ticks that came over 10 ms late, packets the system would not send, datagrams that were
    no RTP or RTCP, and datagrams of secured calls that were dropped, by reason (`srtp.Drop`).

    `share` numbers the workers from 0 on, and one that replaces another has its number. At `clock`
    (its monotonic seconds) its ticks had taken `busy_seconds`. `lateness[i]`: ticks that began at
    most `LATENESS_BOUNDS[i]` seconds late, and later than the bound before; the last, all others.
    """

    share: int
    pid: int
    clock: float
    busy_seconds: float
    lateness: Sequence[int]
    memory: int
    calls: int
    ports: int
    resting: int
    late_ticks: int
    unsent: int
    malformed: int
    srtp_dropped: Mapping[str, int]


class MediaSession:
    """One call's sound. After the loss of its worker, orders are void and `close` is at once."""

    def __init__(self, worker: WorkerProcess, call: int, local: Address) -> None:
        self.local = local
        """The RTP address our worker has bound."""
        self._worker = worker
        self._call = call
        self._plays = 0
        self._closing: asyncio.Task[StreamStats] | None = None

    def configure(self, params: StreamParams) -> None:
        """Send and hear as agreed, from the first answer or a later one (re-INVITE)."""
        self._order(link.Configure(self._call, params))

    def play(self, clips: Sequence[Clip], *, barge_in: bool) -> int:
        """Play clips one after the other in place of what plays; returns the play's number.

        Each play has its `PlayEnded`, be it replaced, stopped or empty. With `barge_in` a key
        stops it. Raises ValueError: a clip outside the bank.
        """
        size = self._worker.bank_size
        for clip in clips:
            if clip.offset < 0 or clip.length < 0 or clip.offset + clip.length > size:
                raise ValueError(f"{clip} is not within the bank's {size} samples")
        self._plays += 1
        self._order(link.Play(self._call, self._plays, tuple(clips), barge_in))
        return self._plays

    def stop(self) -> None:
        """Silence from the next packet on."""
        self._order(link.Stop(self._call))

    def listen(self, wanted: bool) -> None:
        """Have `Spoke` told, once, when the caller talks from now on; or no more.

        What comes while we play, or right after, is not listened to: it may be our echo.
        """
        self._order(link.Listen(self._call, wanted))

    def info_key(self, key: str, duration_ms: int) -> None:
        """A key that SIP INFO brought: merged with those of RTP, it stops a play as they do.

        Raises ValueError: not one of 0-9*#ABCD.
        """
        if len(key) != 1 or key not in KEYS:
            raise ValueError("not a key of a telephone")
        self._order(link.InfoKey(self._call, key, max(0, duration_ms) / 1000))

    @property
    def carrier(self) -> tuple[WorkerProcess, int]:
        """The worker that carries it, and its number there."""
        return self._worker, self._call

    async def close(self) -> StreamStats:
        """End the call's sound; its figures. No event comes after; doing it again is the same."""
        if self._closing is None:
            self._worker.silence(self._call)
            self._closing = asyncio.create_task(self._worker.close_call(self._call))
        return await asyncio.shield(self._closing)

    def _order(self, order: link.CallOrder) -> None:
        if self._closing is None:
            self._worker.send(order)


class MediaPool:
    """The workers: opens go to the least loaded, one that dies is replaced."""

    def __init__(self, settings: MediaSettings, bank: PromptBankFile) -> None:
        self._settings = settings
        self._bank = bank
        self._workers: dict[int, WorkerProcess] = {}  # by share of the ports
        self._arrival = asyncio.Event()
        self._calls = 0
        self._closed = False
        self._keepers: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, settings: MediaSettings, bank: PromptBankFile) -> "MediaPool":
        """Start `settings.workers` processes. Raises OSError when one does not come up."""
        pool = cls(settings, PromptBankFile(os.dup(bank.fd), bank.size))
        shares = range(settings.workers)
        started = await asyncio.gather(
            *(WorkerProcess.start(settings, pool._bank, share) for share in shares),
            return_exceptions=True,
        )
        pool._workers = {
            share: worker
            for share, worker in enumerate(started)
            if not isinstance(worker, BaseException)
        }
        for worker in started:
            if isinstance(worker, BaseException):
                await pool.close()
                raise worker
        pool._keepers = [asyncio.create_task(pool._keep(share)) for share in shares]
        return pool

    @property
    def pids(self) -> list[int]:
        """The live workers' processes."""
        return [worker.pid for worker in self._workers.values() if not worker.lost.is_set()]

    @property
    def batches(self) -> bool:
        """Whether every worker sends and reads the packets of many calls in one system call."""
        return all(worker.batches for worker in self._workers.values())

    async def open(self, listener: Listener) -> MediaSession:
        """A session on the least loaded worker that has a port.

        Raises `NoPortsLeft`: none has; `NoWorker`: none is up, or comes up soon.
        """
        refusal: NoMedia = NoWorker("no media worker is up")
        for _ in range(_OPEN_TRIES):
            for worker in await self._up():
                self._calls += 1
                call = self._calls
                try:
                    local = await worker.open_call(call, listener)
                except NoMedia as error:
                    refusal = error
                else:
                    return MediaSession(worker, call, local)
            if isinstance(refusal, NoPortsLeft):
                break
        raise refusal

    async def _up(self) -> list[WorkerProcess]:
        """The live workers, the least loaded first; when there is none, the next to come up."""
        if not self.pids:
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._arrival.wait()
        live = [worker for worker in self._workers.values() if not worker.lost.is_set()]
        return sorted(live, key=lambda worker: worker.load)

    async def stats(self) -> list[WorkerStats]:
        """What each live worker is doing; one that does not answer is left out."""
        workers = list(self._workers.items())
        loads = await asyncio.gather(
            *(worker.ask_load() for _, worker in workers), return_exceptions=True
        )
        return [
            WorkerStats(
                share,
                worker.pid,
                load.clock,
                load.busy_seconds,
                load.lateness,
                load.memory,
                load.calls,
                load.ports,
                load.resting,
                load.late_ticks,
                load.unsent,
                load.malformed,
                load.srtp_dropped,
            )
            for (share, worker), load in zip(workers, loads, strict=True)
            if isinstance(load, link.Load)
        ]

    async def sounds(self, sessions: Sequence[MediaSession]) -> list[StreamStats | None]:
        """The figures so far of each of these calls; None where its worker does not tell."""
        calls: dict[WorkerProcess, list[int]] = {}
        for session in sessions:
            worker, call = session.carrier
            calls.setdefault(worker, []).append(call)
        asked = (worker.ask_streams(numbers) for worker, numbers in calls.items())
        told = await asyncio.gather(*asked, return_exceptions=True)
        stats = {
            worker: answer
            for worker, answer in zip(calls, told, strict=True)
            if not isinstance(answer, BaseException)
        }
        return [
            stats.get(worker, {}).get(call)
            for worker, call in (session.carrier for session in sessions)
        ]

    async def close(self) -> None:
        """End the workers; sessions still open get `MediaLost`."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        workers, self._workers = self._workers, {}
        await asyncio.gather(*(worker.stop() for worker in workers.values()))
        if not self._closed:
            self._closed = True
            os.close(self._bank.fd)

    async def _keep(self, share: int) -> None:
        """Watch over one worker; replace it when it dies, ever more slowly if it keeps dying."""
        clock = asyncio.get_running_loop().time
        backoff = _FIRST_BACKOFF
        while True:
            born = clock()
            worker = self._workers[share]
            await worker.lost.wait()
            del self._workers[share]
            worker.kill()
            await worker.stop()
            if clock() - born > _SETTLED:
                backoff = _FIRST_BACKOFF
            while share not in self._workers:
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _LAST_BACKOFF)
                with contextlib.suppress(OSError):
                    self._workers[share] = await WorkerProcess.start(
                        self._settings, self._bank, share
                    )
            self._arrival.set()

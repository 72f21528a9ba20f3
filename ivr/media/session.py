"""What the front sees of sound: a pool of worker processes, and one media session per call."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from ivr.media import link
from ivr.media.rfc4733 import KEYS
from ivr.media.stream import (
    Address,
    Clip,
    KeyPressed,
    MediaEvent,
    MediaLost,
    NoMedia,
    NoPortsLeft,
    NoWorker,
    PlayEnded,
    StreamParams,
    StreamStats,
)

__all__ = [
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
    "StreamParams",
    "StreamStats",
    "WorkerStats",
]

ANSWER_TIMEOUT = 3.0
"""Seconds in which a worker answers; one that does not is taken for dead and replaced."""
START_TIMEOUT = 10.0

_FIRST_BACKOFF, _LAST_BACKOFF = 0.1, 5.0
_SETTLED = 10.0  # seconds of life after which a worker's death is a new story for the backoff

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """`workers`: processes; `host`: the address they bind; `port_rest`: seconds a port stays
    closed to new calls after its call; `capacity`: calls that one worker takes at most.

    `port_range`: the lowest and highest port, shared out among the workers; (0, 0) lets the system
    choose.
    """

    workers: int
    port_range: tuple[int, int] = (0, 0)
    host: str = "127.0.0.1"
    port_rest: float = 5.0
    capacity: int = 4096


@dataclass(frozen=True, slots=True)
class PromptBankFile:
    """Memory that holds the recordings: `size` bytes of A-law, then the same in µ-law.

    `fd` is read by `mmap`; `MediaPool.start` keeps a duplicate of its own.
    """

    fd: int
    size: int


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """One worker just now: calls, pairs of ports in use and at rest; and since its start: ticks
    that came late, packets the system would not send, datagrams that were no RTP or RTCP.
    """

    pid: int
    calls: int
    ports: int
    resting: int
    late_ticks: int
    unsent: int
    malformed: int


class MediaSession:
    """One call's sound. After the loss of its worker, orders are void and `close` is at once."""

    def __init__(
        self, worker: "_Worker", call: int, local: Address, listener: Callable[[MediaEvent], None]
    ) -> None:
        self.local = local
        """The RTP address our worker has bound."""
        self._worker = worker
        self._call = call
        self._listener = listener
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

    def info_key(self, key: str, duration_ms: int) -> None:
        """A key that SIP INFO brought: merged with those of RTP, it stops a play as they do.

        Raises ValueError: not one of 0-9*#ABCD.
        """
        if len(key) != 1 or key not in KEYS:
            raise ValueError("not a key of a telephone")
        self._order(link.InfoKey(self._call, key, max(0, duration_ms) / 1000))

    async def close(self) -> StreamStats:
        """End the call's sound; its figures. Doing it again gives the same."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._worker.close_call(self._call))
        return await asyncio.shield(self._closing)

    def _order(self, order: link.CallOrder) -> None:
        if self._closing is None:
            self._worker.send(order)

    def deliver(self, event: MediaEvent) -> None:
        """Tell the listener; called by the pool. Nothing is told once `close` was called."""
        if self._closing is None:
            self._listener(event)


class _Worker(asyncio.Protocol):
    """The front's end of one worker process."""

    def __init__(self, bank_size: int) -> None:
        self.bank_size = bank_size
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self.opening: dict[int, asyncio.Future[Address]] = {}
        self.sessions: dict[int, MediaSession] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._closing: dict[int, asyncio.Future[StreamStats]] = {}
        self._asking: dict[int, asyncio.Future[link.Load]] = {}
        self._requests = 0
        self._frames = link.Frames()
        self._reports = msgspec.msgpack.Decoder(link.Report)

    @classmethod
    async def start(cls, settings: MediaSettings, bank: PromptBankFile, share: int) -> "_Worker":
        """Start a process and wait until it can take calls. Raises OSError."""
        loop = asyncio.get_running_loop()
        worker = cls(bank.size)
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            with theirs:
                worker._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "ivr.media.worker",
                    str(theirs.fileno()),
                    str(bank.fd),
                    pass_fds=(theirs.fileno(), bank.fd),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    # The work is one thread's; a second one only fights it for the clock.
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                )
            ours.setblocking(False)
            await loop.create_unix_connection(lambda: worker, sock=ours)
            undo.pop_all()
        worker.send(
            link.Setup(
                host=settings.host,
                port_range=settings.port_range,
                share=share,
                shares=settings.workers,
                port_rest=settings.port_rest,
                capacity=settings.capacity,
                bank_size=bank.size,
            )
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await worker.ready
        except (TimeoutError, NoWorker, asyncio.CancelledError) as error:
            await worker.stop()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise OSError("a media worker did not come up") from error
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def load(self) -> int:
        """Calls that it has or is about to have."""
        return len(self.sessions) + len(self.opening)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self._take(self._reports.decode(body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.lost.set()
        lost = NoWorker("the media worker is gone")
        waiting: list[asyncio.Future[None] | asyncio.Future[Address] | asyncio.Future[link.Load]]
        waiting = [self.ready, *self.opening.values(), *self._asking.values()]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(lost)
        for figures in self._closing.values():
            if not figures.done():
                figures.set_result(StreamStats())
        sessions, self.sessions = self.sessions, {}
        for session in sessions.values():
            self._deliver(session, MediaLost())

    def _take(self, report: link.Report) -> None:
        match report:
            case link.Ready():
                _resolve(self.ready, None)
            case link.Opened(call, local):
                _resolve(self.opening.get(call), local)
            case link.NotOpened(call):
                if (opening := self.opening.get(call)) is not None and not opening.done():
                    opening.set_exception(NoPortsLeft("every port is in use or at rest"))
            case link.Pressed(call, key, way):
                self._deliver(self.sessions.get(call), KeyPressed(key, way))
            case link.Ended(call, play, clips_begun, barged):
                self._deliver(self.sessions.get(call), PlayEnded(play, clips_begun, barged))
            case link.Closed(call, stats):
                _resolve(self._closing.get(call), stats)
            case link.Load(request):
                _resolve(self._asking.get(request), report)

    def _deliver(self, session: MediaSession | None, event: MediaEvent) -> None:
        if session is None:
            return
        try:
            session.deliver(event)
        except Exception as error:
            # One call's fault must not close the link that carries all the others.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a media listener failed", "exception": error}
            )

    def send(self, order: link.Order) -> None:
        """Queue one order; void once the worker is lost."""
        if self._transport is None:
            return
        self._transport.write(link.encode(order))
        if self._transport.get_write_buffer_size() > link.MAX_BACKLOG:
            self.kill()

    async def open_call(self, call: int, listener: Callable[[MediaEvent], None]) -> MediaSession:
        """Raises `NoPortsLeft`, or `NoWorker` when it does not answer."""
        opening = self.opening[call] = asyncio.get_running_loop().create_future()
        try:
            self.send(link.Open(call))
            local = await self._answer(opening)
        except asyncio.CancelledError:
            self.send(link.Close(call))
            raise
        finally:
            del self.opening[call]
        session = self.sessions[call] = MediaSession(self, call, local, listener)
        return session

    async def close_call(self, call: int) -> StreamStats:
        """The call's figures, or empty ones when the worker is lost."""
        if self.sessions.pop(call, None) is None or self._transport is None:
            return StreamStats()
        figures = self._closing[call] = asyncio.get_running_loop().create_future()
        try:
            self.send(link.Close(call))
            return await self._answer(figures)
        except NoWorker:
            return StreamStats()
        finally:
            del self._closing[call]

    async def ask_load(self) -> link.Load:
        """What it is doing just now. Raises `NoWorker`."""
        self._requests += 1
        request = self._requests
        asking = self._asking[request] = asyncio.get_running_loop().create_future()
        try:
            self.send(link.AskLoad(request))
            return await self._answer(asking)
        finally:
            del self._asking[request]

    async def _answer(self, answer: asyncio.Future[_Answer]) -> _Answer:
        if self._transport is None:
            raise NoWorker("the media worker is gone")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await answer
        except TimeoutError:
            self.kill()
            raise NoWorker("the media worker does not answer") from None

    def kill(self) -> None:
        """End the process and everything that waits for it."""
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """Close the link, which is how the process is told to end, and see it gone."""
        if self._transport is not None:
            self._transport.close()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _resolve(answer: "asyncio.Future[_Answer] | None", value: _Answer) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)


class MediaPool:
    """The workers: opens go to the least loaded, one that dies is replaced."""

    def __init__(self, settings: MediaSettings, bank: PromptBankFile) -> None:
        self._settings = settings
        self._bank = bank
        self._workers: dict[int, _Worker] = {}  # by share of the ports
        self._arrival = asyncio.Event()
        self._calls = 0
        self._keepers: list[asyncio.Task[None]] = []

    @classmethod
    async def start(cls, settings: MediaSettings, bank: PromptBankFile) -> "MediaPool":
        """Start `settings.workers` processes. Raises OSError when one does not come up."""
        pool = cls(settings, PromptBankFile(os.dup(bank.fd), bank.size))
        shares = range(settings.workers)
        started = await asyncio.gather(
            *(_Worker.start(settings, pool._bank, share) for share in shares),
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
        return [worker.pid for worker in self._workers.values()]

    async def open(self, listener: Callable[[MediaEvent], None]) -> MediaSession:
        """A session on the least loaded worker that has a port.

        Raises `NoPortsLeft`: none has; `NoWorker`: none is up, or comes up soon.
        """
        refusal: NoMedia = NoWorker("no media worker is up")
        if not self._workers:
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._arrival.wait()
        for worker in sorted(self._workers.values(), key=lambda worker: worker.load):
            self._calls += 1
            try:
                return await worker.open_call(self._calls, listener)
            except NoMedia as error:
                refusal = error
        raise refusal

    async def stats(self) -> list[WorkerStats]:
        """What each live worker is doing; one that does not answer is left out."""
        workers = list(self._workers.values())
        loads = await asyncio.gather(
            *(worker.ask_load() for worker in workers), return_exceptions=True
        )
        return [
            WorkerStats(
                worker.pid,
                load.calls,
                load.ports,
                load.resting,
                load.late_ticks,
                load.unsent,
                load.malformed,
            )
            for worker, load in zip(workers, loads, strict=True)
            if isinstance(load, link.Load)
        ]

    async def close(self) -> None:
        """End the workers; sessions still open get `MediaLost`."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        workers, self._workers = self._workers, {}
        await asyncio.gather(*(worker.stop() for worker in workers.values()))
        with contextlib.suppress(OSError):
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
                    self._workers[share] = await _Worker.start(self._settings, self._bank, share)
            self._arrival.set()

"""The front's end of one media worker: its process, its link, and who waits for which answer."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import structlog

from ivr.media import link
from ivr.media.stream import (
    Address,
    KeyPressed,
    MediaEvent,
    MediaLost,
    NoPortsLeft,
    NoWorker,
    PlayEnded,
    Spoke,
    StreamStats,
)

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT = 3.0
"""Seconds in which a worker answers; one that does not is taken for dead and replaced."""
ANSWER_SLICES = 6
FIRST = -10
"""The nice value of workers: what they do has the nearest deadlines, and takes the least time."""
START_TIMEOUT = 10.0
"""Seconds in which a new one comes up."""

Listener = Callable[[MediaEvent], None]
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """`workers`: processes; `host`: the address they bind; `port_rest`: seconds a port stays
    closed to new calls after its call; `capacity`: calls that one worker takes at most.

    `port_range`: the lowest and highest port, shared out among the workers; (0, 0) lets the system
    choose. `io_uring`: use it where the system has it. `inband`: hear keys as tones in the sound
    too. `cpus`: those that the workers keep to, one each in turn; none: wherever there is room.
    `nice`: their priority (setpriority(2)); None: `FIRST` where the system lets us have it.
    """

    workers: int
    port_range: tuple[int, int] = (0, 0)
    host: str = "127.0.0.1"
    port_rest: float = 5.0
    capacity: int = 4096
    io_uring: bool = True
    cpus: Sequence[int] = ()
    nice: int | None = None
    inband: bool = True


@dataclass(frozen=True, slots=True)
class PromptBankFile:
    """Memory that holds the recordings: `size` bytes of A-law, then the same in µ-law.

    `fd` is read by `mmap`; `MediaPool.start` keeps a duplicate of its own.
    """

    fd: int
    size: int


class WorkerProcess(asyncio.Protocol):
    """The front's end of one worker process."""

    def __init__(self, bank_size: int) -> None:
        self.bank_size = bank_size
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.batches = False
        """Whether it sends and reads the packets of many calls in one system call."""
        self.lost = asyncio.Event()
        """Set when the worker is dead or given up: it takes no call any more."""
        self._opening: dict[int, asyncio.Future[Address]] = {}
        self._listeners: dict[int, Listener] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._closing: dict[int, asyncio.Future[StreamStats]] = {}
        self._asking: dict[int, asyncio.Future[Any]] = {}
        self._requests = 0
        self._orders = bytearray()
        self._frames = link.Frames()
        self._reports = msgspec.msgpack.Decoder(link.Report)

    @classmethod
    async def start(
        cls, settings: MediaSettings, bank: PromptBankFile, share: int
    ) -> "WorkerProcess":
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
            undo.callback(worker._process.kill)
            _set_apart(worker._process.pid, settings, share)
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
                io_uring=settings.io_uring,
                inband=settings.inband,
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
        return len(self._listeners) + len(self._opening)

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
        waiting: list[asyncio.Future[Any]] = [
            self.ready,
            *self._opening.values(),
            *self._asking.values(),
        ]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(lost)
        for figures in self._closing.values():
            if not figures.done():
                figures.set_result(StreamStats())
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            self._tell(listener, MediaLost())

    def _take(self, report: link.Report) -> None:
        match report:
            case link.Ready(batches):
                self.batches = batches
                _resolve(self.ready, None)
            case link.Opened(call, local):
                _resolve(self._opening.get(call), local)
            case link.NotOpened(call):
                if (opening := self._opening.get(call)) is not None and not opening.done():
                    opening.set_exception(NoPortsLeft("every port is in use or at rest"))
            case link.Pressed(call, key, way):
                self._tell(self._listeners.get(call), KeyPressed(key, way))
            case link.Ended(call, play, clips_begun, barged):
                self._tell(self._listeners.get(call), PlayEnded(play, clips_begun, barged))
            case link.Talks(call):
                self._tell(self._listeners.get(call), Spoke())
            case link.Closed(call, stats):
                _resolve(self._closing.get(call), stats)
            case link.Load(request) | link.Streams(request):
                _resolve(self._asking.get(request), report)

    def _tell(self, listener: Listener | None, event: MediaEvent) -> None:
        if listener is None:
            return
        try:
            listener(event)
        except Exception as error:
            # One call's fault must not close the link that carries all the others.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a media listener failed", "exception": error}
            )

    def send(self, order: link.Order) -> None:
        """Queue one order; void once the worker is lost.

        It leaves with the others of the same round of the loop: each write wakes the worker, which
        goes first, so that this process stands still meanwhile.
        """
        if not self._orders:
            asyncio.get_running_loop().call_soon(self._flush)
        self._orders += link.encode(order)

    def _flush(self) -> None:
        orders, self._orders = self._orders, bytearray()
        if self._transport is None:
            return
        self._transport.write(orders)
        if self._transport.get_write_buffer_size() > link.MAX_BACKLOG:
            self.kill()

    async def open_call(self, call: int, listener: Listener) -> Address:
        """The call's RTP address. Raises `NoPortsLeft`, or `NoWorker` when it does not answer."""
        opening: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        self._opening[call] = opening
        try:
            self.send(link.Open(call))
            local = await self._answer(opening)
        except asyncio.CancelledError:
            self.send(link.Close(call))
            raise
        finally:
            del self._opening[call]
        if self._transport is None:
            raise NoWorker("the media worker is gone")
        self._listeners[call] = listener
        return local

    def silence(self, call: int) -> None:
        """Tell the call's listener nothing more."""
        self._listeners.pop(call, None)

    async def close_call(self, call: int) -> StreamStats:
        """The call's figures, or empty ones when the worker is lost."""
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
        load: link.Load = await self._ask(link.AskLoad)
        return load

    async def ask_streams(self, calls: Sequence[int]) -> Mapping[int, StreamStats]:
        """The figures so far of those of these calls that it has. Raises `NoWorker`."""
        streams: link.Streams = await self._ask(lambda each: link.AskStreams(each, tuple(calls)))
        return streams.stats

    async def _ask(self, order: Callable[[int], link.AskLoad | link.AskStreams]) -> Any:
        self._requests += 1
        request = self._requests
        asking = self._asking[request] = asyncio.get_running_loop().create_future()
        try:
            self.send(order(request))
            return await self._answer(asking)
        finally:
            del self._asking[request]

    async def _answer(self, answer: asyncio.Future[_Answer]) -> _Answer:
        if self._transport is None:
            raise NoWorker("the media worker is gone")
        # In slices, so that a time in which this process itself stood still counts for one only:
        # what was answered meanwhile is read before the next is over.
        for _ in range(ANSWER_SLICES):
            done, _ = await asyncio.wait([answer], timeout=ANSWER_TIMEOUT / ANSWER_SLICES)
            if done:
                return answer.result()
        self.kill()
        raise NoWorker("the media worker does not answer")

    def kill(self) -> None:
        """End the process and everything that waits for it."""
        self.lost.set()
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """Close the link, which is how the process is told to end, and see it gone."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _set_apart(pid: int, settings: MediaSettings, share: int) -> None:
    """Give a worker its CPU and its priority. Raises OSError: there is no such CPU here, or we may
    not raise a priority."""
    if settings.cpus:
        os.sched_setaffinity(pid, {settings.cpus[share % len(settings.cpus)]})
    if settings.nice is not None:
        os.setpriority(os.PRIO_PROCESS, pid, settings.nice)
        return
    try:
        os.setpriority(os.PRIO_PROCESS, pid, FIRST)
    except PermissionError:
        log.info("sound has no priority over other programs", wanted=f"LimitNICE={FIRST}")


def _resolve(answer: "asyncio.Future[_Answer] | None", value: _Answer) -> None:
    if answer is not None and not answer.done():
        answer.set_result(value)

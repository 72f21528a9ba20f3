"""A real worker process on real sockets: what a caller hears, keys and leaves behind."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from ivr.media import rtcp
from ivr.media.session import (
    Clip,
    KeyPressed,
    MediaEvent,
    MediaLost,
    MediaPool,
    MediaSession,
    MediaSettings,
    NoPortsLeft,
    NoWorker,
    PlayEnded,
    PromptBankFile,
    StreamParams,
    StreamStats,
)
from tests.media.packets import SILENCE, event, packet

pytestmark = pytest.mark.socket

BANK_SIZE = 16_000
ALAW = np.random.default_rng(2).integers(0, 128, BANK_SIZE, np.uint8).tobytes()
ULAW = bytes(code + 128 for code in ALAW)


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
    defaults = MediaSettings(workers=1, port_rest=0.2)
    with bank() as file:
        pool = await MediaPool.start(replace(defaults, **settings), file)  # type: ignore[arg-type]
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


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    somebody = Caller()
    yield somebody
    somebody.close()


async def until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


async def left_behind(pool: MediaPool) -> set[tuple[int, int, int]]:
    return {(worker.calls, worker.ports, worker.resting) for worker in await pool.stats()}


async def test_a_prompt_is_heard_octet_by_octet_then_silence_and_nothing_is_left(
    caller: Caller,
) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        assert session.local[1] % 2 == 0
        session.configure(caller.params)
        play = session.play([Clip(100, 3000), Clip(9000, 200)], barge_in=True)
        await until(lambda: PlayEnded(play, 2, False) in caller.events)
        await until(lambda: len(caller.packets) > 40)
        wanted = SILENCE * 10 + ALAW[100:3100] + ALAW[9000:9200] + SILENCE * 2
        assert caller.sound[: len(wanted)] == wanted
        caller.say(packet(1, 0), session)
        caller.say(packet(3, 320), session)
        await asyncio.sleep(0.05)
        stats = await session.close()
        assert stats.sent >= len(caller.packets) > 40
        assert (stats.received, stats.lost, stats.strangers) == (2, 1, 0)
        assert await session.close() == stats
        assert await left_behind(pool) == {(0, 0, 1)}
        await asyncio.sleep(0.3)
        assert await left_behind(pool) == {(0, 0, 0)}
        await until(lambda: bool(caller.reports))
        assert rtcp.parse(caller.reports[-1]).bye


@pytest.mark.parametrize(
    ("host", "family", "loopback"),
    [
        ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
        ("::", socket.AF_INET, "127.0.0.1"),
    ],
)
async def test_any_family_of_addresses(
    host: str, family: socket.AddressFamily, loopback: str
) -> None:
    async with running(host=host) as pool:
        events: list[MediaEvent] = []
        session = await pool.open(events.append)
        with socket.socket(family, socket.SOCK_DGRAM) as ear:
            ear.bind((loopback, 0))
            ear.setblocking(False)
            remote = (loopback, ear.getsockname()[1])
            session.configure(StreamParams(remote, None, "pcma", 8, 20, {101: 8000}))
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(2):
                assert len(await loop.sock_recv(ear, 2000)) == 172
            ear.sendto(event(1, 0, "5", 160), (loopback, session.local[1]))
            await until(lambda: len(events) == 1)
        stats = await session.close()
        assert (stats.received, stats.strangers) == (1, 0)


@pytest.mark.parametrize("host", ["localhost", "fe80::1%a\0b", "fe80::1%" + "é" * 70, "::1%lo", ""])
async def test_a_peer_named_instead_of_numbered_is_not_sent_to(caller: Caller, host: str) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(replace(caller.params, remote=(host, 9), remote_rtcp=(host, 9)))
        await asyncio.sleep(0.1)
        assert (await session.close()).sent == 0


async def test_u_law(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(replace(caller.params, codec="pcmu", payload_type=0))
        session.play([Clip(0, 800)], barge_in=True)
        await until(lambda: len(caller.packets) >= 16)
        assert caller.sound[1600:2400] == ULAW[:800]
        assert caller.packets[0][1][1] & 0x7F == 0


async def test_packets_keep_their_pace(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        await until(lambda: bool(caller.packets))
        first, _ = caller.packets[0]
        await asyncio.sleep(2.1)
        within = [at for at, _ in caller.packets if at < first + 2]
        assert len(within) == pytest.approx(100, abs=2)


async def test_a_key_is_silence_within_100_ms(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        session.play([Clip(0, BANK_SIZE)], barge_in=True)
        await until(lambda: len(caller.packets) > 20)
        assert caller.packets[-1][1][12:] != SILENCE
        pressed = time.monotonic()
        caller.say(event(1, 0, "5", 160, marker=True), session)
        await asyncio.sleep(0.3)
        silent = [at for at, data in caller.packets if at > pressed and data[12:] == SILENCE]
        assert silent[0] - pressed <= 0.1
        loud = [at for at, data in caller.packets if data[12:] != SILENCE]
        assert loud[-1] < silent[0]
        key, ended = caller.events
        assert isinstance(key, KeyPressed)
        assert (key.key, key.way) == ("5", "rfc4733")
        assert ended == PlayEnded(1, 1, True)


async def test_info_stops_a_prompt_and_is_one_key_with_rtp(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        session.play([Clip(0, BANK_SIZE)], barge_in=True)
        session.info_key("7", 100)
        caller.say(event(1, 0, "7", 160), session)
        await until(lambda: len(caller.events) >= 2)
        await asyncio.sleep(0.1)
        assert [type(item) for item in caller.events] == [KeyPressed, PlayEnded]
        assert (await session.close()).ways == {"info", "rfc4733"}
        with pytest.raises(ValueError, match="key"):
            session.info_key("12", 100)


async def test_a_stranger_is_not_heard_nor_answered(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        stranger = Caller()
        stranger.say(event(1, 0, "5", 160), session)
        await asyncio.sleep(0.1)
        assert caller.events == []
        assert stranger.packets == []
        assert (await session.close()).strangers == 1
        stranger.close()


async def test_behind_nat_sound_goes_to_who_sends_until_the_negotiated_address_does(
    caller: Caller,
) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        nat = Caller()
        nat.say(packet(1, 0), session)
        await until(lambda: len(nat.packets) > 2)
        nat.say(event(2, 160, "5", 160), session)
        await until(lambda: len(caller.events) == 1)
        caller.packets.clear()
        await asyncio.sleep(0.1)
        assert caller.packets == []
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        caller.say(event(2, 4000, "6", 160), session)
        nat.say(event(3, 8000, "7", 160), session)
        await until(lambda: len(caller.events) == 2)
        await asyncio.sleep(0.05)
        assert [item.key for item in caller.events if isinstance(item, KeyPressed)] == ["5", "6"]
        assert (await session.close()).strangers == 1
        nat.close()


async def test_after_a_re_invite_the_old_address_is_a_stranger(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        moved = Caller()
        session.configure(moved.params)
        await until(lambda: len(moved.packets) > 2)
        caller.packets.clear()
        moved.say(packet(2, 0), session)
        moved.say(event(3, 160, "6", 160), session)
        await until(lambda: len(caller.events) == 1)
        caller.say(event(4, 8000, "5", 160), session)
        await asyncio.sleep(0.1)
        assert len(caller.events) == 1
        assert caller.packets == []
        assert (await session.close()).strangers == 1
        moved.close()


async def test_a_peer_whose_port_is_closed_for_a_while_misses_only_that_while(
    caller: Caller,
) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        away = Caller()
        session.configure(away.params)
        await until(lambda: len(away.packets) > 2)
        port = away.rtp.getsockname()
        away.close()
        await asyncio.sleep(0.2)
        [load] = await pool.stats()
        assert load.unsent == 0
        with socket.socket(type=socket.SOCK_DGRAM) as back:
            back.bind(port)
            back.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(2):
                before, after = [await loop.sock_recv(back, 2000) for _ in range(2)]
            assert (after[3] - before[3]) % 256 == 1
            back.sendto(event(1, 0, "5", 160), session.local)
            await until(lambda: len(caller.events) == 1)
        assert (await session.close()).strangers == 0


async def test_a_peer_that_no_route_leads_to_leaves_the_call_alive(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(replace(caller.params, remote=("203.0.113.1", 4000)))
        await asyncio.sleep(0.1)
        [load] = await pool.stats()
        assert load.unsent > 0, "127.0.0.1 reaches nothing but this machine"
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        await session.close()


async def test_a_killed_worker_ends_its_calls_and_the_next_is_served(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        [killed] = pool.pids
        os.kill(killed, signal.SIGKILL)
        await until(lambda: caller.events == [MediaLost()])
        session.play([Clip(0, 100)], barge_in=True)
        assert await session.close() == StreamStats()
        events: list[MediaEvent] = []
        following = await pool.open(events.append)
        assert pool.pids != [killed]
        caller.packets.clear()
        following.configure(caller.params)
        await until(lambda: len(caller.packets) > 3)
        await following.close()
        await asyncio.sleep(0.3)
        assert await left_behind(pool) == {(0, 0, 0)}


async def test_with_two_workers_a_death_leaves_the_others_calls_alone(caller: Caller) -> None:
    async with running(workers=2) as pool:
        events: list[list[MediaEvent]] = [[], []]
        sessions = [await pool.open(events[number].append) for number in range(2)]
        assert [worker.calls for worker in await pool.stats()] == [1, 1]
        os.kill(pool.pids[0], signal.SIGKILL)
        await until(lambda: [MediaLost()] in events)
        assert sorted(map(len, events)) == [0, 1]
        await pool.open(caller.events.append)
        for session in sessions:
            await session.close()


async def test_a_worker_that_hangs_is_given_up_and_the_call_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ivr.media.process.ANSWER_TIMEOUT", 0.3)
    async with running() as pool:
        [hung] = pool.pids
        os.kill(hung, signal.SIGSTOP)
        session = await pool.open(lambda event: None)
        assert hung not in pool.pids
        await session.close()


async def test_an_open_right_after_a_death_is_served() -> None:
    async with running() as pool:
        os.kill(pool.pids[0], signal.SIGKILL)
        session = await pool.open(lambda event: None)
        await session.close()


async def test_no_worker_that_comes_up_is_no_media(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.media.session.ANSWER_TIMEOUT", 0.05)
    monkeypatch.setattr("ivr.media.session._FIRST_BACKOFF", 60.0)
    async with running() as pool:
        os.kill(pool.pids[0], signal.SIGKILL)
        with pytest.raises(NoWorker):
            await pool.open(lambda event: None)
        assert pool.pids == []
        assert await pool.stats() == []


async def test_a_worker_that_was_held_up_catches_up_without_drift(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        await until(lambda: len(caller.packets) > 5)
        first, _ = caller.packets[0]
        os.kill(pool.pids[0], signal.SIGSTOP)
        await asyncio.sleep(0.15)
        os.kill(pool.pids[0], signal.SIGCONT)
        await asyncio.sleep(1.0)
        within = [at for at, _ in caller.packets if at < first + 1]
        assert len(within) == pytest.approx(50, abs=2)
        [load] = await pool.stats()
        assert load.late_ticks > 0


async def test_no_port_left_and_one_again_after_its_rest(caller: Caller) -> None:
    async with running(capacity=2) as pool:
        sessions = [await pool.open(caller.events.append) for _ in range(2)]
        with pytest.raises(NoPortsLeft):
            await pool.open(caller.events.append)
        await sessions[0].close()
        again = await pool.open(caller.events.append)
        for session in (sessions[1], again):
            await session.close()


async def test_an_open_that_is_given_up_leaves_nothing() -> None:
    async with running(port_rest=0.0) as pool:
        opening = asyncio.create_task(pool.open(lambda event: None))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.sleep(0.1)
        assert await left_behind(pool) == {(0, 0, 0)}


async def test_a_listener_that_fails_does_not_take_the_others_with_it(caller: Caller) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    def broken(event: MediaEvent) -> None:
        raise LookupError

    async with running() as pool:
        bad, good = await pool.open(broken), await pool.open(caller.events.append)
        bad.info_key("1", 100)
        good.info_key("2", 100)
        await until(lambda: len(caller.events) == 1)
        assert len(faults) == 1


async def test_orders_in_plenty_are_carried_out_in_order(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        numbers = [session.play([Clip(0, 160)] * 50, barge_in=True) for _ in range(300)]
        session.stop()
        await until(lambda: len(caller.events) == 300)
        assert caller.events == [PlayEnded(number, 0, False) for number in numbers]


async def test_a_clip_outside_the_bank_is_refused_at_once(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        with pytest.raises(ValueError, match="bank"):
            session.play([Clip(BANK_SIZE - 10, 11)], barge_in=True)


async def test_workers_end_with_the_pool() -> None:
    async with running(workers=2) as pool:
        pids = pool.pids
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_pool_that_cannot_start_says_so_and_leaves_no_process() -> None:
    descriptor = os.memfd_create("empty")
    try:
        with pytest.raises(OSError, match="did not come up"):
            await MediaPool.start(MediaSettings(workers=1), PromptBankFile(descriptor, 1000))
    finally:
        os.close(descriptor)

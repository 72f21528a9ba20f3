"""The workers of a pool: how they start, share the calls, die, are given up, and end."""

import asyncio
import os
import signal
import sys

import pytest

from ivr.media.process import FIRST
from ivr.media.session import (
    Clip,
    MediaEvent,
    MediaLost,
    MediaPool,
    MediaSettings,
    NoPortsLeft,
    NoWorker,
    PlayEnded,
    PromptBankFile,
    StreamStats,
)
from tests.media.callers import (
    BANK_SIZE,
    Caller,
    left_behind,
    running,
    until,
)

pytestmark = pytest.mark.socket


async def test_a_worker_keeps_to_its_cpu_and_its_priority() -> None:
    cpu = max(os.sched_getaffinity(0))
    nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    async with running(workers=2, cpus=[cpu], nice=nice) as pool:
        for pid in pool.pids:
            assert os.sched_getaffinity(pid) == {cpu}
            assert os.getpriority(os.PRIO_PROCESS, pid) == nice


async def test_sound_goes_first_where_the_system_lets_it() -> None:
    program = f"import os; os.setpriority(os.PRIO_PROCESS, 0, {FIRST})"
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=asyncio.subprocess.DEVNULL
    )
    refused = await asking.wait()
    wanted = os.getpriority(os.PRIO_PROCESS, 0) if refused else FIRST
    async with running() as pool:
        assert os.getpriority(os.PRIO_PROCESS, pool.pids[0]) == wanted


async def test_a_cpu_that_is_not_there_starts_no_worker() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        async with running(cpus=[4000]):
            pass


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

"""A real worker process on real sockets: what a caller hears, keys and leaves behind."""

import asyncio
import os
import signal
import socket
import time
from dataclasses import replace

import numpy as np
import pytest

from ivr.media import rtcp
from ivr.media.session import (
    Clip,
    KeyPressed,
    MediaEvent,
    PlayEnded,
    Spoke,
    StreamParams,
)
from tests.media.callers import (
    ALAW,
    BANK_SIZE,
    ULAW,
    Caller,
    configured,
    each_way,
    left_behind,
    running,
    until,
)
from tests.media.packets import SILENCE, event, packet
from tests.media.test_srtp import Peer, keys_for
from tests.sounds import at_level, spoken, to_alaw

pytestmark = pytest.mark.socket


@each_way
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


@each_way
async def test_a_caller_who_talks_is_told_to_who_listens(caller: Caller) -> None:
    talk = to_alaw(
        np.concatenate([at_level(spoken("Bonjour, bonjour ?", "fr", 50, 160), -16.0)] * 2)
    )
    async with running() as pool:
        session = await pool.open(caller.events.append)
        await configured(pool, session, caller.params)
        session.listen(True)
        await pool.stats()
        for number in range(len(talk) // 160):
            payload = talk[number * 160 : (number + 1) * 160].tobytes()
            caller.say(packet(number, number * 160, payload), session)
            await asyncio.sleep(0.002)
        await until(lambda: Spoke() in caller.events)
        await session.close()
    assert caller.events == [Spoke()]


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


@each_way
async def test_packets_keep_their_pace(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        session.configure(caller.params)
        await until(lambda: bool(caller.packets))
        first, _ = caller.packets[0]
        await asyncio.sleep(2.1)
        within = [at for at, _ in caller.packets if at < first + 2]
        assert len(within) == pytest.approx(100, abs=2)


@each_way
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
        await configured(pool, session, caller.params)
        session.play([Clip(0, BANK_SIZE)], barge_in=True)
        session.info_key("7", 100)
        caller.say(event(1, 0, "7", 160), session)
        await until(lambda: len(caller.events) >= 2)
        await asyncio.sleep(0.1)
        assert [type(item) for item in caller.events] == [KeyPressed, PlayEnded]
        assert (await session.close()).ways == {"info", "rfc4733"}
        with pytest.raises(ValueError, match="key"):
            session.info_key("12", 100)


@each_way
async def test_a_stranger_is_not_heard_nor_answered(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        await configured(pool, session, caller.params)
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        stranger = Caller()
        stranger.say(event(1, 0, "5", 160), session)
        await asyncio.sleep(0.1)
        assert caller.events == []
        assert stranger.packets == []
        assert (await session.close()).strangers == 1
        stranger.close()


@each_way
async def test_behind_nat_sound_goes_to_who_sends_until_the_negotiated_address_does(
    caller: Caller,
) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        await configured(pool, session, caller.params)
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


@each_way
async def test_after_a_re_invite_the_old_address_is_a_stranger(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        await configured(pool, session, caller.params)
        caller.say(packet(1, 0), session)
        await until(lambda: len(caller.packets) > 2)
        moved = Caller()
        await configured(pool, session, moved.params)
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


@each_way
async def test_a_secured_call_is_heard_and_keyed_and_new_keys_lose_nothing(caller: Caller) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        keys = keys_for("AES_CM_128_HMAC_SHA1_80")
        peer = Peer(keys)
        await configured(pool, session, replace(caller.params, keys=keys))
        await until(lambda: len(caller.packets) > 5)
        assert peer.into.unprotect(caller.packets[0][1])[12:] == SILENCE
        caller.say(event(1, 0, "4", 160), session)  # not secured: nobody's key
        caller.say(peer.out.protect(event(1, 0, "5", 160)), session)
        await until(lambda: len(caller.events) == 1)
        new = keys_for("AEAD_AES_128_GCM")
        await configured(pool, session, replace(caller.params, keys=new))
        caller.say(peer.out.protect(event(2, 4000, "6", 160)), session)
        caller.say(Peer(new).out.protect(event(3, 8000, "7", 160)), session)
        await until(lambda: len(caller.events) == 3)
        await configured(pool, session, caller.params)
        caller.say(event(4, 12000, "8", 160), session)
        await until(lambda: len(caller.events) == 4)
        keyed = [item.key for item in caller.events if isinstance(item, KeyPressed)]
        assert keyed == ["5", "6", "7", "8"]
        [load] = await pool.stats()
        assert load.srtp_dropped == {"malformed": 1}, "too short for its tag"
        session.configure(replace(caller.params, keys=new))
        stats = await session.close()
        assert (stats.received, stats.strangers) == (4, 0)
        await until(lambda: bool(caller.reports))
        assert rtcp.parse(Peer(new).into.unprotect_rtcp(caller.reports[-1])).bye


@each_way
async def test_a_peer_whose_port_is_closed_for_a_while_misses_only_that_while(
    caller: Caller,
) -> None:
    async with running() as pool:
        session = await pool.open(caller.events.append)
        await configured(pool, session, caller.params)
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


@each_way
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

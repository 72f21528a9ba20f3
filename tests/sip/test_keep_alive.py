"""Pings on a stream, and what becomes of a peer that stops answering them (RFC 5626 §4.4.1)."""

import asyncio

import pytest

from ivr.sip import keep_alive
from ivr.sip.framing import StreamFramer
from ivr.sip.keep_alive import PING, PING_INTERVAL, PONG_TIMEOUT, Due, KeepAlive
from ivr.sip.transport import Transport
from ivr.sip.user_agent import UserAgent

START = 1000.0


def made(chance: float = 1.0) -> KeepAlive:
    return KeepAlive(lambda: chance, START)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 96.0), (0.5, 108.0), (1.0, 120.0)])
def test_a_ping_goes_out_after_80_to_100_percent_of_two_minutes(
    chance: float, seconds: float
) -> None:
    pings = made(chance)
    assert pings.deadline == pytest.approx(START + seconds)
    assert pings.advance(pings.deadline - 0.1) is Due.NOTHING
    assert pings.advance(pings.deadline) is Due.PING


def test_a_peer_that_never_answers_is_pinged_on_and_never_judged() -> None:
    pings = made()
    for _ in range(3):
        assert pings.advance(pings.deadline) is Due.PING
        assert pings.advance(pings.deadline) is Due.NOTHING


def test_a_peer_that_has_answered_and_stops_is_dead_after_ten_seconds() -> None:
    pings = made()
    assert pings.advance(pings.deadline) is Due.PING
    answered = pings.deadline - PONG_TIMEOUT + 1
    pings.heard(answered, pong=True)
    assert pings.deadline == pytest.approx(answered + PING_INTERVAL)
    assert pings.advance(pings.deadline) is Due.PING
    assert pings.advance(pings.deadline - 0.1) is Due.NOTHING
    assert pings.advance(pings.deadline) is Due.HANG_UP


def test_a_message_shows_life_as_a_pong_does() -> None:
    pings = made()
    pings.advance(pings.deadline)
    pings.heard(pings.deadline - 5, pong=True)
    pings.advance(pings.deadline)
    pings.heard(pings.deadline - 5, pong=False)
    assert pings.advance(pings.deadline) is Due.PING


def test_a_message_does_not_make_a_peer_one_that_answers() -> None:
    pings = made()
    pings.advance(pings.deadline)
    pings.heard(pings.deadline - 5, pong=False)
    pings.advance(pings.deadline)
    assert pings.advance(pings.deadline) is Due.NOTHING


def test_a_lone_crlf_is_a_pong_and_half_a_ping_is_not_lost() -> None:
    framer = StreamFramer()
    framer.feed(b"\r\n")
    assert framer.take_pong()
    assert not framer.take_pong()
    framer.feed(b"\r\n\r")
    assert not framer.take_pong()
    framer.feed(b"\n")
    assert framer.pings == 1


@pytest.mark.socket
@pytest.mark.parametrize("answers", [1, 3])
async def test_a_real_peer_is_pinged_and_given_up_when_it_falls_silent(
    monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    monkeypatch.setattr(keep_alive, "PING_INTERVAL", 0.2)
    monkeypatch.setattr(keep_alive, "PONG_TIMEOUT", 0.2)
    transport = Transport(UserAgent(server_name="test"), _ignore)
    host, port = await transport.listen("tcp", "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(answers):
        assert await asyncio.wait_for(reader.readexactly(4), 10) == PING
        writer.write(b"\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == PING, "one more, and then the end"
    writer.close()
    await transport.close()


def _ignore(_event: object) -> None:
    """Nobody listens."""

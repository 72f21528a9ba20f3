"""Pairs of ports: even and odd neighbours, a rest after use, an end to them."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from ivr.media.ports import PortPair, PortPool
from ivr.media.stream import NoPortsLeft

pytestmark = pytest.mark.socket


@contextlib.contextmanager
def range_of(pairs: int) -> Iterator[tuple[int, int]]:
    """A range of that many pairs that nobody uses just now."""
    for low in range(20_000 + 200 * pairs, 60_000, 2 * pairs):
        try:
            with contextlib.ExitStack() as probes:
                for port in range(low, low + 2 * pairs):
                    probe = probes.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        yield low, low + 2 * pairs - 1
        return


def pool(port_range: tuple[int, int], *, share: int = 0, shares: int = 1) -> PortPool:
    return PortPool("127.0.0.1", port_range, share=share, shares=shares, rest=5.0)


def ports(pair: PortPair) -> tuple[int, int]:
    return pair.rtp.getsockname()[1], pair.rtcp.getsockname()[1]


def test_any_pair_is_even_and_odd() -> None:
    free = pool((0, 0))
    pairs = [free.acquire() for _ in range(20)]
    assert all(ports(pair) == (pair.port, pair.port + 1) for pair in pairs)
    assert all(pair.port % 2 == 0 for pair in pairs)
    assert free.in_use == 20
    for pair in pairs:
        pair.close()


def test_a_connection_hears_its_peer_alone_and_the_pair_everybody_else() -> None:
    pair = pool((0, 0)).acquire()
    with contextlib.ExitStack() as open_sockets:
        peer, stranger = (
            open_sockets.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2)
        )
        peer.bind(("127.0.0.1", 0))
        connection = open_sockets.enter_context(pair.connect(peer.getsockname()))
        connection.send(b"to the peer")
        assert peer.recvfrom(100) == (b"to the peer", pair.rtp.getsockname())
        peer.sendto(b"from the peer", pair.rtp.getsockname())
        stranger.sendto(b"from a stranger", pair.rtp.getsockname())
        assert connection.recv(100) == b"from the peer"
        assert pair.rtp.recv(100) == b"from a stranger"
        for ear in (connection, pair.rtp):
            with pytest.raises(BlockingIOError):
                ear.recv(100)
    pair.close()


def test_a_connected_port_is_not_for_others_to_bind() -> None:
    pair = pool((0, 0)).acquire()
    with (
        pair.connect(("127.0.0.1", 9)),
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(pair.rtp.getsockname())
    pair.close()


def test_a_range_ends_and_a_pair_rests_before_it_is_used_again() -> None:
    with range_of(2) as (low, high):
        free = pool((low, high))
        first, second = free.acquire(), free.acquire()
        assert {first.port, second.port} == {low, low + 2}
        with pytest.raises(NoPortsLeft):
            free.acquire()
        free.release(first, now=100.0)
        assert (free.in_use, free.resting, free.deadline) == (1, 1, 105.0)
        free.advance(104.9)
        with pytest.raises(NoPortsLeft):
            free.acquire()
        assert first.rtp.fileno() != -1, "a port at rest stays bound"
        free.advance(105.0)
        assert (free.resting, free.deadline) == (0, None)
        again = free.acquire()
        assert again.port == first.port
        for pair in (second, again):
            free.release(pair, now=106.0)
        free.close()
        assert (free.in_use, free.resting) == (0, 0)


def test_the_pair_used_longest_ago_comes_first() -> None:
    with range_of(3) as port_range:
        free = pool(port_range)
        first = free.acquire()
        free.release(first, 0.0)
        free.advance(5.0)
        others = [free.acquire() for _ in range(2)]
        assert first.port not in {pair.port for pair in others}
        for pair in others:
            pair.close()


def test_workers_share_a_range() -> None:
    with range_of(4) as port_range:
        pools = [pool(port_range, share=share, shares=2) for share in range(2)]
        pairs = [[free.acquire() for _ in range(2)] for free in pools]
        assert not {pair.port for pair in pairs[0]} & {pair.port for pair in pairs[1]}
        for free in pools:
            with pytest.raises(NoPortsLeft):
                free.acquire()
        for pair in pairs[0] + pairs[1]:
            pair.close()


@pytest.mark.parametrize("taken", [0, 1], ids=["RTP's", "RTCP's"])
def test_a_port_that_another_program_has_is_passed_over(taken: int) -> None:
    with range_of(2) as (low, high), socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", low + taken))
        free = pool((low, high))
        pair = free.acquire()
        assert pair.port == low + 2
        with pytest.raises(NoPortsLeft):
            free.acquire()
        pair.close()

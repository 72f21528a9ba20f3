"""Many datagrams in one system call. Needs a kernel that has io_uring and lets us use it."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from ivr.media.uring import ENTRIES, Ring

pytestmark = pytest.mark.socket
SLOTS = ENTRIES + 100


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = Ring(SLOTS)
    yield ring
    ring.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Three of ours, each connected to one of theirs and it to ours."""
    made = []
    for _ in range(3):
        ours, theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for udp in (ours, theirs):
            udp.bind(("127.0.0.1", 0))
            udp.setblocking(False)
        ours.connect(theirs.getsockname())
        theirs.connect(ours.getsockname())
        made.append((ours, theirs))
    yield made
    for pair in made:
        for udp in pair:
            udp.close()


Pairs = list[tuple[socket.socket, socket.socket]]


def attached(ring: Ring, pairs: Pairs, slots: tuple[int, ...] = (7, 3, SLOTS - 1)) -> np.ndarray:
    for slot, (ours, _) in zip(slots, pairs, strict=True):
        ring.attach(slot, ours)
    return np.array(slots)


def test_each_row_goes_out_on_its_slot_s_socket(ring: Ring, pairs: Pairs) -> None:
    slots = attached(ring, pairs)
    data = np.arange(3 * 172, dtype=np.int64).astype(np.uint8).reshape(3, 172)
    assert ring.send(slots, data) == []
    assert [theirs.recv(2000) for _, theirs in pairs] == [row.tobytes() for row in data]


def test_one_datagram_of_each_that_has_one_is_read_into_its_row(ring: Ring, pairs: Pairs) -> None:
    slots = attached(ring, pairs)
    pairs[0][1].send(b"first")
    pairs[0][1].send(b"second")
    pairs[2][1].send(b"third" * 100)
    rows = np.zeros((3, 300), np.uint8)
    first, nothing, cut = ring.receive(slots, rows).tolist()
    assert rows[0, :first].tobytes() == b"first"
    assert nothing < 0
    assert cut == 300
    assert rows[2].tobytes() == (b"third" * 100)[:300]
    assert ring.receive(slots, rows)[0] == len(b"second")


def test_what_the_system_does_not_take_is_told_and_holds_nothing_up(
    ring: Ring, pairs: Pairs
) -> None:
    slots = attached(ring, pairs)
    pairs[1][1].close()
    data = np.zeros((3, 10), np.uint8)
    assert ring.send(slots, data) == []
    assert ring.send(slots, data) == [1], "ICMP has told that the port is closed"
    assert [len(pairs[i][1].recv(100)) for i in (0, 2, 0, 2)] == [10] * 4


def test_more_than_fit_at_once_and_more_often_than_the_ring_has_room(
    ring: Ring, pairs: Pairs
) -> None:
    ours, theirs = pairs[0]
    slots = np.arange(SLOTS)
    for slot in slots.tolist():
        ring.attach(slot, ours)
    for turn in range(5):
        data = np.full((SLOTS, 4), turn, np.uint8)
        taken = SLOTS - len(ring.send(slots, data))
        read = 0
        while True:
            try:
                assert theirs.recv(100) == bytes([turn] * 4)
            except BlockingIOError:
                break
            read += 1
        assert 100 < read <= taken  # as many as its buffer holds


def test_a_slot_let_go_sends_nothing_and_frees_the_port(ring: Ring, pairs: Pairs) -> None:
    slots = attached(ring, pairs)
    ours, theirs = pairs[0]
    address = ours.getsockname()
    ours.close()
    ring.detach(7)
    assert not ring.attached[7]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(address)
    assert ring.send(slots, np.zeros((3, 10), np.uint8)) == [0]
    with pytest.raises(BlockingIOError):
        theirs.recv(100)

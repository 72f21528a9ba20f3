"""RFC 3550 appendix A over many calls at once: loss, order, duplicates, jitter, restarts."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media import rtp
from ivr.media.reception import Reception
from tests.media.packets import PEER, mixed, packet


def receive(
    reception: Reception, items: Sequence[tuple[int, bytes]], now: float, *, sound: bool = True
) -> None:
    arrivals = mixed([(slot, datagram, PEER) for slot, datagram in items])
    packets = rtp.parse(arrivals.data, arrivals.lengths)
    rows = np.arange(len(items))
    slots = np.array(arrivals.slots, np.int64)
    reception.update(slots, packets, rows, np.full(len(items), sound), now)


def counted(sequences: Sequence[int], start: int = 0) -> tuple[int, int]:
    """(received, lost) of packets that arrive one by one, numbered from `start`."""
    reception = Reception(1)
    for step, number in enumerate(sequences):
        receive(reception, [(0, packet(start + number, number * 160))], step * 0.02)
    return reception.received(0), reception.lost(0)


@pytest.mark.parametrize("start", [0, 65533])
@pytest.mark.parametrize(
    ("sequences", "received", "lost"),
    [
        ([0, 1, 2, 3, 4, 5], 6, 0),
        ([0, 1, 4, 5], 4, 2),
        ([0, 2, 1, 3], 4, 0),
        ([0, 1, 1, 2, 2, 2, 3], 4, 0),
        ([0, 3, 1, 3, 1, 2, 2], 4, 0),
        ([0, 2999], 2, 2998),
        ([0, 100, 40, 40], 3, 98),
    ],
)
def test_loss_order_and_duplicates(
    sequences: list[int], received: int, lost: int, start: int
) -> None:
    assert counted(sequences, start) == (received, lost)


def test_sixteen_bits_wrap_twice() -> None:
    assert counted(range(140_000)[::100][:1]) == (1, 0)
    reception = Reception(1)
    for number in range(0, 140_000, 50):
        receive(reception, [(0, packet(number, 0))], 0.0)
    assert reception.received(0) == 2800
    assert reception.lost(0) == 2799 * 49


def test_one_stray_is_not_counted_and_two_in_a_row_are_a_restart() -> None:
    assert counted([0, 1, 30_000, 2, 3]) == (4, 0)
    assert counted([0, 1, 30_000, 30_001, 30_002]) == (4, 0)


def test_another_source_goes_on_where_the_first_ended() -> None:
    reception = Reception(1)
    for number in (0, 1, 3):
        receive(reception, [(0, packet(number, 0, ssrc=1))], 0.0)
    for number in (50_000, 50_001, 50_004):
        receive(reception, [(0, packet(number, 0, ssrc=2))], 0.0)
    assert (reception.received(0), reception.lost(0)) == (6, 3)
    block = reception.report(0)
    assert block is not None
    assert (block.ssrc, block.cumulative_lost) == (2, 2)


def test_several_packets_of_several_calls_in_one_batch() -> None:
    reception = Reception(3)
    batch = [(2, 5), (0, 1), (2, 6), (0, 3), (1, 9), (2, 6), (2, 8), (0, 2)]
    receive(reception, [(slot, packet(number, 0)) for slot, number in batch], 0.0)
    assert [reception.received(slot) for slot in range(3)] == [3, 1, 3]
    assert [reception.lost(slot) for slot in range(3)] == [0, 0, 1]


def test_a_slot_used_again_knows_nothing_of_the_last_call() -> None:
    reception = Reception(1)
    receive(reception, [(0, packet(1, 0)), (0, packet(9, 0))], 0.0)
    reception.open(0)
    assert (reception.received(0), reception.lost(0), reception.report(0)) == (0, 0, None)


def test_jitter_of_an_even_stream_is_none() -> None:
    reception = Reception(1)
    for number in range(100):
        receive(reception, [(0, packet(number, 2**32 - 8000 + number * 160))], number * 0.02)
    assert reception.jitter_ms(0) == pytest.approx(0, abs=1e-6)


def test_jitter_of_a_stream_that_is_late_every_other_time() -> None:
    reception = Reception(1)
    for number in range(400):
        receive(reception, [(0, packet(number, number * 160))], number * 0.02 + number % 2 * 0.01)
    assert reception.jitter_ms(0) == pytest.approx(10, rel=0.01)


def test_a_sender_who_sets_its_clock_makes_no_jitter() -> None:
    reception = Reception(1)
    for number in range(100):
        jump = 0 if number < 50 else 2**31
        receive(reception, [(0, packet(number, number * 160 + jump))], number * 0.02)
    assert reception.jitter_ms(0) == pytest.approx(0, abs=1e-6)


def test_report_block_tells_loss_since_the_last_one() -> None:
    reception = Reception(1)
    for number in (0, 1, 2, 4):
        receive(reception, [(0, packet(65534 + number, 0))], 0.0)
    first, second = reception.report(0), reception.report(0)
    assert first is not None
    assert second is not None
    assert (first.fraction_lost, first.cumulative_lost) == (256 // 5, 1)
    assert first.highest_sequence == 65536 + 2
    assert (second.fraction_lost, second.cumulative_lost) == (0, 1)


@given(order=st.lists(st.integers(0, 40), min_size=1, max_size=120), start=st.integers(0, 65535))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_batches_of_any_size_count_what_a_set_counts(order: list[int], start: int) -> None:
    reception = Reception(1)
    order = [0, *order]
    for begin in range(0, len(order), 7):
        batch = [(0, packet(start + number, 0)) for number in order[begin : begin + 7]]
        receive(reception, batch, 0.0)
    distinct = set(order)
    assert reception.received(0) == len(distinct)
    assert reception.lost(0) == max(distinct) + 1 - len(distinct)

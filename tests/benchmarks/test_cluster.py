"""A day of calls on a cluster, against Erlang's formula and against common sense."""

import pytest

from benchmarks import erlang
from benchmarks.cluster import HOUR, WORKING_DAYS, Demand, Machine, play, size

STEADY = (0.25, 0.25, 0.25, 0.25)


def demand(erlangs: float, **changes: float) -> Demand:
    """So many Erlangs for four hours; nobody tries again but where a test says."""
    a_day = erlangs / 60.0 * HOUR * len(STEADY)
    fixed = {"worst_day": 1.0, "peak": 1.0, "lasts": 60.0, "again": 0.0, **changes}
    return Demand(calls_a_year=a_day * WORKING_DAYS, **fixed, curve=STEADY)


def test_what_is_refused_is_what_erlang_b_says() -> None:
    hours = play(demand(40), Machine(calls=20), 2)
    attempts, refused = sum(h.attempts for h in hours), sum(h.refused for h in hours)
    assert attempts == pytest.approx(9600, rel=0.05)
    assert refused / attempts == pytest.approx(erlang.blocked(40, 40), rel=0.1)


def test_callers_who_try_again_make_it_worse() -> None:
    once = play(demand(40), Machine(calls=15), 2)
    again = play(demand(40, again=0.9, again_after=30.0), Machine(calls=15), 2)
    assert sum(h.refused for h in again) > 2 * sum(h.refused for h in once)
    assert sum(h.gave_up for h in again) < sum(h.gave_up for h in once)


def test_a_machine_that_fails_cuts_its_calls_and_those_who_try_again_find_room() -> None:
    hours = play(demand(40, again=1.0), Machine(calls=100), 2, down=(HOUR + 1, 2 * HOUR))
    assert [h.cut > 0 for h in hours] == [False, True, False, False]
    assert hours[1].cut == pytest.approx(20, abs=10)
    assert sum(h.refused + h.gave_up for h in hours) == 0


def test_never_more_calls_than_there_is_room_for() -> None:
    hours = play(demand(80), Machine(calls=10), 3)
    assert max(h.most for h in hours) == 30


def test_a_cluster_is_sized_by_what_runs_out_first() -> None:
    machine = Machine(calls=100, rate=50.0, hash_threads=2, hash_time=0.02)
    by_calls = size(demand(250, logins=1.0), machine, 0.001)
    assert by_calls.limit == "calls at once"
    assert by_calls.machines == -(-erlang.lines_for(250, 0.001) // 100) + 1
    assert by_calls.refused_one_down <= 0.001
    by_hashing = size(demand(250, logins=100.0), machine, 0.001)
    assert by_hashing.limit == "hashing"
    assert by_hashing.machines == 6 + 1  # 4.2 calls a second, 8.3 hashes at once, 70 % of 2 each

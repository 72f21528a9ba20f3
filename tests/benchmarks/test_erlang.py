"""The formulas that size a cluster, against published values."""

import math

import pytest

from benchmarks import erlang


@pytest.mark.parametrize(
    ("load", "lines", "share"), [(1, 1, 0.5), (10, 10, 0.2146), (100, 117, 0.0098), (5, 11, 0.0083)]
)
def test_erlang_b(load: float, lines: int, share: float) -> None:
    assert erlang.blocked(load, lines) == pytest.approx(share, abs=5e-5)


@pytest.mark.parametrize(("load", "lines"), [(100, 117), (10, 18), (1000, 1029)])
def test_the_lines_for_one_in_a_hundred(load: float, lines: int) -> None:
    assert erlang.lines_for(load, 0.01) == lines


def test_erlang_c() -> None:
    assert erlang.delayed(8, 10) == pytest.approx(0.4092, abs=5e-5)
    assert erlang.delayed(0.5, 1) == pytest.approx(0.5)  # one server: the share that it is busy
    assert erlang.delayed(10, 10) == 1.0


def test_the_wait_for_one_server() -> None:
    # M/M/1 at half load: P(W > t) = 0.5 exp(-t / 2 s), for a service of 1 s.
    assert erlang.wait(0.5, 1, 1.0, 0.05) == pytest.approx(2 * math.log(10))
    assert erlang.wait(0.01, 1, 1.0, 0.05) == 0.0
    assert erlang.wait(2, 2, 1.0, 0.05) == math.inf

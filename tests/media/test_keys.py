"""One press is one digit, whichever way or ways it comes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.keys import WINDOW, KeyMerger
from ivr.media.stream import Way

WAYS = {"R": Way.RFC4733, "I": Way.INFO, "B": Way.INBAND}


def heard(script: str) -> str:
    """What comes out of a script such as "0:R1 0.1:R- 0.2:I1".

    Each step is a time, a way (R RFC 4733, I INFO, B in-band) and a key, or - when it comes up.
    """
    merger = KeyMerger()
    keys = ""
    for step in script.split():
        time, _, what = step.partition(":")
        way, key = what[0], what[1]
        if key == "-":
            merger.released(WAYS[way], float(time))
        elif way == "I":
            keys += key if merger.tapped(WAYS[way], key, 0.1, float(time)) else ""
        else:
            keys += key if merger.pressed(WAYS[way], key, float(time)) else ""
    return keys


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        pytest.param("0:R1 0.1:R- 0.2:I1", "1", id="INFO after"),
        pytest.param("0:I1 0.2:R1 0.3:R-", "1", id="INFO before"),
        pytest.param("0:R1 5:I1 5.1:R-", "1", id="INFO in a long hold"),
        pytest.param("0:R1 5:R- 5.1:I1", "1", id="INFO at the end of a long hold"),
        pytest.param("0:R1 0.1:R- 0.2:R1 0.3:R-", "11", id="twice by RTP"),
        pytest.param("0:I1 0.1:I1", "11", id="twice by INFO"),
        pytest.param("0:R1 0.1:R- 0.15:I1 0.2:R1 0.3:R- 0.35:I1", "11", id="twice both, in turn"),
        pytest.param("0:R1 0.1:R- 0.2:R1 0.3:R- 0.4:I1 0.5:I1", "11", id="twice both, INFO late"),
        pytest.param("0:I1 0.05:I1 0.1:R1 0.2:R- 0.3:R1 0.4:R-", "11", id="twice both, INFO first"),
        pytest.param("0:R1 0.1:R- 0.2:R1 0.3:R- 0.4:I1", "11", id="twice both, one INFO lost"),
        pytest.param("0:R1 0.1:R- 0.15:I1 0.4:I1", "11", id="twice both, RTP lost once"),
        pytest.param("0:B1 0.03:R1 0.1:B- 0.1:R- 0.2:I1", "1", id="all three ways"),
        pytest.param("0:R1 0.1:R- 0.2:I2", "12", id="another key"),
        pytest.param(f"0:R1 0.1:R- {0.15 + WINDOW}:I1", "11", id="too late to be the same"),
    ],
)
def test_one_press_is_one_digit(script: str, keys: str) -> None:
    assert heard(script) == keys


def test_the_ways_are_remembered_though_absorbed() -> None:
    merger = KeyMerger()
    merger.pressed(Way.RFC4733, "1", 0.0)
    merger.tapped(Way.INFO, "1", 0.1, 0.1)
    assert merger.ways == {Way.RFC4733, Way.INFO}


def test_an_endless_flood_of_keys_keeps_no_more_than_a_few() -> None:
    merger = KeyMerger()
    for _ in range(10_000):
        assert merger.tapped(Way.INFO, "1", 0.1, 0.0)
    assert len(merger._presses) <= 32


def test_digits_do_not_show() -> None:
    merger = KeyMerger()
    merger.pressed(Way.RFC4733, "9", 0.0)
    assert "9" not in repr(merger._presses)


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        pytest.param("0:B1 0.04:B- 0.06:R1 0.2:R-", "1", id="tone leaked before the event"),
        pytest.param("0:R1 0.03:B1 0.06:B- 0.12:B1 0.2:R- 0.2:B-", "1", id="tone broken in it"),
        pytest.param("0:R1 0.03:B1 0.06:B- 0.2:R- 0.23:B1 0.27:B-", "1", id="tone left after it"),
        pytest.param("0:B1 0.03:R1 0.1:B- 0.1:R- 0.2:B1 0.23:R1", "11", id="twice, tone first"),
        pytest.param("0:R1 0.03:B1 0.05:R- 0.06:B- 0.1:R1 0.13:B1", "11", id="twice, quickly"),
        pytest.param("0:B1 0.1:B- 0.2:B1 0.3:B-", "11", id="twice by tones"),
        pytest.param("0:B1 0.1:B- 0.15:I1 0.2:B1 0.3:B- 0.35:I1", "11", id="twice, tone and INFO"),
    ],
)
def test_a_tone_and_what_else_comes_of_one_press_are_one_digit(script: str, keys: str) -> None:
    assert heard(script) == keys


@st.composite
def presses_in_ways(draw: st.DrawFn) -> tuple[str, list[tuple[float, str]]]:
    """Keys pressed one after the other, and what each of some ways tells of them, in order."""
    keys = draw(st.text("12#", min_size=1, max_size=8))
    ways = draw(st.sets(st.sampled_from("RIB"), min_size=1))
    late = {way: draw(st.floats(0.0, 0.2)) for way in sorted(ways)}
    told: list[tuple[float, str]] = []
    begin = 1.0
    for key in keys:
        length, pause = draw(st.floats(0.05, 0.4)), draw(st.floats(0.05, 0.4))
        for way in sorted(ways):
            told.append((begin + late[way], f"{way}{key}"))
            if way != "I":
                told.append((begin + late[way] + length, f"{way}-"))
        begin += length + pause
    return keys, sorted(told)


@given(presses_in_ways())
@settings(max_examples=400, deadline=None)
def test_ways_up_to_200_ms_apart_make_one_digit_of_each_press(
    pressed: tuple[str, list[tuple[float, str]]],
) -> None:
    keys, told = pressed
    assert heard(" ".join(f"{time}:{what}" for time, what in told)) == keys

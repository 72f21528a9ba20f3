"""The choices that guessers try first: the habits that the list is made of, and what it spares."""

from itertools import pairwise

import pytest

from auth_core.common import COMMON, LENGTH, walks
from auth_core.demo import DEMO_FILES

# Left, right, up and down of each key; the 0 of a telephone and the 0 of a computer.
BESIDE = {
    "1": "240", "2": "1350", "3": "26", "4": "157", "5": "2468", "6": "359", "7": "48",
    "8": "5790", "9": "68", "0": "128",
}  # fmt: skip


@pytest.mark.parametrize(
    "candidate",
    [
        "14789632", "12369874", "78963214", "14785236", "85214796",  # walks
        "14725836", "36925814", "78945612", "15935725", "25801473",  # lines
        "12312312", "11122233", "33322211",  # blocks and runs
        "13579135", "24680246", "12345432", "12345123", "98765678",  # counts
        "10111213", "01020304", "10203040", "11223344", "19992000", "20102009",
        "31415926", "52013140", "12345670",
    ],
)  # fmt: skip
def test_what_people_choose_is_refused(candidate: str) -> None:
    assert candidate in COMMON


@pytest.mark.parametrize(
    "candidate", ["12345679", "11111112", "14031985", "01012000", "24121999", "52917364"]
)
def test_what_is_no_habit_of_everybody_s_is_not(candidate: str) -> None:
    assert candidate not in COMMON


def test_the_demo_s_own_passwords_are_not() -> None:
    assert not COMMON & {row.secret for row in DEMO_FILES}


def test_every_walk_goes_from_key_to_neighbouring_key() -> None:
    found = set(walks())
    assert len(found) == 408
    for walk in found:
        assert len(set(walk)) == LENGTH
        assert all(there in BESIDE[here] for here, there in pairwise(walk))


def test_the_list_is_as_long_as_the_docs_say() -> None:
    assert all(len(each) == LENGTH and each.isdigit() for each in COMMON)
    assert len(COMMON) == 5832

"""NIRs as people write them, with and without key, Corsica's letters included."""

import pytest
from stdnum.fr.nir import calc_check_digits

from auth_core import nir
from auth_core.keys import Keyring

PEPPER = Keyring("pepper", {1: b"a" * 32, 2: b"b" * 32})


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("2850375116001", "2850375116001"),
        ("2 85 03 75 116 001", "2850375116001"),
        ("1 84 12 2a 004 012", "184122A004012"),
        ("7850375116001", "7850375116001"),
        ("2856375116001", "2856375116001"),
    ],
)
def test_what_is_a_nir(written: str, number: str) -> None:
    assert nir.normalised(written) == number
    assert nir.normalised(f"{written} {calc_check_digits(number)}") == number


@pytest.mark.parametrize(
    "written", ["", "285037511600", "28503751160012", "2850375116001AA", "2C50375116001", "é" * 13]
)
def test_what_is_none(written: str) -> None:
    assert nir.normalised(written) is None


def test_a_wrong_key_is_no_nir() -> None:
    number = "2850375116001"
    right = calc_check_digits(number)
    for key in range(1, 98):
        found = nir.normalised(f"{number}{key:02}")
        assert (found == number) == (f"{key:02}" == right)


def test_corsica_keeps_its_letter_in_what_is_kept() -> None:
    assert nir.prefix("184122A004012") == "184122A00"
    assert nir.prefix("2850375116001") == "28503751"


def test_a_person_is_known_again_after_the_pepper_was_rotated() -> None:
    number = "2850375116001"
    assert nir.digest(PEPPER, number, 1) in nir.digests(PEPPER, number)
    assert nir.digest(PEPPER, number) in nir.digests(PEPPER, number)
    assert nir.digest(PEPPER, number, 1) != nir.digest(PEPPER, "2850375116002", 1)

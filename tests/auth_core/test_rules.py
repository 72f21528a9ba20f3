"""The password rules: what each refuses, what none may refuse, and that all reasons are told."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auth_core import FileStatus, Identity, Rule
from auth_core.model import BirthDate, CaseFile, Person, Phone, Role
from auth_core.rules import ENUMERATIONS, MESSAGES, SHAPES, reasons

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
BENEFICIARY = Person("p1", Role.BENEFICIARY, "A", BirthDate(1985, 3, 14), "28503751")
CHILD = Person("p2", Role.CHILD, "B", BirthDate(2012, 12, 5))
EX = Person("p3", Role.FORMER_SPOUSE, "C", BirthDate(1980, 7, 31), "18007693")
FILE = CaseFile(
    "f",
    Identity("751", "0123456"),
    FileStatus.AFFILIATED,
    persons=(BENEFICIARY, CHILD, EX),
    phones=(Phone("p1", "+33 (0)6 12 39 85 74", SINCE),),
)


def codes(candidate: str, case_file: CaseFile = FILE) -> set[Rule]:
    return {reason.code for reason in reasons(candidate, case_file)}


def with_phone(number: str, caf: str = "751") -> CaseFile:
    return replace(FILE, identity=Identity(caf, "0123456"), phones=(Phone("p1", number, SINCE),))


def with_nir(prefix: str) -> CaseFile:
    return replace(FILE, persons=(replace(BENEFICIARY, nir_prefix=prefix),))


@pytest.mark.parametrize("digit", "0123456789")
def test_eight_identical_digits(digit: str) -> None:
    assert Rule.IDENTICAL in codes(digit * 8)


@pytest.mark.parametrize(
    "candidate", ["12345678", "01234567", "78901234", "98765432", "32109876", "90123456"]
)
def test_eight_successive_digits(candidate: str) -> None:
    assert Rule.SUCCESSIVE in codes(candidate)


def test_there_are_twenty_successions() -> None:
    rows = {"0123456789"[i:] + "0123456789"[:i] for i in range(10)}
    expected = {row[:8] for row in rows} | {row[::-1][:8] for row in rows}
    assert len(expected) == 20
    assert all(SHAPES[Rule.SUCCESSIVE](candidate) for candidate in expected)
    assert not SHAPES[Rule.SUCCESSIVE]("12345679")


@pytest.mark.parametrize(
    "candidate", ["14031985", "19850314", "03141985", "19851403", "14198503", "03198514"]
)
def test_a_date_of_birth_in_six_writings(candidate: str) -> None:
    assert codes(candidate) == {Rule.BIRTH_DATE}


@pytest.mark.parametrize("candidate", ["05122012", "31071980"])
def test_the_dates_of_everybody_in_the_file(candidate: str) -> None:
    assert codes(candidate) == {Rule.BIRTH_DATE}


def test_a_date_that_is_not_wholly_known_refuses_nothing() -> None:
    unknown = replace(FILE, persons=(replace(BENEFICIARY, birth_date=BirthDate(1950, 0, 0)),))
    assert codes("00001950", unknown) == set()


@pytest.mark.parametrize(
    "written",
    ["0612398574", "33612398574", "0033612398574", "330612398574", "00330612398574"],
)
def test_every_window_of_every_writing_of_a_number(written: str) -> None:
    for start in range(len(written) - 7):
        assert Rule.PHONE in codes(written[start : start + 8])


@pytest.mark.parametrize(
    "number",
    ["0612398574", "06.12.39.85.74", "+33612398574", "0033 6 12 39 85 74", "33 6 12 39 85 74"],
)
def test_any_writing_of_a_number_is_that_number(number: str) -> None:
    assert Rule.PHONE in codes("61239857", with_phone(number))
    assert Rule.PHONE in codes("33612398", with_phone(number))


@pytest.mark.parametrize(
    "field",
    [
        "0145678912 / 0612398574",
        "0145678912,0612398574",
        "01 45 67 89 12 06 12 39 85 74",
        "fixe 0145678912 ou 0612398574",
    ],
)
def test_several_numbers_in_one_field(field: str) -> None:
    case_file = with_phone(field)
    assert Rule.PHONE in codes("45678912", case_file)
    assert Rule.PHONE in codes("12398574", case_file)
    assert Rule.PHONE in codes("33145678", case_file)


@pytest.mark.parametrize(
    ("number", "caf", "candidate"),
    [
        ("0690123987", "971", "59069012"),
        ("0690123987", "751", "59069012"),
        ("0692123987", "974", "26269212"),
        ("0694213987", "973", "59469421"),
        ("0696213987", "972", "59669621"),
        ("0639012987", "976", "26263901"),
        ("+49 30 901820", "751", "49309018"),
        ("+49 30 901820", "751", "00493090"),
    ],
)
def test_numbers_overseas_and_abroad(number: str, caf: str, candidate: str) -> None:
    assert Rule.PHONE in codes(candidate, with_phone(number, caf))


def test_a_phone_number_with_one_digit_changed_is_accepted() -> None:
    assert codes("61239857") == {Rule.PHONE}
    assert codes("61239867") == set()


def test_the_first_eight_digits_of_every_nir() -> None:
    assert codes("28503751") == {Rule.NIR}
    assert codes("18007693") == {Rule.NIR}
    assert codes("85037511") == set()  # digits 2 to 9


@pytest.mark.parametrize(
    ("prefix", "refused"),
    [
        ("185032A1", {"18503201", "18503191"}),
        ("185032B1", {"18503201", "18503181"}),
        ("185032a123", {"18503201", "18503191", "18503212"}),
        ("78599123", {"78599123"}),  # a provisional NIR
        ("285", set()),
        ("", set()),
    ],
)
def test_nirs_of_corsica_and_unfinished_ones(prefix: str, refused: set[str]) -> None:
    found = set(ENUMERATIONS[Rule.NIR](with_nir(prefix)))
    assert found == refused


def test_the_matricule_with_a_digit_before_or_after() -> None:
    refused = set(ENUMERATIONS[Rule.MATRICULE](FILE))
    assert len(refused) == 20
    assert {"90123456", "01234569"} <= refused
    assert codes("50123456") == {Rule.MATRICULE}


@pytest.mark.parametrize("candidate", ["49204920", "11223344", "12344321", "10101010", "90000009"])
def test_patterns(candidate: str) -> None:
    assert Rule.PATTERN in codes(candidate)


@pytest.mark.parametrize("candidate", ["12345679", "11111112", "14031986", "28503752"])
def test_what_no_rule_may_refuse(candidate: str) -> None:
    assert codes(candidate) == set()


def test_another_file_s_data_are_accepted() -> None:
    other = replace(FILE, identity=Identity("751", "7654321"), persons=(), phones=())
    for candidate in ("14031985", "61239857", "28503751", "50123456"):
        assert codes(candidate, other) == set()


@pytest.mark.parametrize("candidate", ["", "1234", "123456789", "1234567a", "１２３４５６７９"])
def test_what_is_not_eight_digits(candidate: str) -> None:
    assert codes(candidate) == {Rule.FORMAT}


def test_every_reason_is_told_and_no_datum() -> None:
    born_and_called = replace(
        with_phone("0114031985"), persons=(replace(BENEFICIARY, nir_prefix="14031985"),)
    )
    told = reasons("14031985", born_and_called)
    assert [reason.code for reason in told] == [Rule.BIRTH_DATE, Rule.PHONE, Rule.NIR]
    assert all(reason.message == MESSAGES[reason.code] for reason in told)
    assert set(MESSAGES) == set(Rule)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text("0123456789", min_size=8, max_size=8))
def test_a_file_without_data_refuses_by_shape_and_matricule_alone(candidate: str) -> None:
    bare = replace(FILE, persons=(), phones=())
    expected = {rule for rule, refuses in SHAPES.items() if refuses(candidate)}
    if "0123456" in (candidate[1:], candidate[:-1]):
        expected.add(Rule.MATRICULE)
    assert codes(candidate, bare) == expected


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.data())
def test_all_that_a_rule_enumerates_is_refused_by_it(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(sorted(ENUMERATIONS)))
    candidate = data.draw(st.sampled_from(sorted(set(ENUMERATIONS[rule](FILE)))))
    assert rule in codes(candidate)


def test_the_shapes_refuse_29_750_of_all() -> None:
    """29,710 patterns (10 identical among them), 20 successions; none is both."""
    halves = [f"{n:04}" for n in range(10_000)]
    patterns = {half + half for half in halves} | {half + half[::-1] for half in halves}
    patterns |= {"".join(digit * 2 for digit in half) for half in halves}
    assert len(patterns) == 29_710
    assert all(SHAPES[Rule.PATTERN](candidate) for candidate in patterns)
    drawn = (f"{secrets.randbelow(10**8):08}" for _ in range(20_000))
    assert all(SHAPES[Rule.PATTERN](c) == (c in patterns) for c in drawn)

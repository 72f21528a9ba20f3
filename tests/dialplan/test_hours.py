"""Opening hours: what an operator writes, when advisors answer, and how it is said."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from ivr.dialplan.hours import PARIS, OpeningHours, is_open, spoken
from tests.dialplan.catalogue import words

WEEK = OpeningHours.model_validate({"mon-fri": "09:00-16:30", "holidays": "fr"})


def paris(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=PARIS)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (paris(2026, 3, 2, 9, 0), True),
        (paris(2026, 3, 2, 8, 59), False),
        (paris(2026, 3, 2, 16, 29), True),
        (paris(2026, 3, 2, 16, 30), False),
        (paris(2026, 3, 1, 10, 0), False),
        (paris(2026, 7, 14, 10, 0), False),
        (datetime(2026, 3, 2, 8, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 15, 7, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 15, 6, 59, tzinfo=UTC), False),
    ],
)
def test_open_in_paris_time_on_named_days_but_holidays(moment: datetime, expected: bool) -> None:
    assert is_open(WEEK, moment, "751") is expected


@pytest.mark.parametrize(
    ("caf", "day", "expected"),
    [
        ("671", date(2025, 12, 26), False),
        ("571", date(2025, 12, 26), False),
        ("751", date(2025, 12, 26), True),
        (None, date(2025, 12, 26), True),
        ("974", date(2027, 12, 20), False),
        ("971", date(2026, 5, 27), False),
        ("751", date(2026, 5, 27), True),
    ],
)
def test_a_caf_keeps_the_holidays_of_its_part_of_france(
    caf: str | None, day: date, expected: bool
) -> None:
    assert is_open(WEEK, paris(day.year, day.month, day.day, 10), caf) is expected


def test_closed_dates_and_several_times_a_day() -> None:
    hours = OpeningHours.model_validate(
        {"mon-sat": "09:00-12:00, 13:30-16:30", "closed": ["2026-03-03"]}
    )
    assert is_open(hours, paris(2026, 3, 2, 11), None)
    assert not is_open(hours, paris(2026, 3, 2, 12, 30), None)
    assert is_open(hours, paris(2026, 3, 2, 13, 30), None)
    assert not is_open(hours, paris(2026, 3, 3, 11), None)


def test_without_a_day_always_open() -> None:
    assert is_open(OpeningHours(), paris(2026, 1, 1, 3), "751")
    assert is_open(OpeningHours.model_validate({}), paris(2026, 1, 1, 3), "751")


@pytest.mark.parametrize(
    ("written", "language", "said"),
    [
        (
            {"mon-fri": "09:00-16:30"},
            "fr",
            "Ils vous répondent du lundi au vendredi de neuf heures à seize heures trente",
        ),
        (
            {"mon-fri": "09:00-16:30", "holidays": "fr"},
            "en",
            "They answer you from Monday to Friday from nine A M to four thirty P M "
            "except on public holidays.",
        ),
        (
            {"mon": "08:05-12:00, 13:00-17:00", "wed": "21:00-24:00"},
            "fr",
            "Ils vous répondent le lundi de huit heures cinq à midi et de treize heures à "
            "dix-sept heures et le mercredi de vingt et une heures à minuit",
        ),
    ],
)
def test_the_week_in_words(written: dict[str, str], language: str, said: str) -> None:
    hours = OpeningHours.model_validate(written)
    assert words(language, spoken(hours, language)) == said


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"mon-fry": "09:00-16:30"}, "mon-fry is no day; write mon"),
        ({"fri-mon": "09:00-16:30"}, "runs backwards"),
        ({"mon": "9h-16h30"}, "9h is no hour"),
        ({"mon": "09:00"}, "nothing is no hour"),
        ({"mon": "09:00-24:01"}, "24:01 is no hour"),
        ({"mon": "09:60-10:00"}, "09:60 is no hour"),
        ({"mon": "16:30-09:00"}, "ends before it starts"),
        ({"mon": "09:00-12:00, 11:00-13:00"}, "overlaps"),
        ({"mon-fri": "09:00-12:00", "wed": "13:00-14:00"}, "wed is given twice"),
        ({"mon": 9}, "write the hours in quotes"),
        ({"mon": "09:00-16:30", "holidays": "de"}, "Input should be 'fr' or 'none'"),
    ],
)
def test_wrong_hours_say_what_to_write(written: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        OpeningHours.model_validate(written)

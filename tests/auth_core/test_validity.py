"""Validities end at 24:00 in Paris of the same day so many calendar months later."""

from datetime import UTC, date, datetime

import pytest

from auth_core.validity import end_of_day, months_later, validity_end


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 3, 2), 2, date(2026, 5, 2)),
        (date(2026, 11, 30), 2, date(2027, 1, 30)),
        (date(2026, 12, 28), 2, date(2027, 2, 28)),
        (date(2026, 12, 29), 2, date(2027, 2, 28)),
        (date(2026, 12, 30), 2, date(2027, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2027, 12, 29), 2, date(2028, 2, 29)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2028, 2, 29), 24, date(2030, 2, 28)),
        (date(2026, 12, 31), 24, date(2028, 12, 31)),
        (date(2026, 3, 31), -4, date(2025, 11, 30)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
    ],
)
def test_months_are_calendar_months(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2026, 1, 10), datetime(2026, 1, 10, 23, tzinfo=UTC)),
        (date(2026, 7, 10), datetime(2026, 7, 10, 22, tzinfo=UTC)),
        # The clocks go forward on 29 March 2026 and back on 25 October 2026.
        (date(2026, 3, 28), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 3, 29), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (date(2026, 10, 24), datetime(2026, 10, 24, 22, tzinfo=UTC)),
        (date(2026, 10, 25), datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ],
)
def test_a_day_ends_at_midnight_in_paris(day: date, end: datetime) -> None:
    assert end_of_day(day) == end


def test_the_day_it_begins_is_the_day_in_paris() -> None:
    just_after_midnight = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # 2 March in Paris
    assert validity_end(just_after_midnight, 2) == datetime(2026, 5, 2, 22, tzinfo=UTC)

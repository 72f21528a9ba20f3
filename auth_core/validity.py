"""How long secrets live: Europe/Paris calendar dates, never hours.

A validity ends at 24:00 of the same day so many calendar months later, or of the last day of a
month that is too short for it (DOMAIN: the life of a secret, 10).
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def months_later(day: date, months: int) -> date:
    """The same day `months` calendar months later; the last of the month where it has no such."""
    years, month0 = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month0 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def end_of_day(day: date) -> datetime:
    """24:00 Europe/Paris of `day`, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=PARIS)
    return midnight.astimezone(UTC)


def last_day(moment: datetime, months: int) -> date:
    """The last day, in Paris, of a validity of `months` that begins at `moment`."""
    return months_later(moment.astimezone(PARIS).date(), months)


def validity_end(moment: datetime, months: int) -> datetime:
    """The instant, in UTC, from which a secret created at `moment` is expired."""
    return end_of_day(last_day(moment, months))

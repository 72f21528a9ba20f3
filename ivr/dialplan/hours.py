"""When advisors answer: opening hours per line, public holidays per Caf, Europe/Paris time.

In `config.yaml`, the `hours` of a line:

    hours:
      mon-fri: "09:00-12:00, 13:30-16:30"   # mon tue wed thu fri sat sun, or a range of them
      sat: "09:00-12:00"                    # a day that is not named is a closed day
      holidays: fr                          # closed on public holidays, those of the Caf included
      closed: [2026-12-24]                  # closed on these dates as well

Without a single day, a line is always open. `holidays: none` (the default) ignores holidays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import holidays
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ivr.dialplan.speech import SPEAKERS, Bound

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MIDNIGHT = 24 * 60


@dataclass(frozen=True, slots=True)
class Interval:
    """Minutes since midnight: open from `start`, closed from `end` on."""

    start: int
    end: int


Week = tuple[tuple[Interval, ...], ...]
_ALWAYS: Week = ((Interval(0, _MIDNIGHT),),) * 7


class OpeningHours(BaseModel):
    """The hours of a line; `week[0]` is Monday. Raises pydantic's error, naming what is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    week: Week = _ALWAYS
    holidays: Literal["fr", "none"] = "none"
    closed: frozenset[date] = frozenset()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As it is written, by days."""
        day, clock = f"({'|'.join(DAYS)})", r"[0-9]{1,2}:[0-9]{2}"
        interval = rf"\s*{clock}\s*-\s*{clock}\s*"
        written = {
            "type": "string",
            "pattern": f"^{interval}(,{interval})*$",
            "description": 'Hours in quotes: "09:00-12:00, 13:30-16:30".',
        }
        return {
            "type": "object",
            "description": (
                "mon tue wed thu fri sat sun, or ranges such as mon-fri; "
                "a day that is not named is a closed day"
            ),
            "additionalProperties": False,
            "properties": {
                "mon-fri": written,
                "holidays": {
                    "enum": ["fr", "none"],
                    "description": "fr: closed on public holidays.",
                },
                "closed": {
                    "type": "array",
                    "items": {"type": "string", "format": "date"},
                    "description": "Dates on which advisors do not answer either.",
                },
            },
            "patternProperties": {f"^{day}(-{day})?$": written},
        }

    @model_validator(mode="before")
    @classmethod
    def _from_days(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "week" in value:
            return value
        named = {key: text for key, text in value.items() if key not in ("holidays", "closed")}
        if not named:
            return value
        week: list[tuple[Interval, ...]] = [()] * 7
        for key, text in named.items():
            for day in _days(key):
                if week[day]:
                    raise ValueError(f"{DAYS[day]} is given twice; name each day once")
                week[day] = _intervals(key, text)
        rest = {key: text for key, text in value.items() if key in ("holidays", "closed")}
        return {"week": tuple(week), **rest}


ALWAYS_OPEN = OpeningHours()


def is_open(hours: OpeningHours, at: datetime, caf: str | None) -> bool:
    """Whether advisors answer at `at` (an aware datetime) for callers of `caf`."""
    local = at.astimezone(PARIS)
    day = local.date()
    if day in hours.closed:
        return False
    if hours.holidays == "fr" and day in _public_holidays(_subdivision(caf), day.year):
        return False
    minute = local.hour * 60 + local.minute
    return any(each.start <= minute < each.end for each in hours.week[day.weekday()])


def spoken(hours: OpeningHours, language: str) -> list[str]:
    """The week in words, as prompt ids: "they answer you from Monday to Friday, from nine …"."""
    groups = [
        (list(days), intervals)
        for intervals, days in groupby(range(7), key=lambda day: hours.week[day])
        if intervals
    ]
    if not groups:
        return ["hours_never"]
    prompts = ["hours_intro"]
    for position, (days, intervals) in enumerate(groups):
        prompts += ["and"] if position else []
        prompts += _spoken_days(days[0] + 1, days[-1] + 1)
        prompts += _spoken_intervals(intervals, language)
    return [*prompts, "hours_holidays"] if hours.holidays == "fr" else prompts


def _spoken_days(first: int, last: int) -> list[str]:
    if first == last:
        return [f"weekday_on_{first}"]
    return [f"weekday_from_{first}", f"weekday_to_{last}"]


def _spoken_intervals(intervals: tuple[Interval, ...], language: str) -> list[str]:
    speaker = SPEAKERS[language]
    prompts: list[str] = []
    for position, interval in enumerate(intervals):
        prompts += ["and"] if position else []
        prompts += speaker.clock_time(interval.start, Bound.FROM)
        prompts += speaker.clock_time(interval.end, Bound.TO)
    return prompts


def _days(key: object) -> range:
    first, _, last = str(key).partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(
            f"{key} is no day; write mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri, "
            "holidays or closed"
        )
    days = range(DAYS.index(first), DAYS.index(last or first) + 1)
    if not days:
        raise ValueError(f"{key} runs backwards; write the earlier day first")
    return days


def _intervals(key: object, text: object) -> tuple[Interval, ...]:
    if not isinstance(text, str):
        raise ValueError(f'{key}: write the hours in quotes, such as "09:00-16:30"')  # noqa: TRY004
    intervals = tuple(_interval(key, part.strip()) for part in text.split(","))
    if any(later.start < earlier.end for earlier, later in pairwise(intervals)):
        raise ValueError(f"{key}: {text} overlaps; write the hours in order, apart from each other")
    return intervals


def _interval(key: object, text: str) -> Interval:
    start, _, end = text.partition("-")
    interval = Interval(_minutes(key, start.strip()), _minutes(key, end.strip()))
    if interval.start >= interval.end:
        raise ValueError(f"{key}: {text} ends before it starts; write the earlier hour first")
    return interval


def _minutes(key: object, text: str) -> int:
    hour, colon, minute = text.partition(":")
    if colon and len(minute) == 2 and f"{hour}{minute}".isascii() and f"{hour}{minute}".isdigit():
        minutes = int(hour) * 60 + int(minute)
        if int(minute) < 60 and minutes <= _MIDNIGHT:
            return minutes
    raise ValueError(f'{key}: {text or "nothing"} is no hour; write it such as "09:00-16:30"')


def _subdivision(caf: str | None) -> str | None:
    """The part of France whose own holidays a Caf keeps: Alsace, Moselle, overseas."""
    department = (caf or "")[:2]
    if department in ("67", "68"):
        return "6AE"
    if department == "57":
        return "57"
    return caf if caf in ("971", "972", "973", "974", "976") else None


@lru_cache(maxsize=64)
def _public_holidays(subdivision: str | None, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FR", subdiv=subdivision, years=year))

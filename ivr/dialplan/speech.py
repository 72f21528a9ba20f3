"""Amounts, dates, numbers and hours as prompt ids: what is spoken by concatenation of recordings.

Each language has its own grammar; both name recordings of `prompts/<language>/catalogue.yaml`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

MILLION = 1_000_000
_CENT = Decimal("0.01")


class Bound(StrEnum):
    """Which end of an opening time is spoken: "from nine", "to five"."""

    FROM = "from"
    TO = "to"


@dataclass(frozen=True, slots=True)
class Speaker:
    """The grammar of one language. Every function returns prompt ids in order."""

    number: Callable[[int], list[str]]
    """A whole number. From a million on it is read digit by digit."""

    year: Callable[[int], list[str]]
    """A year of four digits."""

    clock_time: Callable[[int, Bound], list[str]]
    """Minutes since midnight (0 to 1440), with the word that leads to them."""

    zero_is_singular: bool
    """French says "zéro euro", English "zero euros"."""

    def amount(self, euros: Decimal) -> list[str]:
        """An amount in euros, rounded to the cent; zero cents, and zero euros before cents, are
        left out."""
        cents = int((abs(euros).quantize(_CENT, ROUND_HALF_UP)) * 100)
        whole, rest = divmod(cents, 100)
        prompts = ["minus"] if euros < 0 and cents else []
        if whole or not rest:
            prompts += [*self.number(whole), "euro" if self._one(whole) else "euros"]
        if whole and rest:
            prompts.append("and")
        if rest:
            prompts += [*self.number(rest), "centime" if self._one(rest) else "centimes"]
        return prompts

    def date(self, day: date) -> list[str]:
        """A date: the day with its article, the month, the year."""
        return [f"day_{day.day}", f"month_{day.month}", *self.year(day.year)]

    def _one(self, count: int) -> bool:
        return count == 1 or (count == 0 and self.zero_is_singular)


def digits(text: str) -> list[str]:
    """Digits one by one."""
    return [f"number_{digit}" for digit in text]


def _french_number(value: int) -> list[str]:
    if value < 0:
        return ["minus", *_french_number(-value)]
    if value >= MILLION:
        return digits(str(value))
    thousands, rest = divmod(value, 1000)
    if not thousands:
        return _french_below_thousand(rest)
    # "Mille" stands alone for one thousand; "cent" takes its plural only at the very end.
    count = [] if thousands == 1 else _french_below_thousand(thousands)
    count = ["hundred" if prompt == "hundreds" else prompt for prompt in count]
    return [*count, "thousand", *(_french_below_thousand(rest) if rest else [])]


def _french_below_thousand(value: int) -> list[str]:
    hundreds, rest = divmod(value, 100)
    if not hundreds:
        return [f"number_{rest}"]
    count = [] if hundreds == 1 else [f"number_{hundreds}"]
    if not rest:
        return [*count, "hundreds" if count else "hundred"]
    return [*count, "hundred", f"number_{rest}"]


def _french_clock_time(minutes: int, bound: Bound) -> list[str]:
    hour, minute = divmod(minutes, 60)
    return [f"hour_{bound}_{hour % 24}", *([f"number_{minute}"] if minute else [])]


def _english_number(value: int) -> list[str]:
    if value < 0:
        return ["minus", *_english_number(-value)]
    if value >= MILLION:
        return digits(str(value))
    thousands, rest = divmod(value, 1000)
    if not thousands:
        return _english_below_thousand(rest)
    prompts = [*_english_below_thousand(thousands), "thousand"]
    if 0 < rest < 100:
        prompts.append("and")
    return [*prompts, *(_english_below_thousand(rest) if rest else [])]


def _english_below_thousand(value: int) -> list[str]:
    hundreds, rest = divmod(value, 100)
    if not hundreds:
        return [f"number_{rest}"]
    return [f"number_{hundreds}", "hundred", *(["and", f"number_{rest}"] if rest else [])]


def _english_year(year: int) -> list[str]:
    century, rest = divmod(year, 100)
    if year % 1000 < 10:
        return _english_number(year)
    if not rest:
        return [f"number_{century}", "hundred"]
    return [f"number_{century}", *(["oh"] if rest < 10 else []), f"number_{rest}"]


def _english_clock_time(minutes: int, bound: Bound) -> list[str]:
    hour, minute = divmod(minutes % 1440, 60)
    prompts = [f"hour_{bound}_{hour}"]
    if minute:
        prompts += [*(["oh"] if minute < 10 else []), f"number_{minute}"]
    return [*prompts, "am" if hour < 12 else "pm"]


SPEAKERS: Mapping[str, Speaker] = {
    "fr": Speaker(_french_number, _french_number, _french_clock_time, True),
    "en": Speaker(_english_number, _english_year, _english_clock_time, False),
}
"""The languages that the voice speaks."""


def vocabulary(language: str) -> frozenset[str]:
    """Every prompt that the functions above may name in `language`: each must be recorded."""
    speaker = SPEAKERS[language]
    prompts: set[str] = {"minus", "and", "euro", "euros", "centime", "centimes"}
    for value in (*range(100), 100, 101, 200, 1000, 2200):
        prompts.update(speaker.number(value))
    for year in (1905, 2005, 2026):
        prompts.update(speaker.year(year))
    for minutes in (*range(0, 1440, 60), 5, 30, 725):
        prompts.update(speaker.clock_time(minutes, Bound.FROM))
        prompts.update(speaker.clock_time(minutes, Bound.TO))
    prompts.update(f"day_{day}" for day in range(1, 32))
    prompts.update(f"month_{month}" for month in range(1, 13))
    for weekday in range(1, 8):
        prompts.update(f"weekday_{where}_{weekday}" for where in ("from", "to", "on"))
    return frozenset(prompts)

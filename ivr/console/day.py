"""What has ended today, counted as it ends: from the records of calls, in Paris time."""

import bisect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ivr.dialplan.hours import PARIS

HOURS = 24
ANSWER_BOUNDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds: between them calls are counted by how long they waited for an answer."""

_BY_CALLER = ("hung_up", "cancelled")


@dataclass(slots=True)
class Tally:
    """The calls that ended on one day.

    Lists are by the hour (24) in which a call ended. `abandoned`: callers who left before they were
    in, by the flow and node at which they did, "" before the flow began; `hung_up`: those who left
    at all. `answer_counts[i]`: calls answered
    within `ANSWER_BOUNDS[i]` seconds and not within the bound before; the last, all later ones.
    """

    date: date
    calls: list[int] = field(default_factory=lambda: [0] * HOURS)
    answered: list[int] = field(default_factory=lambda: [0] * HOURS)
    authenticated: list[int] = field(default_factory=lambda: [0] * HOURS)
    left: list[int] = field(default_factory=lambda: [0] * HOURS)
    refused: list[int] = field(default_factory=lambda: [0] * HOURS)
    by_kind: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    abandoned: Counter[tuple[str, str]] = field(default_factory=Counter)
    hung_up: Counter[tuple[str, str]] = field(default_factory=Counter)
    answer_counts: list[int] = field(default_factory=lambda: [0] * (len(ANSWER_BOUNDS) + 1))
    talk_seconds: float = 0.0
    lost_passwords: int = 0

    def add(self, record: Mapping[str, Any], ended: datetime) -> None:
        hour, reason = ended.hour, record["end_reason"]
        self.calls[hour] += 1
        self.by_reason[reason] += 1
        if record["end_class"] == "refused":
            self.refused[hour] += 1
        self.lost_passwords += bool(record.get("lost_password"))
        place = (record.get("plan") or "", record.get("node") or "")
        if reason in _BY_CALLER:
            self.hung_up[place] += 1
        if record["authenticated"]:
            self.authenticated[hour] += 1
            self.by_kind[record["authenticated"]] += 1
        elif reason in _BY_CALLER:
            self.left[hour] += 1
            self.abandoned[place] += 1
        if record["answered"]:
            self.answered[hour] += 1
            answered = datetime.fromisoformat(record["answered"])
            waited = (answered - datetime.fromisoformat(record["started"])).total_seconds()
            self.answer_counts[bisect.bisect_left(ANSWER_BOUNDS, waited)] += 1
            self.talk_seconds += (ended - answered).total_seconds()

    @property
    def others(self) -> list[int]:
        """Calls that were taken and ended otherwise than in any of these ways."""
        told = zip(self.calls, self.authenticated, self.left, self.refused, strict=True)
        return [calls - sum(rest) for calls, *rest in told]

    def answered_within(self, share: float) -> float | None:
        """Seconds within which that share (0 to 1) of the answered calls was answered, up to a
        bound of `ANSWER_BOUNDS`; None without calls, infinity past the last bound."""
        wanted, so_far = share * sum(self.answer_counts), 0
        for bound, count in zip((*ANSWER_BOUNDS, float("inf")), self.answer_counts, strict=True):
            so_far += count
            if so_far and so_far >= wanted:
                return bound
        return None


class Day:
    """The tally of today, which a call of another day begins anew."""

    def __init__(self, today: date) -> None:
        self.tally = Tally(today)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a call by its record, in the form of `var/records.jsonl`; one of a day before is
        not counted. Raises KeyError, TypeError, ValueError: no record."""
        ended = datetime.fromisoformat(record["ended"]).astimezone(PARIS)
        if ended.date() > self.tally.date:
            self.tally = Tally(ended.date())
        if ended.date() == self.tally.date:
            self.tally.add(record, ended)

    def on(self, today: date) -> Tally:
        """The tally of `today`: an empty one when nothing has ended yet."""
        if today > self.tally.date:
            self.tally = Tally(today)
        return self.tally

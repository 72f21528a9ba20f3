"""A server as the console sees it, with calls that were never rung: as many as a test wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ivr.console.day import Day
from ivr.console.views import (
    CallView,
    Check,
    DeadMessage,
    OutboxView,
    SoundView,
    TrunkView,
    Verdict,
    WorkerView,
)
from ivr.dialplan.drawing import STYLE, draw
from ivr.dialplan.graph import flow_graph
from ivr.dialplan.hours import PARIS
from ivr.dialplan.schema import load
from ivr.prompts import catalogue
from ivr.users import ConsoleUser
from tests.running import PROJECT

NODES = (
    *("ask_secret",) * 5,
    *("ask_matricule",) * 4,
    *("services",) * 4,
    *("say_payments",) * 3,
    "ask_postal_code",
    "help",
    "connect",
)


def staged_calls(number: int, now: datetime) -> list[CallView]:
    """So many calls, the oldest first."""
    calls = []
    for n in range(number):
        node = NODES[n * 7 % len(NODES)]
        inside = node in ("services", "say_payments", "connect")
        started = now - timedelta(seconds=(number - n) * 600 / number)
        calls.append(
            CallView(
                id=f"dialog-{n}",
                call_id=f"{n:08x}@203.0.113.10",
                line="0810292929" if n % 3 else "0810257510",
                caf=None if n % 3 else "751",
                caller=None if n % 11 == 5 else f"061234{n % 10}****",
                trunk="operator" if n % 4 else "branch",
                started=started,
                answered=started + timedelta(milliseconds=40),
                plan="caller",
                node=node,
                codec="pcmu" if n % 5 == 2 else "pcma",
                secure=n % 4 == 0,
                authenticated=("pin", "password", "provisional")[n % 3] if inside else None,
                version="20261126-0900",
            )
        )
    return calls


def staged_day(now: datetime) -> Day:
    """A day with a morning's peak."""
    day = Day(now.astimezone(PARIS).date())
    midnight = now.astimezone(PARIS).replace(hour=0, minute=0, second=0, microsecond=0)
    shape = (2, 1, 0, 0, 1, 3, 9, 24, 58, 96, 88, 70, 41, 52, 79, 74, 55, 38, 20, 12, 9, 6, 4, 3)
    for hour, number in enumerate(shape):
        for n in range(number):
            day.add(staged_record(midnight + timedelta(hours=hour, seconds=37 * n), n))
    return day


def staged_record(started: datetime, n: int, seconds: int | None = None) -> dict[str, object]:
    """The record of one call among many, in the form of `var/records.jsonl`."""
    kinds = ("hung_up", "hung_up", "completed", "transferred", "hung_up", "completed", "hung_up")
    reason = "too_many_calls" if n % 31 == 30 else kinds[n % len(kinds)]
    refused = reason == "too_many_calls"
    inside = not refused and n % 7 not in (0, 4)
    answered = started + timedelta(milliseconds=30 + n % 40)
    ended = answered + timedelta(seconds=20 + n % 90 if seconds is None else seconds)
    server = reason in ("completed", "transferred")
    return {
        "call_id": f"{n:08x}@203.0.113.10",
        "line": "0810292929" if n % 3 else "0810257510",
        "caf": None,
        "caller": f"061234{n % 10}****",
        "started": started.astimezone(UTC).isoformat(),
        "answered": None if refused else answered.astimezone(UTC).isoformat(),
        "ended": ended.astimezone(UTC).isoformat(),
        "end_class": "refused" if refused else "server" if server else "caller",
        "end_reason": reason,
        "authenticated": ("password", "pin", "provisional")[n % 3] if inside else None,
        "matricule": "456" if inside else None,
        "plan": None if refused else "caller",
        "node": None if refused else NODES[n * 5 % len(NODES)],
        "lost_password": n % 23 == 7,
        "prompts": [],
        "transferred_to": None,
        "transfer_status": None,
        "rtp": {}
        if refused
        else {"sent": 900, "received": 890, "lost": n % 9, "jitter_ms": 1.4, "mos": 4.1},
    }


@dataclass
class StagedServer:
    """Implements `console.views.Operated`. What was asked of it is in `hung_up` and `retried`."""

    records: Path
    users: Sequence[ConsoleUser] = ()
    number: int = 23
    draining: bool = False
    may_resume: bool = True
    lines: Sequence[str] = ("0810292929", "0810257510")
    hung_up: list[str] = field(default_factory=list)
    retried: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = datetime.now(UTC)
        self.day = staged_day(self.now)
        self._calls = staged_calls(self.number, self.now)
        self._dead = [
            DeadMessage("5f0c", "secret", "letter", self.now - timedelta(hours=3), self.now, 1),
            DeadMessage("77ab", "password_expires", "sms", self.now - timedelta(days=1), None, 10),
        ]

    def drain(self, draining: bool) -> None:
        self.draining = draining

    def calls(self) -> Sequence[CallView]:
        return self._calls

    def plans(self) -> Sequence[str]:
        return ["caller"]

    async def picture(self, plan: str, language: str) -> str:
        flow = load(PROJECT / "dialplans" / f"{plan}.yaml")
        picture = draw(flow_graph(flow, language), catalogue(PROJECT / "prompts", language), plan)
        return picture.replace(f"<style>{STYLE}</style>", "")

    @property
    def picture_style(self) -> str:
        return STYLE

    async def sounds(self, ids: Sequence[str]) -> Mapping[str, SoundView]:
        return {
            each: SoundView(2000, n % 7 * 12, 1.5 + n % 5, (4.3, 4.2, 4.1, 3.9, 3.7, 3.4)[n % 6])
            for n, each in enumerate(ids)
        }

    def hang_up(self, call: str) -> bool:
        left = [each for each in self._calls if each.id != call]
        found, self._calls = len(left) < len(self._calls), left
        self.hung_up.append(call)
        return found

    def trunks(self) -> Sequence[TrunkView]:
        mine = sum(call.trunk == "operator" for call in self._calls)
        return [
            TrunkView("operator", ["203.0.113.0/28"], 0, mine, 30, 20, True, "optional", None),
            TrunkView(
                "branch",
                [],
                2,
                len(self._calls) - mine,
                None,
                None,
                False,
                "required",
                "registered",
            ),
        ]

    def workers(self) -> Sequence[WorkerView]:
        calls = len(self._calls)
        return [WorkerView(0, 4711, calls, calls, min(0.9, 0.02 * calls), 58 << 20, 3, 0, 12)]

    async def logins(self) -> Mapping[str, int]:
        return {
            "granted_pin": 214,
            "granted_password": 163,
            "granted_provisional": 21,
            "expired": 4,
            "refused_wrong": 57,
            "refused_locked": 6,
            "refused_other": 11,
        }

    async def outbox(self) -> OutboxView:
        counts = {("sms", "sent"): 31, ("sms", "queued"): 2, ("letter", "acknowledged"): 12}
        counts |= {(dead.way, "dead"): 1 for dead in self._dead}
        return OutboxView(counts, self._dead, {"letters_late": 1})

    async def retry(self, message: str, agent: str) -> bool:
        self.retried.append((message, agent))
        left = [dead for dead in self._dead if dead.id != message]
        found, self._dead = len(left) < len(self._dead), left
        return found

    async def checks(self) -> Sequence[Check]:
        return [
            Check("door", Verdict.BAD if self.draining else Verdict.GOOD, ""),
            Check("sound", Verdict.GOOD, "0"),
            Check("workers", Verdict.GOOD, "1 / 1"),
            Check("registrations", Verdict.GOOD, "1 / 1"),
            Check("database", Verdict.GOOD, "2 ms"),
            Check("outbox", Verdict.WORRYING, str(len(self._dead))),
            Check("loop", Verdict.GOOD, "≤ 10 ms"),
            Check("disk", Verdict.GOOD, "41 GiB"),
        ]

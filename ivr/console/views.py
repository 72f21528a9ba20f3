"""What the console sees of a server, and the few things that it may do to it.

Plain values, made when a page asks for them. None holds what a caller keyed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ivr.console.day import Day
from ivr.users import ConsoleUser


@dataclass(frozen=True, slots=True)
class CallView:
    """A call just now. `id`: of the SIP dialog; `caller`: masked; `plan` and `node`: the flow and
    its step, empty before it has begun; `codec`: None before the sound is agreed on; `secure`: by
    SRTP; `authenticated`: pin, password, provisional or None; `version`: of the operator's files
    with which it began."""

    id: str
    call_id: str
    line: str
    caf: str | None
    caller: str | None
    trunk: str
    started: datetime
    answered: datetime | None
    plan: str
    node: str
    codec: str | None
    secure: bool
    authenticated: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class SoundView:
    """How a call sounds so far: RTP packets received and lost, RFC 3550 jitter, MOS from 1 to 4.5,
    0 while nothing was received."""

    received: int
    lost: int
    jitter_ms: float
    mos: float

    @property
    def loss(self) -> float:
        """The share of packets that never came, 0 to 1."""
        sent = self.received + self.lost
        return self.lost / sent if sent else 0.0


@dataclass(frozen=True, slots=True)
class TrunkView:
    """A trunk. Limits are None where the trunk has none of its own; `registration` is None where
    none is wanted."""

    name: str
    networks: Sequence[str]
    users: int
    calls: int
    max_calls: int | None
    max_cps: int | None
    trusted: bool
    secure_sound: str
    registration: str | None


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A media worker. `ports`: pairs of them; `busy`: the share of its time that its ticks take;
    `memory`: bytes; `late_ticks`, `unsent` and `malformed` since its start, as
    `media.session.WorkerStats`."""

    share: int
    pid: int
    calls: int
    ports: int
    busy: float
    memory: int
    late_ticks: int
    unsent: int
    malformed: int


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was given up. `kind`: what it told; `way`: sms or letter."""

    id: str
    kind: str
    way: str
    created_at: datetime
    tried_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class OutboxView:
    """The outbox: how many messages by (way, state), the newest dead, alarms since the start."""

    counts: Mapping[tuple[str, str], int]
    dead: Sequence[DeadMessage]
    alarms: Mapping[str, int]


class Verdict(StrEnum):
    """How a part of the server does."""

    GOOD = "good"
    WORRYING = "worrying"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the health page. `name`: a key of the page's texts; `figure`: what was seen."""

    name: str
    verdict: Verdict
    figure: str


class Operated(Protocol):
    """A server, as its operator sees it."""

    @property
    def users(self) -> Sequence[ConsoleUser]:
        """Who may log in."""

    @property
    def day(self) -> Day:
        """What has ended today."""

    @property
    def records(self) -> Path:
        """The file of call records."""

    @property
    def lines(self) -> Sequence[str]:
        """The numbers that callers dial."""

    @property
    def draining(self) -> bool:
        """Whether no new call is taken."""

    @property
    def may_resume(self) -> bool:
        """Whether `drain(False)` would do anything: not while the whole server stops."""

    def drain(self, draining: bool) -> None:
        """Take no new call, or take them again; calls that are up go on."""

    def calls(self) -> Sequence[CallView]:
        """Every call just now, the oldest first."""

    def plans(self) -> Sequence[str]:
        """The names of the flows in force."""

    async def picture(self, plan: str, language: str) -> str:
        """A flow in force as SVG, its nodes with the ids `node-<name>`. Raises KeyError: there is
        no such flow."""

    @property
    def picture_style(self) -> str:
        """The style sheet of pictures, which stand in a page without their own."""

    async def sounds(self, ids: Sequence[str]) -> Mapping[str, SoundView]:
        """How those of these calls sound that have sound, by id."""

    def hang_up(self, call: str) -> bool:
        """End a call by its id; False when it is over."""

    def trunks(self) -> Sequence[TrunkView]: ...

    def workers(self) -> Sequence[WorkerView]: ...

    async def logins(self) -> Mapping[str, int]:
        """Logins by telephone of today, by outcome: granted_pin, granted_password,
        granted_provisional, expired, refused_wrong, refused_locked …"""

    async def outbox(self) -> OutboxView: ...

    async def retry(self, message: str, agent: str) -> bool:
        """Send again what a dead message told; False when nothing could be sent."""

    async def checks(self) -> Sequence[Check]:
        """The state of every part, the most telling first."""

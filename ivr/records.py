"""One record per call (CDR): what happened and why it ended; never what was keyed or when."""

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

DIGITS = frozenset("0123456789")
LONGEST_NUMBER = 20


class EndClass(StrEnum):
    """Whose doing the end of a call was."""

    CALLER = "caller"
    SERVER = "server"
    NETWORK = "network"
    REFUSED = "refused"


class EndReason(StrEnum):
    """Why a call ended: a fixed vocabulary, safe as a metric label."""

    HUNG_UP = "hung_up"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    TRANSFERRED = "transferred"
    STOPPED = "stopped"
    FAILED = "failed"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    SIGNALLING_LOST = "signalling_lost"
    MEDIA_LOST = "media_lost"
    UNKNOWN_LINE = "unknown_line"
    TOO_MANY_CALLS = "too_many_calls"
    TOO_FAST = "too_fast"
    SOUND_LATE = "sound_late"
    DRAINING = "draining"
    NO_MEDIA = "no_media"
    BAD_OFFER = "bad_offer"
    NO_COMMON_CODEC = "no_common_codec"

    @property
    def end_class(self) -> EndClass:
        return _CLASS_OF[self]


_CLASS_OF = {
    EndReason.HUNG_UP: EndClass.CALLER,
    EndReason.CANCELLED: EndClass.CALLER,
    EndReason.COMPLETED: EndClass.SERVER,
    EndReason.TRANSFERRED: EndClass.SERVER,
    EndReason.STOPPED: EndClass.SERVER,
    EndReason.FAILED: EndClass.SERVER,
    EndReason.NOT_ACKNOWLEDGED: EndClass.NETWORK,
    EndReason.SIGNALLING_LOST: EndClass.NETWORK,
    EndReason.MEDIA_LOST: EndClass.NETWORK,
    EndReason.UNKNOWN_LINE: EndClass.REFUSED,
    EndReason.TOO_MANY_CALLS: EndClass.REFUSED,
    EndReason.TOO_FAST: EndClass.REFUSED,
    EndReason.SOUND_LATE: EndClass.REFUSED,
    EndReason.DRAINING: EndClass.REFUSED,
    EndReason.NO_MEDIA: EndClass.REFUSED,
    EndReason.BAD_OFFER: EndClass.REFUSED,
    EndReason.NO_COMMON_CODEC: EndClass.REFUSED,
}


def masked_caller(number: str) -> str:
    """A caller's number as records show it: the last 4 digits hidden, URI parameters and what
    follows the number left out."""
    plus = "+" if number.startswith("+") else ""
    digits = number.removeprefix("+")
    length = next((n for n, each in enumerate(digits) if each not in DIGITS), len(digits))
    shown = digits[: min(length, LONGEST_NUMBER)][:-4]
    return f"{plus}{shown}****"


def shown_line(line: str) -> str:
    """A dialled number as records show it. What is no plain number may hold anything, a secret
    dialled behind the number included."""
    plain = len(line) <= LONGEST_NUMBER and DIGITS.issuperset(line.removeprefix("+"))
    return line if plain else "other"


_PERSONAL = ("number_", "day_", "month_", "benefit_", "request_", "state_")
_NUMBER_WORDS = frozenset({"hundred", "hundreds", "thousand", "minus"})


def shown_prompt(prompt: str) -> str:
    """A prompt's id as records show it: the words that amounts, dates, benefits and requests are
    made of keep their family only, or a record would tell what somebody is paid."""
    if prompt in _NUMBER_WORDS:
        return "number_*"
    return next((f"{family}*" for family in _PERSONAL if prompt.startswith(family)), prompt)


@dataclass(slots=True)
class CallRecord:
    """The record of one call, filled in while it lives. Times are aware datetimes in UTC.

    `version`: of the operator's files that it ran, None where it was refused.
    `transfer_status`: how the last transfer ended, as a SIP status, whoever said so.
    `plan`, `node`: the flow, and the step of it at which the call ended; None before it began.
    `lost_password`: whether a lost secret was asked for in it. `dtmf`: the ways in which keys were
    heard; `dtmf_rejects`: how often something in the sound began like a key and was none, by
    reason. `rtp`: the packets sent, received and lost, jitter_ms and mos.
    """

    call_id: str
    line: str
    caller: str | None
    started: datetime
    caf: str | None = None
    version: str | None = None
    answered: datetime | None = None
    ended: datetime | None = None
    end_reason: EndReason | None = None
    authenticated: str | None = None
    matricule: str | None = None
    plan: str | None = None
    node: str | None = None
    lost_password: bool = False
    prompts: list[str] = field(default_factory=list)
    transferred_to: str | None = None
    transfer_status: int | None = None
    dtmf: list[str] = field(default_factory=list)
    dtmf_rejects: dict[str, int] = field(default_factory=dict)
    rtp: dict[str, int | float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The record in the form and order of `var/records.jsonl`."""
        return {
            "call_id": self.call_id,
            "line": self.line,
            "caf": self.caf,
            "caller": self.caller,
            "version": self.version,
            "started": _stamp(self.started),
            "answered": _stamp(self.answered),
            "ended": _stamp(self.ended),
            "end_class": self.end_reason and self.end_reason.end_class.value,
            "end_reason": self.end_reason and self.end_reason.value,
            "authenticated": self.authenticated,
            "matricule": self.matricule,
            "plan": self.plan,
            "node": self.node,
            "lost_password": self.lost_password,
            "prompts": self.prompts,
            "transferred_to": self.transferred_to,
            "transfer_status": self.transfer_status,
            "dtmf": self.dtmf,
            "dtmf_rejects": self.dtmf_rejects,
            "rtp": self.rtp,
        }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


class RecordFile:
    """Appends records to a JSON-lines file, one whole line per write.

    With the first record of another month, what is there is set aside as NAME-YYYY-MM beside it, so
    that records can be removed by the month and what is being written never is.
    """

    def __init__(self, path: Path) -> None:
        """Open for appending, readable by the owner and group only. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._open()
        state = path.stat()
        self._month = _month(datetime.fromtimestamp(state.st_mtime, UTC)) if state.st_size else ""

    def write(self, record: CallRecord) -> None:
        month = _month(record.ended or record.started)
        if self._month and month > self._month:
            self._set_aside()
        self._month = month
        self._file.write(json.dumps(record.as_dict(), ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._file: TextIO = os.fdopen(descriptor, "a", encoding="utf-8")

    def _set_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.stem}-{self._month}{self._path.suffix}")
        if aside.exists():
            return  # the clock went back and on again: nothing is overwritten
        self._file.close()
        try:
            self._path.rename(aside)
        finally:
            self._open()


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"

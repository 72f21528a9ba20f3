"""A file's state and story, as an agent of the back office may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.errors import UnknownFile
from auth_core.model import CaseFile, Identity, SecretKind, Slot, Source, Task, masked
from auth_core.settings import AuthSettings
from auth_core.store import changes, repository, throttles
from auth_core.store.audit import Act, AuditEntry, AuditTrail
from auth_core.throttle import Bucket
from auth_core.validity import PARIS

SHOWN_ENTRIES = 50
"""So many entries of a file's story are shown at once."""
_SHOWN_DIGITS = 2


@dataclass(frozen=True, slots=True)
class SecretState:
    """A stored secret as an agent may see it."""

    slot: Slot
    kind: SecretKind
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class FileStory:
    """A file as a back-office agent may see it. `locked_until`: while a lock runs, by whose tries
    it shut; `tasks`: what the back office must look at; `entries`: the latest, newest first."""

    case_file: CaseFile
    secrets: tuple[SecretState, ...]
    failures: int
    locked_until: tuple[tuple[Bucket, datetime], ...]
    tasks: tuple[Task, ...]
    entries: tuple[AuditEntry, ...]

    def masked(self) -> dict[str, Any]:
        """What an agent is shown, as JSON: no whole matricule or number, nobody's name; moments of
        Europe/Paris."""
        case_file = self.case_file
        return {
            "caf": case_file.identity.caf,
            "matricule": masked(case_file.identity.matricule),
            "status": case_file.status.value,
            "closed_at": _moment(case_file.closed_at),
            "last_login": _moment(case_file.last_login),
            "failures": self.failures,
            "locked_until": {bucket.value: _moment(end) for bucket, end in self.locked_until},
            "secrets": [
                {
                    "slot": secret.slot.value,
                    "kind": secret.kind.value,
                    "created_at": _moment(secret.created_at),
                    "expires_at": _moment(secret.expires_at),
                }
                for secret in self.secrets
            ],
            "persons": [person.role.value for person in case_file.persons],
            "phones": [f"…{phone.number[-_SHOWN_DIGITS:]}" for phone in case_file.phones],
            "tasks": [
                {"kind": task.kind.value, "created_at": _moment(task.created_at)}
                for task in self.tasks
            ],
            "entries": [
                {
                    "at": _moment(entry.at),
                    "act": entry.act,
                    "channel": entry.channel,
                    "agent": entry.agent,
                    "reference": entry.reference,
                    "detail": dict(entry.detail),
                }
                for entry in self.entries
            ],
        }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(PARIS).isoformat(timespec="seconds")


async def tell(
    connection: AsyncConnection,
    identity: Identity,
    source: Source,
    now: datetime,
    settings: AuthSettings,
    trail: AuditTrail,
) -> FileStory:
    """The story so far, and in it that it was told. Raises UnknownFile."""
    case_file = await repository.find_file(connection, identity)
    if case_file is None:
        raise UnknownFile.named(identity)
    case_file = await repository.with_people(connection, case_file)
    held = await repository.credentials_of(connection, case_file.id)
    _, throttle = await throttles.file_throttle(connection, case_file.id)
    await trail.append(connection, Act.SHOWN, source, now, case_file.id)
    ends = [(bucket, throttle.locked_until(bucket, settings)) for bucket in Bucket]
    return FileStory(
        case_file,
        tuple(SecretState(c.slot, c.kind, c.created_at, c.expires_at) for c in held.values()),
        len(throttle.tries),
        tuple((bucket, end) for bucket, end in ends if end is not None and end > now),
        tuple(await changes.tasks_of(connection, case_file.id)),
        tuple(await trail.of_file(connection, case_file.id, SHOWN_ENTRIES)),
    )

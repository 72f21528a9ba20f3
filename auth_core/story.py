"""A file's state and story, as an agent of the back office may see it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.errors import UnknownFile
from auth_core.model import CaseFile, Identity, SecretKind, Slot, Source, Task
from auth_core.settings import AuthSettings
from auth_core.store import changes, repository
from auth_core.store.audit import Act, AuditEntry, AuditTrail
from auth_core.throttle import Bucket

SHOWN_ENTRIES = 50
"""So many entries of a file's story are shown at once."""


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
    _, throttle = await repository.file_throttle(connection, case_file.id)
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

"""The sessions that apps hold tokens of. Each function runs in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.model import Channel, FileStatus, SecretKind, Session
from auth_core.store.tables import app_tokens, case_files, identities


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A session, when it began, and when it was last known to be in use."""

    digest: bytes
    session: Session
    began_at: datetime
    used_at: datetime


async def add(connection: AsyncConnection, digest: bytes, session: Session, now: datetime) -> None:
    await connection.execute(
        insert(app_tokens).values(
            digest=digest,
            file_id=session.file_id,
            generation=session.generation,
            channel=session.channel.value,
            kind=session.kind.value,
            last_login=session.last_login,
            failures_since=session.failures_since,
            began_at=now,
            used_at=now,
        )
    )


async def find(connection: AsyncConnection, digests: Sequence[bytes]) -> KeptSession | None:
    """The session under one of `digests`; None when there is none, its file is closed, or its
    secret was replaced since."""
    row = (
        await connection.execute(
            select(app_tokens, case_files.c.status, identities.c.caf, identities.c.matricule)
            .join(case_files, case_files.c.id == app_tokens.c.file_id)
            .join(identities, identities.c.file_id == case_files.c.id)
            .where(
                app_tokens.c.digest.in_(digests),
                app_tokens.c.generation == case_files.c.generation,
                case_files.c.closed_at.is_(None),
                identities.c.retired_at.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    session = Session(
        file_id=row.file_id,
        caf=row.caf,
        matricule=row.matricule,
        status=FileStatus(row.status),
        kind=SecretKind(row.kind),
        last_login=row.last_login,
        failures_since=row.failures_since,
        channel=Channel(row.channel),
        generation=row.generation,
    )
    return KeptSession(bytes(row.digest), session, row.began_at, row.used_at)


async def touch(connection: AsyncConnection, digest: bytes, now: datetime) -> None:
    await connection.execute(
        update(app_tokens).where(app_tokens.c.digest == digest).values(used_at=now)
    )


async def remove(connection: AsyncConnection, digests: Sequence[bytes]) -> None:
    await connection.execute(delete(app_tokens).where(app_tokens.c.digest.in_(digests)))


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Remove sessions that began before `before`."""
    await connection.execute(delete(app_tokens).where(app_tokens.c.began_at <= before))

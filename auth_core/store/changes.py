"""What acts change in a file beside its secrets. Each runs in the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.model import (
    BirthDate,
    FileStatus,
    Identity,
    Role,
    SecretKind,
    Slot,
    Task,
    TaskKind,
)
from auth_core.store import tables
from auth_core.store.database import Conflict


async def is_free(connection: AsyncConnection, identity: Identity) -> bool:
    """Whether no file has this identity or ever had it."""
    identities = tables.identities
    found = await connection.scalar(
        select(identities.c.file_id).where(
            identities.c.caf == identity.caf, identities.c.matricule == identity.matricule
        )
    )
    return found is None


async def rename(
    connection: AsyncConnection, file_id: str, new: Identity, retired_at: datetime
) -> None:
    """Give the file another identity, which must be free; the one it had is never given again.
    Raises Conflict when somebody else was faster."""
    identities = tables.identities
    await connection.execute(
        update(identities)
        .where(identities.c.file_id == file_id, identities.c.retired_at.is_(None))
        .values(retired_at=retired_at)
    )
    try:
        await connection.execute(
            insert(identities).values(caf=new.caf, matricule=new.matricule, file_id=file_id)
        )
    except IntegrityError as error:
        raise Conflict from error


async def set_roles(connection: AsyncConnection, roles: Mapping[str, Role]) -> None:
    """Write the roles of persons, by their id."""
    persons = tables.persons
    for person_id, role in roles.items():
        await connection.execute(
            update(persons).where(persons.c.id == person_id).values(role=role.value)
        )


async def set_status(connection: AsyncConnection, file_id: str, status: FileStatus) -> None:
    files = tables.case_files
    await connection.execute(update(files).where(files.c.id == file_id).values(status=status.value))


async def set_closed(connection: AsyncConnection, file_id: str, at: datetime) -> None:
    """Close a file, and forget what calls on their way to an advisor carry of it."""
    files, references = tables.case_files, tables.transfer_references
    await connection.execute(update(files).where(files.c.id == file_id).values(closed_at=at))
    await connection.execute(delete(references).where(references.c.file_id == file_id))


async def add_task(connection: AsyncConnection, file_id: str, kind: TaskKind, at: datetime) -> None:
    """Ask the back office to look at a file; once for each kind."""
    table = tables.tasks
    there = select(table.c.id).where(table.c.file_id == file_id, table.c.kind == kind.value)
    if await connection.scalar(there) is None:
        await connection.execute(
            insert(table).values(file_id=file_id, kind=kind.value, created_at=at)
        )


async def tasks_of(connection: AsyncConnection, file_id: str) -> list[Task]:
    """What the back office must look at in a file, oldest first."""
    table = tables.tasks
    rows = await connection.execute(
        select(table).where(table.c.file_id == file_id).order_by(table.c.id)
    )
    return [Task(TaskKind(row.kind), row.created_at) for row in rows]


async def set_nir_digest(connection: AsyncConnection, person_id: str, digest: bytes) -> None:
    persons = tables.persons
    await connection.execute(
        update(persons).where(persons.c.id == person_id).values(nir_hash=digest)
    )


async def persons_like(
    connection: AsyncConnection, nir_digests: list[bytes], born: BirthDate
) -> list[tuple[str, str, bool]]:
    """Who has one of these NIRs or was born that day: file, name, and whether it is the NIR."""
    persons = tables.persons
    same_day = and_(
        persons.c.birth_year == born.year,
        persons.c.birth_month == born.month,
        persons.c.birth_day == born.day,
    )
    rows = await connection.execute(
        select(persons.c.file_id, persons.c.name, persons.c.nir_hash)
        .where(or_(persons.c.nir_hash.in_(nir_digests), same_day))
        .order_by(persons.c.file_id)
    )
    return [(row.file_id, row.name, _bytes(row.nir_hash) in nir_digests) for row in rows]


def _bytes(value: bytes | None) -> bytes:
    return b"" if value is None else bytes(value)


async def passwords_to_notice(
    connection: AsyncConnection, now: datetime, until: datetime, limit: int
) -> list[str]:
    """Files that are not closed, whose password ends after `now` and by `until`, and whose owner
    has not been told."""
    table = tables.credentials
    return await _files_of(
        connection,
        limit,
        table.c.slot == Slot.LIVE.value,
        table.c.kind == SecretKind.PASSWORD.value,
        table.c.expires_at > now,
        table.c.expires_at <= until,
        table.c.noticed_at.is_(None),
    )


async def set_noticed(connection: AsyncConnection, file_id: str, at: datetime) -> bool:
    """Remember that the owner was told of the end of their password; False: they were before."""
    table = tables.credentials
    done = await connection.execute(
        update(table)
        .where(
            table.c.file_id == file_id,
            table.c.slot == Slot.LIVE.value,
            table.c.noticed_at.is_(None),
        )
        .values(noticed_at=at)
    )
    return done.rowcount == 1


async def expired_pendings(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Files whose pending provisional has passed its date."""
    table = tables.credentials
    return await _files_of(
        connection, limit, table.c.slot == Slot.PENDING.value, table.c.expires_at <= now
    )


async def _files_of(connection: AsyncConnection, limit: int, *where: Any) -> list[str]:
    credentials, files = tables.credentials, tables.case_files
    open_file = exists().where(files.c.id == credentials.c.file_id, files.c.closed_at.is_(None))
    rows = await connection.scalars(
        select(credentials.c.file_id)
        .where(*where, open_file)
        .order_by(credentials.c.file_id)
        .limit(limit)
    )
    return list(rows)


async def forget_previous_numbers(connection: AsyncConnection, before: datetime) -> int:
    """Forget the numbers that others took the place of before `before`; return how many."""
    table = tables.phones
    done = await connection.execute(
        update(table)
        .where(table.c.previous.is_not(None), table.c.changed_at < before)
        .values(previous=None)
    )
    return done.rowcount

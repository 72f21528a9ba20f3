"""Idempotency keys and the answers to their requests. Each function runs in the caller's
transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.store.database import Conflict
from auth_core.store.tables import idempotency_keys as table


class Earlier(NamedTuple):
    """A request that came before. `answer`: None when it has none yet."""

    fingerprint: bytes
    answer: str | None


async def find(connection: AsyncConnection, digests: Sequence[bytes]) -> Earlier | None:
    """The request that came before with one of these keys."""
    row = (
        await connection.execute(
            select(table.c.fingerprint, table.c.answer).where(table.c.digest.in_(digests))
        )
    ).one_or_none()
    return None if row is None else Earlier(bytes(row.fingerprint), row.answer)


async def begin(
    connection: AsyncConnection, digest: bytes, fingerprint: bytes, now: datetime
) -> None:
    """Write a key down. Raises Conflict when somebody else was faster."""
    try:
        await connection.execute(
            insert(table).values(digest=digest, fingerprint=fingerprint, created_at=now)
        )
    except IntegrityError as error:
        raise Conflict from error


async def answer(connection: AsyncConnection, digest: bytes, text: str) -> None:
    await connection.execute(update(table).where(table.c.digest == digest).values(answer=text))


async def remove(connection: AsyncConnection, digest: bytes) -> None:
    await connection.execute(delete(table).where(table.c.digest == digest))


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Remove keys that are older than `before`."""
    await connection.execute(delete(table).where(table.c.created_at <= before))

"""Programs of the back office. Each function runs in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.store.tables import clients


class ClientRow(NamedTuple):
    """A client as it is stored; `scopes` with spaces between."""

    name: str
    scopes: str
    created_at: datetime
    expires_at: datetime


async def add(
    connection: AsyncConnection,
    name: str,
    digest: bytes,
    scopes: str,
    created_at: datetime,
    expires_at: datetime,
) -> None:
    await connection.execute(
        insert(clients).values(
            name=name,
            digest=digest,
            scopes=scopes,
            created_at=created_at,
            expires_at=expires_at,
        )
    )


async def remove(connection: AsyncConnection, name: str) -> bool:
    """False: there is none of this name."""
    done = await connection.execute(delete(clients).where(clients.c.name == name))
    return done.rowcount == 1


async def find(connection: AsyncConnection, digests: Sequence[bytes]) -> ClientRow | None:
    """The client whose token has one of `digests`."""
    rows = await connection.execute(select(clients).where(clients.c.digest.in_(digests)))
    row = rows.one_or_none()
    return None if row is None else _client(row)


async def everybody(connection: AsyncConnection) -> list[ClientRow]:
    """All of them, by name."""
    rows = await connection.execute(select(clients).order_by(clients.c.name))
    return [_client(row) for row in rows]


def _client(row: Row[Any]) -> ClientRow:
    return ClientRow(row.name, row.scopes, row.created_at, row.expires_at)

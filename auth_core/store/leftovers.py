"""Rows that have served their time, removed a few at a time, in the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.delivery.outbox import MessageState
from auth_core.store import tables


def of_tries(before: datetime) -> dict[Table, ColumnElement[bool]]:
    """What callers, addresses and everybody failed, last touched before `before`."""
    return {
        tables.caller_throttles: tables.caller_throttles.c.updated_at < before,
        tables.surges: tables.surges.c.began < before,
    }


def of_messages(before: datetime) -> dict[Table, ColumnElement[bool]]:
    """Messages that have left or never will, made before `before`."""
    messages = tables.messages.c
    done = messages.state != MessageState.QUEUED.value
    return {tables.messages: done & (messages.created_at < before)}


def of_the_past(before: datetime) -> dict[Table, ColumnElement[bool]]:
    """Devices that have not logged in since `before`, and imports of PINs that ended before it."""
    return {
        tables.known_devices: tables.known_devices.c.last_login < before,
        tables.pin_imports: tables.pin_imports.c.ended_at < before,
    }


async def remove(
    connection: AsyncConnection, table: Table, which: ColumnElement[bool], limit: int
) -> int:
    """Remove `limit` rows at most; return how many."""
    key: list[Any] = list(table.primary_key.columns)
    some = select(*key).where(which).limit(limit)
    done = await connection.execute(delete(table).where(tuple_(*key).in_(some)))
    return done.rowcount

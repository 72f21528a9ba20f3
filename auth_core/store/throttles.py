"""Throttles as rows: one a file, one a caller. Each runs in the caller's transaction; a row is
replaced by one conditional UPDATE."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.store import tables
from auth_core.store.database import Conflict
from auth_core.store.prepared import Prepared
from auth_core.throttle import Bucket, CallerThrottle, FileThrottle, Try

_EMPTY = "[]"  # what most lists of throttles are: not worth a parser
NEW_THROTTLE: Mapping[str, Any] = {
    "revision": 0,
    "charged": 0,
    "tries": _EMPTY,
    "requests": _EMPTY,
}


_FILE_THROTTLE = Prepared(
    select(tables.file_throttles)
    .where(tables.file_throttles.c.file_id == bindparam("of_file"))
    .with_for_update()
)


async def file_throttle(connection: AsyncConnection, file_id: str) -> tuple[int, FileThrottle]:
    """The throttle of a file and its revision."""
    row = await _FILE_THROTTLE.row(connection, of_file=file_id)
    written = () if row.tries == _EMPTY else json.loads(row.tries)
    tries = tuple(
        Try(number, Bucket(bucket), datetime.fromisoformat(at)) for number, bucket, at in written
    )
    return row.revision, FileThrottle(row.charged, tries, _moments(row.requests))


_REPLACE_FILE_THROTTLE = Prepared(
    update(tables.file_throttles)
    .where(
        tables.file_throttles.c.file_id == bindparam("of_file"),
        tables.file_throttles.c.revision == bindparam("seen"),
    )
    .values(
        revision=bindparam("next"),
        charged=bindparam("number"),
        tries=bindparam("charges"),
        requests=bindparam("asked"),
    )
)


async def replace_file_throttle(
    connection: AsyncConnection, file_id: str, revision: int, throttle: FileThrottle
) -> tuple[int, FileThrottle]:
    """The one conditional UPDATE; return what `file_throttle` would. Raises Conflict when the row
    is no more at `revision`."""
    tries = [[t.number, t.bucket.value, t.at.isoformat()] for t in throttle.tries]
    replaced = await _REPLACE_FILE_THROTTLE.run(
        connection,
        of_file=file_id,
        seen=revision,
        next=revision + 1,
        number=throttle.charged,
        charges=json.dumps(tries) if tries else _EMPTY,
        asked=_texts(throttle.requests),
    )
    if replaced != 1:
        raise Conflict
    return revision + 1, throttle


_callers = tables.caller_throttles.c
_CALLER_THROTTLE = Prepared(
    select(_callers.revision, _callers.failures, _callers.busy_until, _callers.requests)
    .where(tables.caller_throttles.c.caller == bindparam("key"))
    .with_for_update()
)


async def caller_throttle(
    connection: AsyncConnection, caller: bytes, now: datetime
) -> tuple[int, CallerThrottle]:
    """The throttle of a caller's hashed number and its revision; a new row where there is none."""
    row = await _CALLER_THROTTLE.row(connection, key=caller)
    if row is None:
        try:
            await connection.execute(
                insert(tables.caller_throttles).values(
                    caller=caller, revision=0, failures="[]", requests="[]", updated_at=now
                )
            )
        except IntegrityError as error:
            raise Conflict from error
        return 0, CallerThrottle()
    return row.revision, CallerThrottle(
        _moments(row.failures), row.busy_until, _moments(row.requests)
    )


_REPLACE_CALLER_THROTTLE = Prepared(
    update(tables.caller_throttles)
    .where(
        tables.caller_throttles.c.caller == bindparam("key"),
        tables.caller_throttles.c.revision == bindparam("seen"),
    )
    .values(
        revision=bindparam("next"),
        failures=bindparam("failed"),
        busy_until=bindparam("until"),
        requests=bindparam("asked"),
        updated_at=bindparam("moment"),
    )
)


async def replace_caller_throttle(
    connection: AsyncConnection,
    caller: bytes,
    revision: int,
    throttle: CallerThrottle,
    now: datetime,
) -> tuple[int, CallerThrottle]:
    """The one conditional UPDATE; return what `caller_throttle` would. Raises Conflict when the row
    is no more at `revision`."""
    replaced = await _REPLACE_CALLER_THROTTLE.run(
        connection,
        key=caller,
        seen=revision,
        next=revision + 1,
        failed=_texts(throttle.failures),
        until=throttle.busy_until,
        asked=_texts(throttle.requests),
        moment=now,
    )
    if replaced != 1:
        raise Conflict
    return revision + 1, throttle


def _moments(text: str) -> tuple[datetime, ...]:
    return () if text == _EMPTY else tuple(map(datetime.fromisoformat, json.loads(text)))


def _texts(moments: tuple[datetime, ...]) -> str:
    return json.dumps([at.isoformat() for at in moments]) if moments else _EMPTY

"""What is kept of tries beside one file: surges of failures, and the devices of a file's owner.

Each function runs in the caller's transaction.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.store.database import Conflict
from auth_core.store.prepared import Prepared
from auth_core.store.tables import known_devices, surges
from auth_core.throttle import Surge

_SURGES = Prepared(select(surges).where(surges.c.scope.in_([bindparam("one"), bindparam("other")])))
_HELD_SURGE = Prepared(select(surges).where(surges.c.scope == bindparam("key")).with_for_update())
_REPLACE_SURGE = Prepared(
    update(surges)
    .where(surges.c.scope == bindparam("key"))
    .values(
        began=bindparam("minute"),
        failures=bindparam("failed"),
        before=bindparam("failed_before"),
    )
)
_DEVICES = Prepared(
    select(known_devices.c.device)
    .where(known_devices.c.file_id == bindparam("of_file"))
    .order_by(known_devices.c.last_login.desc())
)
_SEEN_AGAIN = Prepared(
    update(known_devices)
    .where(
        known_devices.c.file_id == bindparam("of_file"),
        known_devices.c.device == bindparam("key"),
    )
    .values(last_login=bindparam("moment"))
)


async def surges_of(
    connection: AsyncConnection, scopes: Sequence[bytes], now: datetime
) -> dict[bytes, Surge]:
    """The failures of each of `scopes`, two at most, as they are; nobody waits for who is counting
    one more."""
    rows = await _SURGES.rows(connection, one=scopes[0], other=scopes[-1])
    found = {bytes(row.scope): Surge(row.began, row.failures, row.before) for row in rows}
    return {scope: found.get(scope, Surge(now)) for scope in scopes}


async def charge_surge(connection: AsyncConnection, scope: bytes, now: datetime) -> Surge:
    """Count one more failure; return what is reached. Raises Conflict when another was the first
    to count."""
    row = await _HELD_SURGE.row(connection, key=scope)
    if row is None:
        charged = Surge(now).charge(now)
        try:
            await connection.execute(
                insert(surges).values(
                    scope=scope, began=now, failures=charged.failures, before=charged.before
                )
            )
        except IntegrityError as error:
            raise Conflict from error
        return charged
    charged = Surge(row.began, row.failures, row.before).charge(now)
    await _REPLACE_SURGE.run(
        connection,
        key=scope,
        minute=charged.began,
        failed=charged.failures,
        failed_before=charged.before,
    )
    return charged


async def devices_of(connection: AsyncConnection, file_id: str) -> Sequence[bytes]:
    """The keyed hashes of the devices that logged in to a file, the latest first."""
    rows = await _DEVICES.rows(connection, of_file=file_id)
    return [bytes(row.device) for row in rows]


async def remember_device(
    connection: AsyncConnection, file_id: str, device: bytes, at: datetime, keep: int
) -> None:
    """A device logged in; of all that did, the last `keep` are remembered."""
    if keep == 0 or await _SEEN_AGAIN.run(connection, of_file=file_id, key=device, moment=at):
        return
    await connection.execute(
        insert(known_devices).values(file_id=file_id, device=device, last_login=at)
    )
    for forgotten in (await devices_of(connection, file_id))[keep:]:
        await connection.execute(
            delete(known_devices).where(
                known_devices.c.file_id == file_id, known_devices.c.device == forgotten
            )
        )


async def forget_devices(connection: AsyncConnection, file_id: str) -> None:
    """No device is known any more to have logged in to a file."""
    await connection.execute(delete(known_devices).where(known_devices.c.file_id == file_id))

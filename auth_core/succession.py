"""Which secret follows which: at most one live and one pending, and what ends when one does.

Each function runs in the caller's transaction.
"""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.credentials import Credential
from auth_core.delivery.outbox import MessageKind, cancel
from auth_core.model import SecretKind, Slot
from auth_core.settings import AuthSettings
from auth_core.store import repository, throttles

Held = Mapping[Slot, Credential]
"""The stored secrets of one file."""


async def drop_pending(connection: AsyncConnection, file_id: str) -> None:
    """Revoke the pending provisional; its message, if it has not left, never does."""
    await repository.erase_credential(connection, file_id, Slot.PENDING)
    await cancel(connection, file_id, MessageKind.SECRET)


async def replace_live(connection: AsyncConnection, new: Credential, held: Held) -> int:
    """Make `new` the one usable secret, at once and everywhere; return the new generation.

    What was usable is erased, but for the digest of a last password, kept so that it is not chosen
    again. Sessions end at their next request, superseded messages do not leave, failures count from
    zero.
    """
    revision, throttle = await throttles.file_throttle(connection, new.file_id)
    await throttles.replace_file_throttle(connection, new.file_id, revision, throttle.reset())
    return await _replace(connection, new, held)


async def replace_live_keeping_failures(
    connection: AsyncConnection, new: Credential, held: Held, settings: AuthSettings
) -> int:
    """The same, but failures go on counting, unless they are so many that `new` would be shut from
    the start."""
    _, throttle = await throttles.file_throttle(connection, new.file_id)
    if throttle.refuses_live(new.kind, settings):
        return await replace_live(connection, new, held)
    return await _replace(connection, new, held)


async def _replace(connection: AsyncConnection, new: Credential, held: Held) -> int:
    live = held.get(Slot.LIVE)
    if live is not None and live.kind is SecretKind.PASSWORD:
        await repository.put_credential(connection, replace(live, slot=Slot.FORMER))
    await drop_pending(connection, new.file_id)
    await cancel(connection, new.file_id, MessageKind.PASSWORD_EXPIRES)
    await repository.put_credential(connection, replace(new, slot=Slot.LIVE))
    return await repository.end_sessions(connection, new.file_id)


async def revoke_all(connection: AsyncConnection, file_id: str) -> None:
    """Erase every secret of the file and what is on its way to tell of one; end its sessions."""
    for slot in Slot:
        await repository.erase_credential(connection, file_id, slot)
    await cancel(connection, file_id, *MessageKind)
    await repository.end_sessions(connection, file_id)

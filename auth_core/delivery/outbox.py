"""The outbox: messages written in the transaction of the change they tell of, sealed.

A message's text is sealed with ChaCha20-Poly1305 (RFC 8439); the key is in a file outside the
database, and the seal binds the text to its message, file, way and destination. It is opened only
to be sent, and erased when it is cancelled.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.errors import AuthError
from auth_core.keys import Keyring, length_prefixed
from auth_core.model import DeliveryChoice
from auth_core.store.tables import messages

NONCE_BYTES = 12


class MessageKind(StrEnum):
    """What a message is for."""

    SECRET = "secret"  # noqa: S105 - it carries one; superseded by the next of its kind
    MATRICULE = "matricule"  # carries it, and never travels with a secret
    PASSWORD_CREATED = "password_created"  # noqa: S105 - this and what follows: mere notices
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_EXPIRES = "password_expires"  # noqa: S105
    SECRET_REQUESTED = "secret_requested"  # noqa: S105
    SECRET_REVOKED = "secret_revoked"  # noqa: S105
    MOBILE_CHANGED = "mobile_changed"
    FILE_SEPARATED = "file_separated"
    FILE_TRANSFERRED = "file_transferred"
    FILE_CLOSED = "file_closed"


class MessageState(StrEnum):
    """Where a message is on its way."""

    QUEUED = "queued"
    CANCELLED = "cancelled"  # superseded before it left
    SENT = "sent"  # the gateway has it, or the letter is on the disk
    ACKNOWLEDGED = "acknowledged"  # a letter: printed
    DEAD = "dead"  # given up; nothing is left of its text


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a message goes: an E.164 number, or the lines of an address, name first."""

    way: DeliveryChoice
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is stored. `due_at`: it leaves from then on."""

    id: str
    file_id: str
    kind: MessageKind
    destination: Destination
    state: MessageState
    key_version: int
    sealed: bytes | None = field(repr=False)
    created_at: datetime
    due_at: datetime


class Outbox:
    """Puts messages in, within the caller's transaction, and opens them for their sender."""

    def __init__(self, key: Keyring) -> None:
        self._key = key

    async def put(
        self,
        connection: AsyncConnection,
        file_id: str,
        kind: MessageKind,
        destination: Destination,
        text: bytes,
        at: datetime,
        due_at: datetime | None = None,
    ) -> None:
        """Seal `text` (UTF-8) and queue it. It leaves from `due_at` on, None: at once. A secret
        supersedes those not sent yet."""
        if kind is MessageKind.SECRET:
            await cancel(connection, file_id, kind)
        message_id = secrets.token_hex(16)
        version = self._key.current
        nonce = secrets.token_bytes(NONCE_BYTES)
        bound = _bound_to(message_id, file_id, kind, destination)
        sealed = nonce + ChaCha20Poly1305(self._key.key(version)).encrypt(nonce, text, bound)
        await connection.execute(
            insert(messages).values(
                id=message_id,
                file_id=file_id,
                kind=kind.value,
                way=destination.way.value,
                destination=destination.address,
                state=MessageState.QUEUED.value,
                key_version=version,
                sealed=sealed,
                created_at=at,
                due_at=due_at or at,
            )
        )

    async def of_file(self, connection: AsyncConnection, file_id: str) -> list[Message]:
        """Every message of a file, oldest first."""
        rows = await connection.execute(
            select(messages).where(messages.c.file_id == file_id).order_by(messages.c.created_at)
        )
        return [stored_message(row) for row in rows]

    def open(self, message: Message) -> bytes:
        """The text, for its sender alone. Raises AuthError when it is erased or not as written."""
        if message.sealed is None:
            raise AuthError("the message is erased")
        nonce, box = message.sealed[:NONCE_BYTES], message.sealed[NONCE_BYTES:]
        bound = _bound_to(message.id, message.file_id, message.kind, message.destination)
        try:
            return ChaCha20Poly1305(self._key.key(message.key_version)).decrypt(nonce, box, bound)
        except InvalidTag:
            raise AuthError("the message is not as it was sealed") from None


def stored_message(row: Row[Any]) -> Message:
    """A row of `messages`."""
    return Message(
        row.id,
        row.file_id,
        MessageKind(row.kind),
        Destination(DeliveryChoice(row.way), row.destination),
        MessageState(row.state),
        row.key_version,
        None if row.sealed is None else bytes(row.sealed),
        row.created_at,
        row.due_at,
    )


async def cancel(connection: AsyncConnection, file_id: str, *kinds: MessageKind) -> None:
    """Cancel and erase the messages of these kinds that have not left."""
    await connection.execute(
        update(messages)
        .where(
            messages.c.file_id == file_id,
            messages.c.kind.in_([kind.value for kind in kinds]),
            messages.c.state == MessageState.QUEUED.value,
        )
        .values(state=MessageState.CANCELLED.value, sealed=None)
    )


def _bound_to(message_id: str, file_id: str, kind: MessageKind, destination: Destination) -> bytes:
    return length_prefixed(
        message_id.encode(),
        file_id.encode(),
        kind.value.encode(),
        destination.way.value.encode(),
        destination.address.encode(),
    )

"""The audit trail: who did what, when, on which file. Append-only, each entry chained to the last.

An entry's code is an HMAC over itself and the code before it, with a key derived from the pepper:
whoever can write to the database but has not the pepper cannot change, remove or insert an entry
unseen. No entry holds a secret.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.keys import Keyring, length_prefixed
from auth_core.model import Source
from auth_core.store.prepared import Prepared
from auth_core.store.tables import audit, audit_anchor, audit_head

_START = b"\0" * 32
_USE = "audit"
_HEAD = Prepared(select(audit_head).with_for_update())
_APPEND = Prepared(insert(audit).values({c.name: bindparam(f"new_{c.name}") for c in audit.c}))
_MOVE_HEAD = Prepared(
    update(audit_head).values(number=bindparam("last_number"), mac=bindparam("last_mac"))
)


class Act(StrEnum):
    """What is worth an entry."""

    LOGIN_GRANTED = "login_granted"
    LOGIN_EXPIRED = "login_expired"
    LOGIN_REFUSED = "login_refused"
    PASSWORD_CREATED = "password_created"  # noqa: S105 - the name of an act
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 - the name of an act
    LOST_PASSWORD = "lost_password"  # noqa: S105 - the name of an act
    NIMS = "nims"
    SEPARATED = "separated"
    TRANSFERRED = "transferred"
    REGISTERED = "registered"
    REGISTRATION_KNOWN = "registration_known"  # of somebody on file: nothing was done
    AFFILIATED = "affiliated"
    CLOSED = "closed"
    EXPIRY_TOLD = "expiry_told"
    EXPIRED = "expired"
    LETTER_INSTEAD = "letter_instead"  # of a text message that did not arrive
    CERTIFICATE_REQUESTED = "certificate_requested"
    TRANSFER_REFERENCE = "transfer_reference"
    REFERENCE_REDEEMED = "reference_redeemed"
    REFERENCE_REFUSED = "reference_refused"
    UNLOCKED = "unlocked"
    SHOWN = "shown"
    DEMO_RESET = "demo_reset"
    IMPORTED = "imported"
    PEPPER_ROTATED = "pepper_rotated"
    PURGED = "purged"
    PINS_IMPORTED = "pins_imported"
    CLIENT_ADDED = "client_added"
    CLIENT_REMOVED = "client_removed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. `detail` is small and flat; it never holds a secret or a destination."""

    number: int
    at: datetime
    act: str
    file_id: str | None
    channel: str
    agent: str | None
    reference: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class AuditTrail:
    """Appends to the trail, reads it, verifies it; each within the caller's transaction."""

    def __init__(self, pepper: Keyring) -> None:
        self._pepper = pepper

    async def append(
        self,
        connection: AsyncConnection,
        act: Act,
        source: Source,
        at: datetime,
        file_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        head = await _HEAD.row(connection)
        version = self._pepper.current
        row: dict[str, Any] = {
            "number": head.number + 1,
            "at": at,
            "act": act.value,
            "file_id": file_id,
            "channel": source.channel.value,
            "agent": source.agent,
            "reference": source.reference,
            "detail": json.dumps(detail or {}, sort_keys=True),
            "key_version": version,
        }
        row["mac"] = self._mac(version, bytes(head.mac), row)
        await _APPEND.run(connection, **{f"new_{name}": value for name, value in row.items()})
        await _MOVE_HEAD.run(connection, last_number=row["number"], last_mac=row["mac"])

    async def of_file(
        self, connection: AsyncConnection, file_id: str, limit: int
    ) -> list[AuditEntry]:
        """The last `limit` entries of a file, newest first."""
        rows = await connection.execute(
            select(audit)
            .where(audit.c.file_id == file_id)
            .order_by(audit.c.number.desc())
            .limit(limit)
        )
        return [
            AuditEntry(
                row.number,
                row.at,
                row.act,
                row.file_id,
                row.channel,
                row.agent,
                row.reference,
                json.loads(row.detail),
            )
            for row in rows
        ]

    async def count(
        self,
        connection: AsyncConnection,
        act: Act,
        file_id: str,
        since: datetime,
        reference: str | None = None,
    ) -> int:
        """How many entries of this act a file has after `since`; `reference`: of this session or
        call only."""
        query = (
            select(func.count())
            .select_from(audit)
            .where(audit.c.file_id == file_id, audit.c.act == act.value, audit.c.at > since)
        )
        if reference is not None:
            query = query.where(audit.c.reference == reference)
        return await connection.scalar(query) or 0

    async def before(self, connection: AsyncConnection, moment: datetime) -> int:
        """The number of the last entry before `moment`, 0 when there is none."""
        low, high = 0, int((await connection.execute(select(audit_head.c.number))).scalar_one())
        while low < high:  # entries are in order of time, which has no index
            middle = (low + high + 1) // 2
            query = select(audit.c.at).where(audit.c.number == middle)
            at = await connection.scalar(query)
            if at is None or at < moment:  # those that are gone were the oldest
                low = middle
            else:
                high = middle - 1
        return low

    async def tally(
        self, connection: AsyncConnection, channel: str, after: int
    ) -> tuple[int, Counter[tuple[str, str]]]:
        """The last entry there is, and how many of a channel came after the entry `after`, by act
        and detail (JSON)."""
        last = int((await connection.execute(select(audit_head.c.number))).scalar_one())
        rows = await connection.execute(
            select(audit.c.act, audit.c.detail, func.count().label("number"))
            .where(audit.c.number > after, audit.c.number <= last, audit.c.channel == channel)
            .group_by(audit.c.act, audit.c.detail)
        )
        return last, Counter({(row.act, row.detail): row.number for row in rows})

    async def first_broken(self, connection: AsyncConnection) -> int | None:
        """The number of the first entry that is not as it was written; None: the trail is whole."""
        anchor = (await connection.execute(select(audit_anchor))).one_or_none()
        expected, previous = 1, _START
        if anchor is not None:
            expected, previous = int(anchor.number) + 1, bytes(anchor.mac)
            seal = self._seal(anchor.key_version, anchor.number, previous)
            if not hmac.compare_digest(seal, bytes(anchor.seal)):
                return expected
        rows = await connection.stream(select(audit).order_by(audit.c.number))
        async for row in rows:
            mac = self._mac(row.key_version, previous, row._asdict())
            if row.number != expected or not hmac.compare_digest(mac, bytes(row.mac)):
                return expected
            expected, previous = expected + 1, bytes(row.mac)
        head = (await connection.execute(select(audit_head))).one()
        end = head.number, bytes(head.mac)
        return None if end == (expected - 1, previous) else expected

    async def forget(self, connection: AsyncConnection, before: datetime, limit: int) -> int:
        """Purge the oldest entries, `limit` at most, up to the first that is not older than
        `before`; return how many. Where the trail begins then is sealed, so that no others can be
        taken away unseen."""
        rows = await connection.execute(select(audit).order_by(audit.c.number).limit(limit))
        old = list(takewhile(lambda row: row.at < before, rows))
        if not old:
            return 0
        last, version = old[-1], self._pepper.current
        mac = bytes(last.mac)
        await connection.execute(delete(audit).where(audit.c.number <= last.number))
        await connection.execute(delete(audit_anchor))
        await connection.execute(
            insert(audit_anchor).values(
                id=1,
                number=last.number,
                mac=mac,
                key_version=version,
                seal=self._seal(version, last.number, mac),
            )
        )
        return len(old)

    def _seal(self, version: int, number: int, mac: bytes) -> bytes:
        message = length_prefixed(b"anchor", str(number).encode(), mac)
        return hmac.digest(self._pepper.derived(_USE, version), message, hashlib.sha256)

    def _mac(self, version: int, previous: bytes, row: Mapping[str, Any]) -> bytes:
        at: datetime = row["at"]
        message = length_prefixed(
            previous,
            str(row["number"]).encode(),
            at.astimezone(UTC).isoformat().encode(),
            row["act"].encode(),
            # None and "" must not look alike.
            b"" if row["file_id"] is None else b"=" + row["file_id"].encode(),
            row["channel"].encode(),
            b"" if row["agent"] is None else b"=" + row["agent"].encode(),
            row["reference"].encode(),
            row["detail"].encode(),
            str(version).encode(),
        )
        return hmac.digest(self._pepper.derived(_USE, version), message, hashlib.sha256)

"""One-time references: what a transferred call tells an advisor's desktop instead of a matricule.

A reference is random and kept as a keyed hash; it names the file once, within ten minutes.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.keys import Keyring
from auth_core.model import Identity, Session, Source
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail

VALIDITY = timedelta(minutes=10)
REFERENCE_BYTES = 16
_USE = "references"


@dataclass(frozen=True, slots=True)
class References:
    """Makes references and redeems them, each in the caller's transaction."""

    pepper: Keyring
    trail: AuditTrail

    async def issue(
        self, connection: AsyncConnection, session: Session, source: Source, now: datetime
    ) -> str:
        reference = secrets.token_urlsafe(REFERENCE_BYTES)
        await repository.add_transfer_reference(
            connection, self._digest(reference), session.file_id, now + VALIDITY, now
        )
        await self.trail.append(connection, Act.TRANSFER_REFERENCE, source, now, session.file_id)
        return reference

    async def redeem(
        self, connection: AsyncConnection, reference: str, source: Source, now: datetime
    ) -> Identity | None:
        """What names the file now; None when the reference is unknown, used, or too old."""
        file_id = await repository.take_transfer_reference(connection, self._digest(reference), now)
        act = Act.REFERENCE_REFUSED if file_id is None else Act.REFERENCE_REDEEMED
        await self.trail.append(connection, act, source, now, file_id)
        return None if file_id is None else await repository.identity_of(connection, file_id)

    def _digest(self, reference: str) -> bytes:
        return self.pepper.digest(_USE, reference.encode())

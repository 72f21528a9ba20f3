"""What follows an SMS that died: a letter. If it carried a secret, the letter carries a new one.

Nobody can tell how far the dead message came, so its secret is revoked in the same transaction in
which the message is given up and the letter queued.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import succession
from auth_core.credentials import (
    Credential,
    Hasher,
    Secret,
    objections,
    random_provisional,
    written_into,
)
from auth_core.delivery.outbox import Destination, MessageKind, Outbox
from auth_core.delivery.queue import Claim, give_up
from auth_core.delivery.texts import Texts
from auth_core.model import (
    CaseFile,
    Channel,
    DeliveryChoice,
    Identity,
    SecretKind,
    Slot,
    Source,
)
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.store.tables import identities
from auth_core.validity import PARIS, last_day, validity_end

AGENT = "delivery"
_DAY = "%d/%m/%Y"


class Burial(StrEnum):
    """What became of a message that was to be given up."""

    NOT_OURS = "not_ours"  # cancelled, or taken by another worker, meanwhile
    DEAD = "dead"
    REPLACED = "replaced"  # dead, and a letter follows


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who was to get the message: the file, its secrets, the address of its beneficiary."""

    case_file: CaseFile
    held: succession.Held
    address: Destination


@dataclass(frozen=True, slots=True)
class _Provisional:
    secret: Secret
    credential: Credential


class Renewal:
    """Turns dead text messages into letters."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        hasher: Hasher,
        outbox: Outbox,
        trail: AuditTrail,
        texts: Texts,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._hasher = hasher
        self._outbox = outbox
        self._trail = trail
        self._texts = texts
        self._clock = clock

    async def bury(self, claim: Claim) -> Burial:
        """Give a message up. A letter takes the place of a text message where an address is on
        file; nothing takes the place of a letter."""
        message, owner, new = claim.message, None, None
        if message.destination.way is DeliveryChoice.SMS:
            owner = await self._database.run(lambda connection: self._owner(connection, claim))
        if owner is not None and message.kind is MessageKind.SECRET:
            new = await self._provisional(owner)
        return await self._database.run(
            lambda connection: self._replace(connection, claim, owner, new)
        )

    async def _owner(self, connection: AsyncConnection, claim: Claim) -> _Owner | None:
        """None when there is nobody to write to."""
        named = (
            await connection.execute(
                select(identities.c.caf, identities.c.matricule).where(
                    identities.c.file_id == claim.message.file_id,
                    identities.c.retired_at.is_(None),
                )
            )
        ).one_or_none()
        if named is None:
            return None
        case_file = await repository.find_file(connection, Identity(named.caf, named.matricule))
        if case_file is None:
            return None
        case_file = await repository.with_people(connection, case_file)
        address = _address(case_file)
        if address is None:
            return None
        held = await repository.credentials_of(connection, case_file.id)
        return _Owner(case_file, held, address)

    async def _provisional(self, owner: _Owner) -> _Provisional | None:
        """Another provisional for the one that did not arrive; None when there is none."""
        old = owner.held.get(Slot.PENDING) or owner.held.get(Slot.LIVE)
        if old is None or old.kind is not SecretKind.PROVISIONAL:
            return None
        secret = random_provisional()
        while objections(secret, owner.case_file):
            secret = random_provisional()
        now = self._clock()
        credential = await self._hasher.make(
            secret,
            file_id=owner.case_file.id,
            slot=old.slot,
            kind=SecretKind.PROVISIONAL,
            created_at=now,
            expires_at=validity_end(now, self._settings.provisional_validity_months),
            beside=owner.held.get(Slot.LIVE) if old.slot is Slot.PENDING else None,
        )
        return _Provisional(secret, credential)

    async def _replace(
        self,
        connection: AsyncConnection,
        claim: Claim,
        owner: _Owner | None,
        new: _Provisional | None,
    ) -> Burial:
        # A message that is still ours was not superseded: the secret it carries is the one that
        # was read, as whoever replaces a secret cancels its message in the same transaction.
        if not await give_up(connection, claim):
            return Burial.NOT_OURS
        if owner is None:
            return Burial.DEAD
        message, now = claim.message, self._clock()
        if message.kind is MessageKind.SECRET:
            if new is None:
                return Burial.DEAD
            await self._put_in_force(connection, new.credential, owner.held)
            text = self._with_secret(new, now)
        else:
            template = self._without_secret(message.kind, owner)
            if template is None:
                return Burial.DEAD
            text = template.encode()
        await self._outbox.put(connection, message.file_id, message.kind, owner.address, text, now)
        source = Source(Channel.BACK_OFFICE, agent=AGENT, reference=message.id)
        detail = {"kind": message.kind.value}
        await self._trail.append(
            connection, Act.LETTER_INSTEAD, source, now, message.file_id, detail
        )
        return Burial.REPLACED

    def _with_secret(self, new: _Provisional, now: datetime) -> bytes:
        until = last_day(now, self._settings.provisional_validity_months).strftime(_DAY)
        template = self._texts.template(MessageKind.SECRET, DeliveryChoice.LETTER, until=until)
        return written_into(template, new.secret)

    def _without_secret(self, kind: MessageKind, owner: _Owner) -> str | None:
        """None when what it had to tell is no more so."""
        values = {"matricule": owner.case_file.identity.matricule}
        if kind is MessageKind.PASSWORD_EXPIRES:
            end = _last_day_of_password(owner.held)
            if end is None:
                return None
            values["until"] = end
        return self._texts.template(kind, DeliveryChoice.LETTER, **values)

    async def _put_in_force(
        self, connection: AsyncConnection, new: Credential, held: succession.Held
    ) -> None:
        if new.slot is Slot.PENDING:
            await repository.put_credential(connection, new)
        else:
            await succession.replace_live(connection, new, held)


def _address(case_file: CaseFile) -> Destination | None:
    beneficiary = case_file.beneficiary
    if beneficiary is None:
        return None
    for address in case_file.addresses:
        if address.owner_id == beneficiary.id:
            town = f"{address.postal_code} {address.city}"
            return Destination(
                DeliveryChoice.LETTER, "\n".join((beneficiary.name, *address.lines, town))
            )
    return None


def _last_day_of_password(held: succession.Held) -> str | None:
    live = held.get(Slot.LIVE)
    if live is None or live.kind is not SecretKind.PASSWORD or live.expires_at is None:
        return None
    return (live.expires_at - timedelta(seconds=1)).astimezone(PARIS).strftime(_DAY)

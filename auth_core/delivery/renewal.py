"""What follows a message that died: a letter. If it carried a secret, the letter carries a new one.

Nobody can tell how far the dead message came, so its secret is revoked in the same transaction in
which the message is given up and the letter queued.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import succession
from auth_core.credentials import Credential
from auth_core.delivery import addresses
from auth_core.delivery.outbox import Destination, Message, MessageKind
from auth_core.delivery.queue import Claim, dead_message, give_up, supersede_dead
from auth_core.delivery.texts import DAY
from auth_core.issuing import Issuer, Provisional
from auth_core.model import CaseFile, Channel, DeliveryChoice, SecretKind, Slot, Source
from auth_core.notices import Notices
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.validity import PARIS

AGENT = "delivery"


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


class Renewal:
    """Turns dead messages into letters."""

    def __init__(
        self,
        database: Database,
        issuer: Issuer,
        notices: Notices,
        trail: AuditTrail,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._notices = notices
        self._trail = trail
        self._clock = clock

    async def bury(self, claim: Claim) -> Burial:
        """Give a message up. A letter takes the place of a text message where an address is on
        file; nothing takes the place of a letter."""
        message, owner, new = claim.message, None, None
        if message.destination.way is DeliveryChoice.SMS:
            owner = await self._database.run(lambda connection: self._owner(connection, message))
        if owner is not None and message.kind is MessageKind.SECRET:
            new = await self._provisional(owner)

        async def replace(connection: AsyncConnection) -> Burial:
            # A message that is still ours was not superseded: the secret it carries is the one that
            # was read, as whoever replaces a secret cancels its message in the same transaction.
            if not await give_up(connection, claim):
                return Burial.NOT_OURS
            return await self._replace(connection, message, owner, new, AGENT)

        return await self._database.run(replace)

    async def retry(self, message_id: str, agent: str) -> bool:
        """Write a letter that tells what a dead message told; that one counts as superseded then.

        False when there is no such dead message, nobody to write to, or no more reason to: what a
        message with a secret carried must be the secret in force still.
        """
        message = await self._database.run(lambda connection: dead_message(connection, message_id))
        if message is None:
            return False
        owner = await self._database.run(lambda connection: self._owner(connection, message))
        if owner is None:
            return False
        new, carried = None, None
        if message.kind is MessageKind.SECRET:
            carried = _provisional_of(owner.held)
            if carried is None or carried.created_at > message.created_at:
                return False
            new = await self._provisional(owner)

        async def replace(connection: AsyncConnection) -> Burial:
            await repository.generation_of(connection, message.file_id)  # holds the file
            if carried is not None:
                held = await repository.credentials_of(connection, message.file_id)
                if (now := _provisional_of(held)) is None or now.id != carried.id:
                    return Burial.NOT_OURS
            if not await supersede_dead(connection, message_id):
                return Burial.NOT_OURS
            return await self._replace(connection, message, owner, new, agent)

        return await self._database.run(replace) is Burial.REPLACED

    async def _owner(self, connection: AsyncConnection, message: Message) -> _Owner | None:
        """None when there is nobody to write to."""
        identity = await repository.identity_of(connection, message.file_id)
        if identity is None:
            return None
        case_file = await repository.find_file(connection, identity)
        if case_file is None:
            return None
        case_file = await repository.with_people(connection, case_file)
        owner = case_file.beneficiary
        address = None if owner is None else addresses.postal_address(case_file, owner)
        if address is None:
            return None
        held = await repository.credentials_of(connection, case_file.id)
        return _Owner(case_file, held, address)

    async def _provisional(self, owner: _Owner) -> Provisional | None:
        """Another provisional for the one that did not arrive; None when there is none."""
        old = _provisional_of(owner.held)
        if old is None:
            return None
        beside = owner.held.get(Slot.LIVE) if old.slot is Slot.PENDING else None
        return await self._issuer.draw(owner.case_file, old.slot, self._clock(), beside)

    async def _replace(
        self,
        connection: AsyncConnection,
        message: Message,
        owner: _Owner | None,
        new: Provisional | None,
        agent: str,
    ) -> Burial:
        """Queue the letter, within the caller's transaction."""
        if owner is None:
            return Burial.DEAD
        now = self._clock()
        if message.kind is MessageKind.SECRET:
            if new is None:
                return Burial.DEAD
            await self._put_in_force(connection, new.credential, owner.held)
            await self._issuer.send(connection, new, owner.address)
        else:
            values = {"matricule": owner.case_file.identity.matricule}
            if message.kind is MessageKind.PASSWORD_EXPIRES:
                end = last_day_of_password(owner.held)
                if end is None:
                    return Burial.DEAD
                values["until"] = end.strftime(DAY)
            await self._notices.tell(
                connection, message.file_id, message.kind, owner.address, now, **values
            )
        source = Source(Channel.BACK_OFFICE, agent=agent, reference=message.id)
        detail = {"kind": message.kind.value}
        await self._trail.append(
            connection, Act.LETTER_INSTEAD, source, now, message.file_id, detail
        )
        return Burial.REPLACED

    async def _put_in_force(
        self, connection: AsyncConnection, new: Credential, held: succession.Held
    ) -> None:
        if new.slot is Slot.PENDING:
            await repository.put_credential(connection, new)
        else:
            await succession.replace_live(connection, new, held)


def _provisional_of(held: succession.Held) -> Credential | None:
    """The provisional that a message may have carried."""
    credential = held.get(Slot.PENDING) or held.get(Slot.LIVE)
    is_one = credential is not None and credential.kind is SecretKind.PROVISIONAL
    return credential if is_one else None


def last_day_of_password(held: succession.Held) -> date | None:
    """The last day, in Paris, of the password in force; None when there is none."""
    live = held.get(Slot.LIVE)
    if live is None or live.kind is not SecretKind.PASSWORD or live.expires_at is None:
        return None
    return (live.expires_at - timedelta(seconds=1)).astimezone(PARIS).date()

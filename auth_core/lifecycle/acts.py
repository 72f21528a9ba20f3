"""What agents of the back office do to a file.

Nims, separation and transfer replace the secret at once by a provisional, which goes to its owner
alone: no act takes a destination.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import succession
from auth_core.delivery import addresses
from auth_core.delivery.outbox import Destination, MessageKind, cancel
from auth_core.errors import AuthError, UnknownFile
from auth_core.issuing import Issuer, Provisional
from auth_core.model import (
    CaseFile,
    DeliveryChoice,
    FileStatus,
    Identity,
    Role,
    Slot,
    Source,
)
from auth_core.notices import Notices
from auth_core.settings import AuthSettings
from auth_core.store import changes, crowds, repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

_COUPLE = (Role.BENEFICIARY, Role.SPOUSE)


class Change:
    """An act that replaces the secret. `act`, `notice`: how it is kept and told; `keeps_failures`:
    whether tries that failed before go on counting."""

    act: ClassVar[Act]
    notice: ClassVar[MessageKind]
    keeps_failures: ClassVar[bool] = False

    def after(self, before: CaseFile) -> CaseFile:
        """The file as it will be. Raises AuthError when the act makes no sense on it."""
        return before

    async def write(self, connection: AsyncConnection, after: CaseFile, now: datetime) -> bool:
        """Write what changes beside the secret; False when `after` cannot be any more."""
        return True


class Nims(Change):
    """A new secret, and nothing else."""

    act = Act.NIMS
    notice = MessageKind.SECRET_REVOKED


@dataclass(frozen=True, slots=True)
class Separation(Change):
    """The couple of the file separates; `keeper` (beneficiary or spouse) keeps it."""

    act = Act.SEPARATED
    notice = MessageKind.FILE_SEPARATED
    keeper: Role

    def after(self, before: CaseFile) -> CaseFile:
        keepers = [p for p in before.persons if p.role is self.keeper]
        if self.keeper not in _COUPLE or len(keepers) != 1:
            raise AuthError("who keeps the file must be its beneficiary or their spouse")
        persons = tuple(
            replace(p, role=Role.BENEFICIARY if p in keepers else Role.FORMER_SPOUSE)
            if p.role in _COUPLE
            else p
            for p in before.persons
        )
        return replace(before, persons=persons)

    async def write(self, connection: AsyncConnection, after: CaseFile, now: datetime) -> bool:
        await changes.set_roles(connection, {p.id: p.role for p in after.persons})
        # Nothing tells whose of the two each is; the keeper's are known again when they log in.
        await crowds.forget_devices(connection, after.id)
        return True


@dataclass(frozen=True, slots=True)
class Transfer(Change):
    """The file moves to another Caf. `matricule`: its number there; None: any that is free."""

    act = Act.TRANSFERRED
    notice = MessageKind.FILE_TRANSFERRED
    keeps_failures = True
    caf: str
    matricule: str | None

    def after(self, before: CaseFile) -> CaseFile:
        if self.caf == before.identity.caf:
            raise AuthError(f"the file is at Caf {self.caf} already")
        matricule = random_matricule() if self.matricule is None else self.matricule
        return replace(before, identity=Identity(self.caf, matricule))

    async def write(self, connection: AsyncConnection, after: CaseFile, now: datetime) -> bool:
        if not await changes.is_free(connection, after.identity):
            if self.matricule is not None:
                raise AuthError(
                    f"{after.identity!r} is or was another file's; give another matricule, or none"
                )
            return False
        await changes.rename(connection, after.id, after.identity, now)
        await cancel(connection, after.id, MessageKind.MATRICULE)
        return True


def random_matricule() -> str:
    return f"{secrets.randbelow(10**7):07}"


class BackOffice:
    """Acts on one file, each by a named agent."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        issuer: Issuer,
        notices: Notices,
        trail: AuditTrail,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._issuer = issuer
        self._notices = notices
        self._trail = trail
        self._clock = clock

    async def replace_secret(self, identity: Identity, change: Change, source: Source) -> CaseFile:
        """Do what `change` says, and replace the secret at once by a provisional, which goes to the
        mobile of the beneficiary (as they are after the change), else by letter. Returns the file
        as it is then. Raises UnknownFile, and AuthError for what cannot be done."""
        while True:
            before = await self._database.run(lambda connection: self._read(connection, identity))
            after, now = change.after(before), self._clock()
            destination = self._destination(after, now)
            new = await self._issuer.draw(after, Slot.LIVE, now)
            work = _Work(change, before, after, destination, new, source)
            if await self._database.run(partial(self._commit, work=work)):
                return after

    async def affiliate(self, identity: Identity, source: Source) -> None:
        """Open every service; the secret stays. Raises UnknownFile, AuthError when closed."""

        async def work(connection: AsyncConnection) -> None:
            case_file = await self._read(connection, identity)
            await changes.set_status(connection, case_file.id, FileStatus.AFFILIATED)
            await self._trail.append(
                connection, Act.AFFILIATED, source, self._clock(), case_file.id
            )

        await self._database.run(work)

    async def close(self, identity: Identity, source: Source) -> None:
        """Revoke every secret, for good. Raises UnknownFile, AuthError when closed before."""

        async def work(connection: AsyncConnection) -> None:
            case_file, now = await self._read(connection, identity), self._clock()
            await succession.revoke_all(connection, case_file.id)
            await changes.set_closed(connection, case_file.id, now)
            await self._notices.tell_owner(connection, case_file, MessageKind.FILE_CLOSED, now)
            await self._trail.append(connection, Act.CLOSED, source, now, case_file.id)

        await self._database.run(work)

    async def _read(self, connection: AsyncConnection, identity: Identity) -> CaseFile:
        case_file = await repository.find_file(connection, identity)
        if case_file is None:
            raise UnknownFile.named(identity)
        if case_file.closed_at is not None:
            raise AuthError("the file is closed")
        return await repository.with_people(connection, case_file)

    def _destination(self, case_file: CaseFile, now: datetime) -> Destination:
        owner, quarantine = case_file.beneficiary, self._settings.mobile_quarantine
        destination = None
        if owner is not None:
            destination = addresses.for_secret(
                case_file, owner, DeliveryChoice.SMS, now, quarantine
            )
        if destination is None:
            raise AuthError(
                "neither a mobile nor an address of who is to get the secret is on file; "
                "add one first"
            )
        return destination

    async def _commit(self, connection: AsyncConnection, work: "_Work") -> bool:
        """False when the file changed since it was read."""
        change, after, credential = work.change, work.after, work.new.credential
        file_id, now = after.id, credential.created_at
        if await repository.generation_of(connection, file_id) != work.before.generation:
            return False
        if not await change.write(connection, after, now):
            return False
        held = await repository.credentials_of(connection, file_id)
        if change.keeps_failures:
            await succession.replace_live_keeping_failures(
                connection, credential, held, self._settings
            )
        else:
            await succession.replace_live(connection, credential, held)
        await self._notices.tell_owner(connection, after, change.notice, now)
        if after.identity != work.before.identity:
            await self._notices.tell(
                connection,
                file_id,
                MessageKind.MATRICULE,
                work.destination,
                now,
                matricule=after.identity.matricule,
            )
        await self._issuer.send(connection, work.new, work.destination)
        detail = {"way": work.destination.way.value}
        await self._trail.append(connection, change.act, work.source, now, file_id, detail)
        return True


@dataclass(frozen=True, slots=True)
class _Work:
    """All that one transaction writes."""

    change: Change
    before: CaseFile
    after: CaseFile
    destination: Destination
    new: Provisional
    source: Source

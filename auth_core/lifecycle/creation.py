"""Creating a password: the only secret that its owner chooses.

It needs the present secret and revokes it at once. The rules are judged on the file, so that what
they refuse tells something of it: no more than so many refusals.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import succession
from auth_core.authentication import Authenticator
from auth_core.credentials import Credential, Hasher, Secret, hidden_pins, objections
from auth_core.delivery.outbox import MessageKind
from auth_core.errors import AuthError, TooManyRefusals, UnknownFile
from auth_core.model import (
    CaseFile,
    Channel,
    Identity,
    SecretKind,
    Session,
    Slot,
    Source,
    Verdict,
)
from auth_core.notices import Notices
from auth_core.rules import Reason, Rule
from auth_core.settings import DAY, AuthSettings
from auth_core.store import repository, throttles
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.validity import validity_end


class Creation(StrEnum):
    """What came of creating a password."""

    CREATED = "created"
    REFUSED = "refused"  # the present secret does not open the file
    UNACCEPTABLE = "unacceptable"  # the new one breaks a rule


@dataclass(frozen=True, slots=True)
class CreationResult:
    """`reasons`: every rule broken, when unacceptable. `session`: that of who created it; every
    other of the file has ended."""

    outcome: Creation
    reasons: tuple[Reason, ...] = ()
    session: Session | None = None


class PasswordCreation:
    """Creates passwords, and judges those that somebody thinks of."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        hasher: Hasher,
        authenticator: Authenticator,
        notices: Notices,
        trail: AuditTrail,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._hasher = hasher
        self._authenticator = authenticator
        self._notices = notices
        self._trail = trail
        self._clock = clock

    async def create(
        self,
        identity: Identity,
        present: Secret,
        new: Secret,
        source: Source,
        birth_day_month: str | None = None,
    ) -> CreationResult:
        """Replace the present secret by a password that its owner chose. `birth_day_month`: as in
        `Authenticator.authenticate`.

        An expired password may be replaced; an expired PIN or provisional may not. Raises AuthError
        on the telephone, where no password is ever created, and TooManyRefusals.
        """
        if source.channel is Channel.TELEPHONE:
            raise AuthError("a password cannot be created by telephone; use caf.fr")
        verdict = await self._authenticator.authenticate(identity, present, source, birth_day_month)
        generation = _generation_replaced(verdict)
        if generation is None:
            # At once: what else were read, before or after, would tell by its time what is known.
            return CreationResult(Creation.REFUSED)
        case_file, held = await self._database.run(
            lambda connection: self._read(connection, identity)
        )
        if case_file is None or case_file.generation != generation:
            return CreationResult(Creation.REFUSED)
        reasons = await self._database.run(
            lambda connection: self._judge(connection, case_file, new, source)
        )
        if not reasons and await self._reused(new, case_file, held):
            reasons = (Reason.of(Rule.REUSED),)
            await self._database.run(
                lambda connection: self._refuse(connection, case_file, reasons, source)
            )
        if reasons:
            return CreationResult(Creation.UNACCEPTABLE, reasons)
        now = self._clock()
        credential = await self._hasher.make(
            new,
            file_id=case_file.id,
            slot=Slot.LIVE,
            kind=SecretKind.PASSWORD,
            created_at=now,
            expires_at=validity_end(now, self._settings.password_validity_months),
        )
        successor = await self._database.run(
            lambda connection: self._replace(connection, credential, held, case_file, source)
        )
        if successor is None:
            return CreationResult(Creation.REFUSED)
        before = verdict.session or _session_of(case_file, source)
        session = replace(before, kind=SecretKind.PASSWORD, generation=successor)
        return CreationResult(Creation.CREATED, session=session)

    async def check(
        self, identity: Identity, candidate: Secret, source: Source
    ) -> tuple[Reason, ...]:
        """Every reason of the pure rules against a password of this file. Raises UnknownFile,
        TooManyRefusals."""

        async def judged(connection: AsyncConnection) -> tuple[Reason, ...]:
            case_file, _ = await self._read(connection, identity)
            if case_file is None:
                raise UnknownFile.named(identity)
            return await self._judge(connection, case_file, candidate, source)

        return await self._database.run(judged)

    async def _read(
        self, connection: AsyncConnection, identity: Identity
    ) -> tuple[CaseFile | None, succession.Held]:
        case_file = await repository.find_file(connection, identity)
        if case_file is None:
            return None, {}
        held = await repository.credentials_of(connection, case_file.id)
        return await repository.with_people(connection, case_file), held

    async def _judge(
        self, connection: AsyncConnection, case_file: CaseFile, candidate: Secret, source: Source
    ) -> tuple[Reason, ...]:
        """What the pure rules say; kept when they refuse. Raises TooManyRefusals when too many have
        been refused before, whatever this one is."""
        # Judged one after the other: together they would all be within the limit.
        await throttles.file_throttle(connection, case_file.id)
        limits, since = self._settings.password_refusals, self._clock() - DAY
        act, session = Act.PASSWORD_REFUSED, 0
        today = await self._trail.count(connection, act, case_file.id, since)
        if source.reference:
            session = await self._trail.count(
                connection, act, case_file.id, since, source.reference
            )
        if today >= limits.per_day or session >= limits.per_session:
            raise TooManyRefusals("too many passwords have been refused; try again tomorrow")
        reasons = objections(candidate, case_file)
        if reasons:
            await self._refuse(connection, case_file, reasons, source)
        return reasons

    async def _refuse(
        self,
        connection: AsyncConnection,
        case_file: CaseFile,
        reasons: tuple[Reason, ...],
        source: Source,
    ) -> None:
        detail = {"rules": [reason.code.value for reason in reasons]}
        await self._trail.append(
            connection, Act.PASSWORD_REFUSED, source, self._clock(), case_file.id, detail
        )

    async def _reused(self, new: Secret, case_file: CaseFile, held: succession.Held) -> bool:
        """Whether `new` is a secret of the file, or a mere writing of its PIN."""
        if await self._hasher.match(new, held.values()) is not None:
            return True
        live = held.get(Slot.LIVE)
        if live is None or live.kind is not SecretKind.PIN:
            return False
        beneficiary = case_file.beneficiary
        born = None if beneficiary is None else beneficiary.birth_date
        for guess in hidden_pins(new, born):
            if await self._hasher.match(guess, (live,)) is not None:
                return True
        return False

    async def _replace(
        self,
        connection: AsyncConnection,
        new: Credential,
        held: succession.Held,
        case_file: CaseFile,
        source: Source,
    ) -> int | None:
        """The file's new generation; None when it changed since `held` and `case_file` were
        read."""
        if await repository.generation_of(connection, new.file_id) != case_file.generation:
            return None
        generation = await succession.replace_live(connection, new, held)
        await repository.record_login(connection, new.file_id, new.created_at)
        live = held.get(Slot.LIVE)
        changed = live is not None and live.kind is SecretKind.PASSWORD
        notice = MessageKind.PASSWORD_CHANGED if changed else MessageKind.PASSWORD_CREATED
        await self._notices.tell_owner(connection, case_file, notice, new.created_at)
        await self._trail.append(
            connection, Act.PASSWORD_CREATED, source, new.created_at, new.file_id
        )
        return generation


def _generation_replaced(verdict: Verdict) -> int | None:
    """The generation of the file whose secret may be replaced; None: it may not be.

    A secret that another channel replaces from here on has another generation.
    """
    if verdict.session is not None:
        return verdict.session.generation
    return verdict.generation if verdict.kind is SecretKind.PASSWORD else None


def _session_of(case_file: CaseFile, source: Source) -> Session:
    """That of who gave an expired password."""
    return Session(
        file_id=case_file.id,
        caf=case_file.identity.caf,
        matricule=case_file.identity.matricule,
        status=case_file.status,
        kind=SecretKind.PASSWORD,
        last_login=case_file.last_login,
        failures_since=0,
        channel=source.channel,
    )

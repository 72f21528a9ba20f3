"""The life of a secret: created by its owner, or asked for by somebody who lost theirs.

Creating needs the present secret and revokes it at once. Asking needs none and revokes nothing: the
provisional is pending until it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import phones, succession
from auth_core.authentication import Authenticator, Callers
from auth_core.credentials import (
    Credential,
    Hasher,
    Secret,
    hidden_pins,
    is_day_month_of,
    objections,
    random_provisional,
    written_into,
)
from auth_core.delivery.outbox import Destination, MessageKind, Outbox
from auth_core.errors import AuthError
from auth_core.model import (
    CaseFile,
    Channel,
    DeliveryChoice,
    Identity,
    Outcome,
    SecretKind,
    Slot,
    Source,
)
from auth_core.rules import MESSAGES, Reason, Rule
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo
from auth_core.validity import last_day, validity_end

# No link, no matricule, no Caf: a message with a secret must be of no use to who finds it.
PROVISIONAL_TEXT = (
    "Votre mot de passe provisoire : {secret}. Il est valable jusqu'au %s inclus et devra être "
    "changé à votre première connexion. Ne le communiquez à personne."
)
_DECOY = "decoy"


class Creation(StrEnum):
    """What came of creating a password."""

    CREATED = "created"
    REFUSED = "refused"  # the present secret does not open the file
    UNACCEPTABLE = "unacceptable"  # the new one breaks a rule


@dataclass(frozen=True, slots=True)
class CreationResult:
    """`reasons`: every rule broken, when unacceptable."""

    outcome: Creation
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class _Applicant:
    """Who asked for a provisional, when they may have one: the file, its secrets, the way."""

    case_file: CaseFile
    live: Credential | None
    destination: Destination


class Lifecycle:
    """Creating and losing secrets."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        hasher: Hasher,
        authenticator: Authenticator,
        outbox: Outbox,
        trail: AuditTrail,
        callers: Callers,
        tempo: Tempo,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._hasher = hasher
        self._authenticator = authenticator
        self._outbox = outbox
        self._trail = trail
        self._callers = callers
        self._tempo = tempo
        self._clock = clock

    async def create_password(
        self, identity: Identity, present: Secret, new: Secret, source: Source
    ) -> CreationResult:
        """Replace the present secret by a password that its owner chose.

        An expired password may be replaced; an expired PIN or provisional may not. Raises AuthError
        on the telephone, where no password is ever created.
        """
        if source.channel is Channel.TELEPHONE:
            raise AuthError("a password cannot be created by telephone; use caf.fr")
        generation = await self._opened(identity, present, source)
        case_file, held = await self._database.run(
            lambda connection: self._read(connection, identity)
        )
        if case_file is None or case_file.generation != generation:
            return CreationResult(Creation.REFUSED)
        reasons = objections(new, case_file)
        if not reasons and await self._reused(new, case_file, held):
            reasons = (Reason(Rule.REUSED, MESSAGES[Rule.REUSED]),)
        now = self._clock()
        if reasons:
            detail = {"rules": [reason.code.value for reason in reasons]}
            async with self._database.begin() as connection:
                await self._trail.append(
                    connection, Act.PASSWORD_REFUSED, source, now, case_file.id, detail
                )
            return CreationResult(Creation.UNACCEPTABLE, reasons)
        credential = await self._hasher.make(
            new,
            file_id=case_file.id,
            slot=Slot.LIVE,
            kind=SecretKind.PASSWORD,
            created_at=now,
            expires_at=validity_end(now, self._settings.password_validity_months),
        )
        created = await self._database.run(
            lambda connection: self._replace(
                connection, credential, held, case_file.generation, source
            )
        )
        return CreationResult(Creation.CREATED if created else Creation.REFUSED)

    async def _opened(self, identity: Identity, present: Secret, source: Source) -> int | None:
        """The generation of the file that `present` may replace the secret of; None: it may not.

        A secret that another channel replaces from here on has another generation.
        """
        before, _ = await self._database.run(lambda connection: self._read(connection, identity))
        verdict = await self._authenticator.authenticate(identity, present, source)
        if verdict.session is not None:
            return verdict.session.generation
        expired_password = (
            verdict.outcome is Outcome.EXPIRED and verdict.kind is SecretKind.PASSWORD
        )
        return before.generation if before is not None and expired_password else None

    async def _read(
        self, connection: AsyncConnection, identity: Identity
    ) -> tuple[CaseFile | None, succession.Held]:
        case_file = await repository.find_file(connection, identity)
        if case_file is None:
            return None, {}
        held = await repository.credentials_of(connection, case_file.id)
        return await repository.with_people(connection, case_file), held

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
        generation: int,
        source: Source,
    ) -> bool:
        """False when the file changed since `held` and `generation` were read."""
        if await repository.generation_of(connection, new.file_id) != generation:
            return False
        await succession.replace_live(connection, new, held)
        await self._trail.append(
            connection, Act.PASSWORD_CREATED, source, new.created_at, new.file_id
        )
        return True

    async def request_lost_password(
        self, identity: Identity, birth_day_month: str, by: DeliveryChoice, source: Source
    ) -> None:
        """Send a pending provisional to the owner, if the request may be served.

        Nothing tells whether it was: not the answer, not its time (`failure_floor` seconds at
        least, and a hash in every case), not anything written on a file.
        """
        begun = self._tempo.begin()
        now = self._clock()
        applicant = await self._database.run(
            lambda connection: self._admit(connection, identity, birth_day_month, by, source, now)
        )
        provisional = random_provisional()
        if applicant is not None:
            while objections(provisional, applicant.case_file):
                provisional = random_provisional()
        live = None if applicant is None else applicant.live
        credential = await self._hasher.make(
            provisional,
            file_id=_DECOY if applicant is None else applicant.case_file.id,
            slot=Slot.PENDING,
            kind=SecretKind.PROVISIONAL,
            created_at=now,
            expires_at=validity_end(now, self._settings.provisional_validity_months),
            beside=live,
        )
        if applicant is not None:
            served = applicant
            await self._database.run(
                lambda connection: self._issue(connection, served, credential, provisional, source)
            )
        await self._tempo.reach_floor(begun)

    async def _admit(
        self,
        connection: AsyncConnection,
        identity: Identity,
        birth_day_month: str,
        by: DeliveryChoice,
        source: Source,
        now: datetime,
    ) -> _Applicant | None:
        """Charge the request to the caller; None when it may not be served, for whatever reason."""
        if not await self._charge_caller(connection, source, now):
            return None
        case_file = await repository.find_file(connection, identity)
        if case_file is None or case_file.closed_at is not None:
            return None
        case_file = await repository.with_people(connection, case_file)
        beneficiary = case_file.beneficiary
        if beneficiary is None or not is_day_month_of(birth_day_month, beneficiary.birth_date):
            return None
        _, throttle = await repository.file_throttle(connection, case_file.id)
        destination = self._destination(case_file, by, now)
        if destination is None or not throttle.admits_request(now, self._settings.lost_password):
            return None
        held = await repository.credentials_of(connection, case_file.id)
        return _Applicant(case_file, held.get(Slot.LIVE), destination)

    async def _charge_caller(
        self, connection: AsyncConnection, source: Source, now: datetime
    ) -> bool:
        caller = self._callers.of(source)
        if caller is None or not source.caller:
            return True
        limits = self._settings.lost_password
        revision, throttle = await repository.caller_throttle(connection, caller, now)
        admitted = not throttle.busy(now) and throttle.admits_request(now, limits)
        throttle = throttle.request(now, limits)
        await repository.replace_caller_throttle(connection, caller, revision, throttle, now)
        return admitted

    def _destination(
        self, case_file: CaseFile, by: DeliveryChoice, now: datetime
    ) -> Destination | None:
        """Where the beneficiary gets a secret; None when no address is on file.

        A text message needs a mobile of their own that has been on file for some days: who can
        change a number must not get the secret by it.
        """
        beneficiary = case_file.beneficiary
        if beneficiary is None:
            return None
        mobiles = [
            phone
            for phone in case_file.phones
            if phone.owner_id == beneficiary.id and phones.is_mobile(phone.number)
        ]
        quarantine = timedelta(days=self._settings.mobile_quarantine_days)
        settled = all(now - phone.changed_at >= quarantine for phone in mobiles)
        if by is DeliveryChoice.SMS and mobiles and settled:
            number = phones.e164(mobiles[-1].number)
            if number is not None:
                return Destination(DeliveryChoice.SMS, number)
        for address in case_file.addresses:
            if address.owner_id == beneficiary.id:
                town = f"{address.postal_code} {address.city}"
                lines = (beneficiary.name, *address.lines, town)
                return Destination(DeliveryChoice.LETTER, "\n".join(lines))
        return None

    async def _issue(
        self,
        connection: AsyncConnection,
        applicant: _Applicant,
        credential: Credential,
        provisional: Secret,
        source: Source,
    ) -> None:
        """The pending provisional and its message, in one transaction; nothing when the file
        changed or another request was served meanwhile."""
        file_id, now = credential.file_id, credential.created_at
        limits = self._settings.lost_password
        generation = await repository.generation_of(connection, file_id)
        revision, throttle = await repository.file_throttle(connection, file_id)
        unchanged = generation == applicant.case_file.generation
        if not unchanged or not throttle.admits_request(now, limits):
            return
        await repository.replace_file_throttle(connection, file_id, revision, throttle.request(now))
        await repository.put_credential(connection, replace(credential, slot=Slot.PENDING))
        until = last_day(now, self._settings.provisional_validity_months)
        text = written_into(PROVISIONAL_TEXT % until.strftime("%d/%m/%Y"), provisional)
        await self._outbox.put(
            connection, file_id, MessageKind.SECRET, applicant.destination, text, now
        )
        detail = {"way": applicant.destination.way.value}
        await self._trail.append(connection, Act.LOST_PASSWORD, source, now, file_id, detail)

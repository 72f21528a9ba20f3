"""Asking for a provisional password without being in. It tells nothing and revokes nothing: the
provisional is pending until it is used."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.authentication import Callers
from auth_core.credentials import Credential, is_day_month_of
from auth_core.delivery import addresses
from auth_core.delivery.outbox import Destination, MessageKind
from auth_core.hash_pool import HashPool
from auth_core.issuing import Issuer, Provisional
from auth_core.model import CaseFile, Channel, DeliveryChoice, Identity, Slot, Source
from auth_core.notices import Notices
from auth_core.settings import AuthSettings
from auth_core.store import repository, throttles
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asked for a provisional, when they may have one: the file, its live secret, the way."""

    case_file: CaseFile
    live: Credential | None
    destination: Destination


class LostPassword:
    """Serves requests for a provisional password, or does not, all alike."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        pool: HashPool,
        issuer: Issuer,
        notices: Notices,
        trail: AuditTrail,
        callers: Callers,
        tempo: Tempo,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._pool = pool
        self._issuer = issuer
        self._notices = notices
        self._trail = trail
        self._callers = callers
        self._tempo = tempo
        self._clock = clock

    async def request(
        self, identity: Identity, birth_day_month: str, by: DeliveryChoice, source: Source
    ) -> None:
        """Send a pending provisional to the owner, if the request may be served.

        Nothing tells whether it was: not the answer, not its time (`failure_floor` seconds at
        least, and a hash whatever the file), not anything written on a file.

        Raises `Overloaded`, before anything is charged, when too many wait for their hash.
        """
        self._pool.check_room()
        begun = self._tempo.begin()
        now = self._clock()
        if not await self._database.run(
            lambda connection: self._charge_caller(connection, source, now)
        ):
            # No hash: one who asks without end would have everybody's threads. It tells of no file.
            await self._tempo.reach_floor(begun)
            return
        asker = await self._database.run(
            lambda connection: self._admit(connection, identity, birth_day_month, by, now)
        )
        if asker is None:
            await self._issuer.draw(None, Slot.PENDING, now)
        else:
            new = await self._issuer.draw(asker.case_file, Slot.PENDING, now, asker.live)
            await self._database.run(lambda connection: self._issue(connection, asker, new, source))
        await self._tempo.reach_floor(begun)

    async def _admit(
        self,
        connection: AsyncConnection,
        identity: Identity,
        birth_day_month: str,
        by: DeliveryChoice,
        now: datetime,
    ) -> _Asker | None:
        """None when the request may not be served, for whatever reason."""
        case_file = await repository.find_file(connection, identity)
        if case_file is None or case_file.closed_at is not None:
            return None
        case_file = await repository.with_people(connection, case_file)
        owner = case_file.beneficiary
        if owner is None or not is_day_month_of(birth_day_month, owner.birth_date):
            return None
        _, throttle = await throttles.file_throttle(connection, case_file.id)
        quarantine = self._settings.mobile_quarantine
        destination = addresses.for_secret(case_file, owner, by, now, quarantine)
        if destination is None or not throttle.admits_request(now, self._settings.lost_password):
            return None
        held = await repository.credentials_of(connection, case_file.id)
        return _Asker(case_file, held.get(Slot.LIVE), destination)

    async def _charge_caller(
        self, connection: AsyncConnection, source: Source, now: datetime
    ) -> bool:
        """Charge the request to the caller; False when they have asked or failed too often."""
        caller, by_telephone = self._callers.of(source), source.channel is Channel.TELEPHONE
        if caller is None or (by_telephone and not source.caller):
            return True  # numbers that are withheld share one throttle, which limits nobody
        limits = self._settings.lost_password
        per_day = limits.per_caller_per_day if by_telephone else limits.per_address_per_day
        revision, throttle = await throttles.caller_throttle(connection, caller, now)
        admitted = not throttle.busy(now) and throttle.admits_request(now, per_day)
        throttle = throttle.request(now, per_day)
        await throttles.replace_caller_throttle(connection, caller, revision, throttle, now)
        return admitted

    async def _issue(
        self, connection: AsyncConnection, asker: _Asker, new: Provisional, source: Source
    ) -> None:
        """The pending provisional and its message, in one transaction; nothing when the file
        changed or another request was served meanwhile."""
        file_id, now = new.credential.file_id, new.credential.created_at
        limits = self._settings.lost_password
        generation = await repository.generation_of(connection, file_id)
        revision, throttle = await throttles.file_throttle(connection, file_id)
        unchanged = generation == asker.case_file.generation
        if not unchanged or not throttle.admits_request(now, limits):
            return
        await throttles.replace_file_throttle(connection, file_id, revision, throttle.request(now))
        await repository.put_credential(connection, new.credential)
        await self._issuer.send(connection, new, asker.destination)
        await self._notices.tell_former_number(
            connection, asker.case_file, MessageKind.SECRET_REQUESTED, now
        )
        detail = {"way": asker.destination.way.value}
        await self._trail.append(connection, Act.LOST_PASSWORD, source, now, file_id, detail)

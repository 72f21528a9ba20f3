"""The Python face of the core: what every channel uses, and nothing else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from auth_core import cafs, entitlements
from auth_core.authentication import Authenticator, Callers
from auth_core.credentials import Hasher, Secret
from auth_core.delivery.outbox import Outbox
from auth_core.entitlements import Availability, Service
from auth_core.errors import AuthError, NotEntitled, SessionEnded, UnknownFile
from auth_core.installation import OUTBOX_KEY, PEPPER, checked_key
from auth_core.keys import Keyring
from auth_core.lifecycle import CreationResult, Lifecycle
from auth_core.model import (
    CaseFile,
    Channel,
    DeliveryChoice,
    Identity,
    Payment,
    RequestKind,
    RequestProgress,
    SecretKind,
    Session,
    Slot,
    Source,
    Verdict,
    masked,
)
from auth_core.references import References
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditEntry, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo
from auth_core.throttle import Bucket
from auth_core.validity import PARIS

SHOWN_ENTRIES = 50
"""So many entries of a file's story are shown at once."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SecretState:
    """A stored secret as an agent may see it."""

    slot: Slot
    kind: SecretKind
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class FileStory:
    """A file as a back-office agent may see it. `locked_until`: while a lock runs, by whose tries
    it shut; `entries`: the latest, newest first."""

    case_file: CaseFile
    secrets: tuple[SecretState, ...]
    failures: int
    locked_until: tuple[tuple[Bucket, datetime], ...]
    entries: tuple[AuditEntry, ...]


class AuthService:
    """Who may come in, and what they may do. Made by `open`, ended by `close`."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        pepper: Keyring,
        outbox_key: Keyring,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        monotonic: Callable[[], float],
    ) -> None:
        """Use `open`, which checks what is given here."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._hasher = Hasher(pepper, settings.argon2, settings.hash_threads)
        self._trail = AuditTrail(pepper)
        self._outbox = Outbox(outbox_key)
        self._references = References(pepper, self._trail)
        tempo, callers = Tempo(settings.failure_floor, sleep, monotonic), Callers(pepper)
        self._authenticator = Authenticator(
            settings, database, self._hasher, self._trail, callers, tempo, clock
        )
        self._lifecycle = Lifecycle(
            settings,
            database,
            self._hasher,
            self._authenticator,
            self._outbox,
            self._trail,
            callers,
            tempo,
            clock,
        )

    @classmethod
    async def open(
        cls,
        settings: AuthSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> "AuthService":
        """Connect and check. Raises AuthError, one clear line: no database or an old one, a pepper
        or outbox key that is missing, readable by others, or not the one of this database."""
        database = Database(settings.database_url)
        try:
            await database.check_schema()
            pepper = await checked_key(database, PEPPER, settings.pepper_file)
            outbox_key = await checked_key(database, OUTBOX_KEY, settings.outbox_key_file)
        except BaseException:
            await database.close()
            raise
        return cls(
            settings,
            database,
            pepper,
            outbox_key,
            clock=clock,
            sleep=sleep,
            monotonic=monotonic,
        )

    async def close(self) -> None:
        """Let go of the database and the hashing threads."""
        self._hasher.close()
        await self._database.close()

    async def authenticate(self, identity: Identity, secret: Secret, source: Source) -> Verdict:
        """Whether `secret` opens the file: granted with a session, expired, or refused.

        Every refusal is the same value after the same time, whatever was wrong; a try is charged
        before it is judged, so that abandoning it gains nothing.
        """
        return await self._authenticator.authenticate(identity, secret, source)

    async def request_lost_password(
        self, identity: Identity, birth_day_month: str, by: DeliveryChoice, source: Source
    ) -> None:
        """Ask for a provisional password to be sent to the owner; `birth_day_month` is JJMM.

        Returns the same, after the same time, whatever happened. The secret in force goes on
        working until the provisional is used.
        """
        await self._lifecycle.request_lost_password(identity, birth_day_month, by, source)

    async def create_password(
        self, identity: Identity, present: Secret, new: Secret, source: Source
    ) -> CreationResult:
        """Replace the present secret by a chosen password, at once and on every channel.

        Raises AuthError on the telephone, where this does not exist.
        """
        return await self._lifecycle.create_password(identity, present, new, source)

    async def payments(self, session: Session, limit: int = 3) -> list[Payment]:
        """The last payments, newest first; none for an applicant. Raises SessionEnded."""
        await self._check(session)
        if self.availability(session, Service.PAYMENTS) is not Availability.AVAILABLE:
            return []
        async with self._database.begin() as connection:
            return await repository.payments_of(connection, session.file_id, limit)

    async def requests(self, session: Session) -> list[RequestProgress]:
        """The requests of the file, newest first. Raises SessionEnded, NotEntitled."""
        await self._require(session, Service.REQUESTS)
        async with self._database.begin() as connection:
            return await repository.requests_of(connection, session.file_id)

    async def request_certificate(self, session: Session) -> None:
        """Ask for a certificate by letter. Raises SessionEnded, NotEntitled (applicants)."""
        await self._require(session, Service.CERTIFICATE)
        now = self._clock()
        source = Source(session.channel)
        async with self._database.begin() as connection:
            await repository.add_request(
                connection, session.file_id, RequestKind.CERTIFICATE, now.astimezone(PARIS).date()
            )
            await self._trail.append(
                connection, Act.CERTIFICATE_REQUESTED, source, now, session.file_id
            )

    async def transfer_reference(self, session: Session) -> str:
        """What a transferred call carries in place of Caf and matricule: a random text that an
        advisor may redeem once, within 10 minutes. Raises SessionEnded."""
        await self._check(session)
        now, source = self._clock(), Source(session.channel)
        async with self._database.begin() as connection:
            return await self._references.issue(connection, session, source, now)

    async def redeem_reference(self, reference: str, agent: str) -> Identity | None:
        """Whose file a transferred call is about, for a named advisor; None when the reference is
        unknown, used before or too old. Raises AuthError when nobody is named."""
        now, source = self._clock(), _back_office(agent)
        async with self._database.begin() as connection:
            return await self._references.redeem(connection, reference, source, now)

    def availability(self, session: Session, service: Service) -> Availability:
        """What this session may do with `service`."""
        return entitlements.availability(session, service)

    def caf_of(self, postal_code: str) -> str | None:
        """The Caf (3 digits) that serves a postal code (5 digits); None when there is none."""
        return cafs.caf_of(postal_code, self._settings.caf_overrides)

    async def show(self, identity: Identity, agent: str) -> FileStory:
        """A file's state and story, for a named back-office agent. Raises UnknownFile."""
        now = self._clock()
        source = _back_office(agent)
        async with self._database.begin() as connection:
            case_file = await repository.find_file(connection, identity)
            if case_file is None:
                raise _unknown(identity)
            case_file = await repository.with_people(connection, case_file)
            held = await repository.credentials_of(connection, case_file.id)
            _, throttle = await repository.file_throttle(connection, case_file.id)
            await self._trail.append(connection, Act.SHOWN, source, now, case_file.id)
            entries = await self._trail.of_file(connection, case_file.id, SHOWN_ENTRIES)
        ends = [(b, throttle.locked_until(b, self._settings)) for b in Bucket]
        return FileStory(
            case_file,
            tuple(SecretState(c.slot, c.kind, c.created_at, c.expires_at) for c in held.values()),
            len(throttle.tries),
            tuple((bucket, end) for bucket, end in ends if end is not None and end > now),
            tuple(entries),
        )

    async def unlock(self, identity: Identity, agent: str) -> None:
        """End the locks of a file, for a named back-office agent. Raises UnknownFile, and AuthError
        when too many failures in a row have shut its secret: only a provisional opens it then."""
        now = self._clock()
        async with self._database.begin() as connection:
            case_file = await repository.find_file(connection, identity)
            if case_file is None:
                raise _unknown(identity)
            held = await repository.credentials_of(connection, case_file.id)
            revision, throttle = await repository.file_throttle(connection, case_file.id)
            live = held.get(Slot.LIVE)
            if live is not None and throttle.refuses_live(live.kind, self._settings):
                raise AuthError(
                    f"{len(throttle.tries)} failures in a row have shut this secret; "
                    "send a provisional password instead"
                )
            await repository.replace_file_throttle(
                connection, case_file.id, revision, throttle.reset()
            )
            await self._trail.append(
                connection, Act.UNLOCKED, _back_office(agent), now, case_file.id
            )

    async def verify_audit(self) -> int | None:
        """The number of the first audit entry that is not as it was written; None: all are."""
        async with self._database.begin() as connection:
            return await self._trail.first_broken(connection)

    async def _check(self, session: Session) -> None:
        async with self._database.begin() as connection:
            generation = await repository.generation_of(connection, session.file_id)
        if generation != session.generation:
            raise SessionEnded("the secret of this session has been replaced since")

    async def _require(self, session: Session, service: Service) -> None:
        await self._check(session)
        if self.availability(session, service) is not Availability.AVAILABLE:
            raise NotEntitled(f"{service.value} is not open to this session")


def _back_office(agent: str) -> Source:
    if not agent.strip():
        raise AuthError("a back-office act needs the name of an agent")
    return Source(Channel.BACK_OFFICE, agent=agent.strip())


def _unknown(identity: Identity) -> UnknownFile:
    return UnknownFile(f"no file {masked(identity.matricule)} at Caf {identity.caf}")

"""The Python face of the core: what every channel uses, and nothing else."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from auth_core import cafs, entitlements, story
from auth_core.app_tokens import AppTokens
from auth_core.authentication import Authenticator, Callers
from auth_core.clients import Clients
from auth_core.credentials import Hasher, Secret, objections_while_typing
from auth_core.delivery.outbox import Outbox
from auth_core.delivery.texts import Texts
from auth_core.entitlements import Availability, Service
from auth_core.errors import AuthError, NotEntitled, SessionEnded, UnknownFile
from auth_core.hash_pool import HashFigures
from auth_core.idempotency import Idempotency
from auth_core.installation import OUTBOX_KEY, PEPPER, checked_key
from auth_core.issuing import Issuer
from auth_core.keys import Keyring
from auth_core.lifecycle.acts import BackOffice, Nims, Separation, Transfer
from auth_core.lifecycle.creation import CreationResult, PasswordCreation
from auth_core.lifecycle.expiry import Expiry, ExpiryReport
from auth_core.lifecycle.loss import LostPassword
from auth_core.lifecycle.registration import Registration
from auth_core.logins import LoginTally
from auth_core.model import (
    Application,
    Channel,
    DeliveryChoice,
    Identity,
    Payment,
    RequestKind,
    RequestProgress,
    Role,
    Session,
    Slot,
    Source,
    Verdict,
)
from auth_core.notices import Notices
from auth_core.references import References
from auth_core.rules import Reason
from auth_core.settings import AuthSettings
from auth_core.store import repository, throttles
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.story import FileStory
from auth_core.tally import AuthTally
from auth_core.tempo import Tempo
from auth_core.validity import PARIS


def utc_now() -> datetime:
    return datetime.now(UTC)


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
        self._trail = trail = AuditTrail(pepper)
        self._hasher = hasher = Hasher(
            pepper, settings.argon2, settings.threads_for_hashes, settings.hash_queue
        )
        self._references = References(pepper, trail)
        outbox, texts = Outbox(outbox_key), Texts.load()
        issuer = Issuer(settings, hasher, outbox, texts)
        notices = Notices(settings, outbox, texts)
        tempo = Tempo(settings.failure_floor, sleep, monotonic)
        callers = Callers(pepper, settings.addresses.allow)
        self._authenticator = Authenticator(
            settings, database, hasher, trail, callers, notices, tempo, clock
        )
        self._creation = PasswordCreation(
            settings, database, hasher, self._authenticator, notices, trail, clock
        )
        self._loss = LostPassword(
            settings, database, hasher.pool, issuer, notices, trail, callers, tempo, clock
        )
        self._registration = Registration(database, issuer, notices, trail, pepper, tempo, clock)
        self._back_office = BackOffice(settings, database, issuer, notices, trail, clock)
        self._expiry = Expiry(settings, database, notices, trail, clock)
        self.app_tokens = AppTokens(settings.app_tokens, database, pepper, clock)
        self.clients = Clients(database, pepper, trail, clock)
        self.idempotency = Idempotency(database, pepper, clock)
        self._telephone_logins = LoginTally(database, trail, Channel.TELEPHONE)

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

    async def check_database(self) -> None:
        """Raise AuthError, one clear line, unless the database answers just now."""
        await self._database.check_reachable()

    @property
    def hashing(self) -> HashFigures:
        """What hashing does just now and did so far."""
        return self._hasher.pool.figures

    async def telephone_logins(self) -> Mapping[str, int]:
        """Today's logins by telephone, by outcome (`LoginTally.today`). Raises SQLAlchemyError."""
        return await self._telephone_logins.today(self._clock())

    @property
    def tally(self) -> AuthTally:
        """What authentication adds up to so far, in this process."""
        return self._authenticator.tally

    async def authenticate(
        self,
        identity: Identity,
        secret: Secret,
        source: Source,
        birth_day_month: str | None = None,
    ) -> Verdict:
        """Whether `secret` opens the file: granted with a session, expired, or refused.
        `birth_day_month`: JJMM of the owner, where a channel asks for it too (web, app, kiosk).

        Raises `Overloaded` where nothing was judged or charged, for want of room.

        Every refusal is the same value after the same time, whatever was wrong; a try is charged
        before it is judged, so that abandoning it gains nothing.
        """
        return await self._authenticator.authenticate(identity, secret, source, birth_day_month)

    async def request_lost_password(
        self, identity: Identity, birth_day_month: str, by: DeliveryChoice, source: Source
    ) -> None:
        """Ask for a provisional password to be sent to the owner; `birth_day_month` is JJMM.

        Returns the same, after the same time, whatever happened. The secret in force goes on
        working until the provisional is used. Raises `Overloaded` where nothing was looked at or
        charged, for want of room.
        """
        self.tally.lost_passwords[source.channel] += 1
        await self._loss.request(identity, birth_day_month, by, source)

    async def create_password(
        self,
        identity: Identity,
        present: Secret,
        new: Secret,
        source: Source,
        birth_day_month: str | None = None,
    ) -> CreationResult:
        """Replace the present secret by a chosen password, at once and on every channel; who did it
        stays in, with a new session. `birth_day_month`: as for `authenticate`.

        Raises AuthError on the telephone, where this does not exist, and TooManyRefusals (10 in a
        session, that is with one `source.reference`, and 20 a day).
        """
        return await self._creation.create(identity, present, new, source, birth_day_month)

    async def check_password(
        self, identity: Identity, candidate: Secret, source: Source
    ) -> tuple[Reason, ...]:
        """Every reason of the rules that need no hash against a password of this file; for those
        only who are in, and for agents. Raises UnknownFile, TooManyRefusals."""
        return await self._creation.check(identity, candidate, source)

    def objections_while_typing(self, candidate: Secret) -> tuple[Reason, ...]:
        """What may be told of a password before it is submitted: identical or successive digits.
        It needs no file and counts as no refusal."""
        return objections_while_typing(candidate)

    async def register(self, application: Application, source: Source) -> None:
        """Give a first applicant a file: a matricule and a provisional password, in two messages.

        Returns the same, after the same time, when they are known already: then nothing is done,
        and the back office looks at it. From the back office the application is on paper and both
        messages are letters. Raises AuthError on the telephone and for an incomplete application.
        """
        await self._registration.register(application, source)

    async def check(self, session: Session) -> None:
        """Raise SessionEnded when the secret of the session was replaced or its file closed since;
        for each request of a session that reads nothing here."""
        await self._check(session)

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

    def must_create_password(self, session: Session) -> bool:
        """Whether this session is good for nothing but creating a password."""
        return entitlements.must_create_password(session)

    def caf_of(self, postal_code: str) -> str | None:
        """The Caf (3 digits) that serves a postal code (5 digits); None when there is none."""
        return cafs.caf_of(postal_code, self._settings.caf_overrides)

    def identity_of(self, postal_code: str, matricule: str) -> Identity:
        """What a postal code and a matricule name. Who gives a postal code that there is not is as
        unknown as who gives a matricule that there is not."""
        return Identity(self.caf_of(postal_code) or cafs.NOWHERE, matricule)

    async def show(self, identity: Identity, agent: str) -> FileStory:
        """A file's state and story, for a named back-office agent. Raises UnknownFile."""
        now = self._clock()
        source = _back_office(agent)
        async with self._database.begin() as connection:
            return await story.tell(connection, identity, source, now, self._settings, self._trail)

    async def unlock(self, identity: Identity, agent: str) -> None:
        """End the locks of a file, for a named back-office agent. Raises UnknownFile, and AuthError
        when too many failures in a row have shut its secret: only a provisional opens it then."""
        now = self._clock()
        async with self._database.begin() as connection:
            case_file = await repository.find_file(connection, identity)
            if case_file is None:
                raise UnknownFile.named(identity)
            held = await repository.credentials_of(connection, case_file.id)
            revision, throttle = await throttles.file_throttle(connection, case_file.id)
            live = held.get(Slot.LIVE)
            if live is not None and throttle.refuses_live(live.kind, self._settings):
                raise AuthError(
                    f"{len(throttle.tries)} failures in a row have shut this secret; "
                    "send a provisional password instead"
                )
            await throttles.replace_file_throttle(
                connection, case_file.id, revision, throttle.reset()
            )
            await self._trail.append(
                connection, Act.UNLOCKED, _back_office(agent), now, case_file.id
            )

    async def nims(self, identity: Identity, agent: str) -> None:
        """Replace the secret at once by a provisional, sent to its owner. Raises UnknownFile, and
        AuthError for a closed file or an owner who cannot be reached."""
        await self._back_office.replace_secret(identity, Nims(), _back_office(agent))

    async def separate(self, identity: Identity, keeper: Role, agent: str) -> None:
        """The couple separates and `keeper` (beneficiary or spouse) keeps the file: the secret is
        replaced at once by a provisional, which goes to a mobile of theirs, else to their address.
        Raises as `nims`, and AuthError when the file has no such person."""
        await self._back_office.replace_secret(identity, Separation(keeper), _back_office(agent))

    async def transfer(
        self, identity: Identity, caf: str, agent: str, matricule: str | None = None
    ) -> Identity:
        """Move the file to another Caf: the new matricule (drawn unless given) and a provisional go
        to its owner in two messages, failures go on counting, and the identity it had is unknown
        from then on, and never given again. Raises as `nims`, and AuthError for a matricule that is
        or was another file's."""
        change = Transfer(caf, matricule)
        moved = await self._back_office.replace_secret(identity, change, _back_office(agent))
        return moved.identity

    async def affiliate(self, identity: Identity, agent: str) -> None:
        """Open every service to an applicant; the secret stays, the services open at the next
        login. Raises UnknownFile, AuthError when closed."""
        await self._back_office.affiliate(identity, _back_office(agent))

    async def close_file(self, identity: Identity, agent: str) -> None:
        """Close the file (closure, death): every secret is revoked, none can be asked for. Raises
        UnknownFile, AuthError when closed before."""
        await self._back_office.close(identity, _back_office(agent))

    async def expire(self, agent: str) -> ExpiryReport:
        """Tell owners whose password ends within 30 days, each once; erase pending provisionals
        that have passed their date. For a daily task; again does no harm."""
        return await self._expiry.run(_back_office(agent))

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

"""The worker that empties the outbox: claims what is due, sends it, settles it.

It may be killed at any point. What it held becomes due again when its claim lapses, under the same
id: the gateway knows it again, a letter is the same file.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from secrets import SystemRandom

import structlog
from sqlalchemy.exc import SQLAlchemyError

from auth_core.credentials import Hasher
from auth_core.delivery.letters import Letter, LetterError, LetterTray
from auth_core.delivery.outbox import MessageState, Outbox
from auth_core.delivery.queue import HOUR, Backlog, Claim, Queue, Survey
from auth_core.delivery.renewal import Burial, Renewal
from auth_core.delivery.settings import DeliverySettings
from auth_core.delivery.sms import SmsError, SmsGateway, gateway
from auth_core.delivery.texts import Texts, objection
from auth_core.errors import AuthError
from auth_core.installation import OUTBOX_KEY, PEPPER, checked_key
from auth_core.issuing import Issuer
from auth_core.model import DeliveryChoice
from auth_core.notices import Notices
from auth_core.settings import AuthSettings
from auth_core.store.audit import AuditTrail
from auth_core.store.database import Database

log = structlog.get_logger(__name__)

LETTERS_AT_ONCE = 50
DEAD_SHOWN = 100
_RANDOM = SystemRandom()
_GONE = (MessageState.CANCELLED, MessageState.ACKNOWLEDGED, None)


@dataclass(slots=True)
class Report:
    """What became of messages. `replaced`: of the dead, those that a letter follows; `capped`:
    passes that stopped at the hourly cap; `late`: letters that have waited too long."""

    sms: int = 0
    letters: int = 0
    retried: int = 0
    dead: int = 0
    replaced: int = 0
    capped: int = 0
    late: int = 0

    @property
    def empty(self) -> bool:
        return not any(asdict(self).values())

    def add(self, other: "Report") -> None:
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


class DeliveryWorker:
    """Delivers what is due. `totals`: since it began; `alarms`: how often each was raised;
    `backlog`: what was left after the last pass."""

    def __init__(
        self,
        settings: DeliverySettings,
        queue: Queue,
        outbox: Outbox,
        sms: SmsGateway,
        tray: LetterTray,
        texts: Texts,
        renewal: Renewal,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._outbox = outbox
        self._sms = sms
        self._tray = tray
        self._texts = texts
        self._renewal = renewal
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._told: dict[str, datetime] = {}
        self._indexes_whole = False
        self.totals = Report()
        self.alarms: Counter[str] = Counter()
        self.backlog: Sequence[Backlog] = ()

    async def survey(self) -> Survey:
        """What the outbox holds. Raises SQLAlchemyError."""
        return await self._queue.survey(DEAD_SHOWN)

    async def retry(self, message_id: str, agent: str) -> bool:
        """Write a letter in place of a dead message (`Renewal.retry`). Raises SQLAlchemyError."""
        return await self._renewal.retry(message_id, agent)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; what is being sent then is finished."""
        while not stop.is_set():
            try:
                await self.deliver_due(stop)
            except (SQLAlchemyError, OSError) as error:
                self._alarm("delivery_broken", reason=type(error).__name__)
            await self._pause(stop)

    async def deliver_due(self, stop: asyncio.Event | None = None) -> Report:
        """Try once everything that is due now. Raises SQLAlchemyError, OSError."""
        report, now = Report(), self._clock()
        try:
            sms, letters = await asyncio.gather(
                self._deliver_sms(now, stop, report),
                self._deliver_letters(now, stop, report),
                return_exceptions=True,
            )
            _raise_first((sms, letters))
            late = timedelta(hours=self._settings.letters.late_hours)
            report.late = await self._queue.late_letters(now, late)
            self.backlog = await self._queue.backlog(now)
        finally:
            self.totals.add(report)
        if report.late:
            self._alarm("letters_late", letters=report.late)
        return report

    async def _pause(self, stop: asyncio.Event) -> None:
        waits = (
            asyncio.ensure_future(self._sleep(self._settings.poll)),
            asyncio.ensure_future(stop.wait()),
        )
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _deliver_sms(self, now: datetime, stop: asyncio.Event | None, report: Report) -> None:
        cap, page = self._settings.sms.per_hour, self._settings.sms.concurrency
        while not _is_set(stop):
            ids = await self._queue.due(DeliveryChoice.SMS, now, page)
            if not ids:
                return
            tried = await self._queue.tried_within_the_hour(DeliveryChoice.SMS, self._clock())
            if tried >= cap:
                report.capped += 1
                self._alarm("sms_cap_reached", per_hour=cap)
                return
            claimed = await asyncio.gather(
                *(self._deliver_one_sms(message_id, report) for message_id in ids[: cap - tried]),
                return_exceptions=True,
            )
            _raise_first(claimed)
            if not any(claimed):
                return

    async def _deliver_one_sms(self, message_id: str, report: Report) -> bool:
        """False when another worker has it."""
        claim = await self._claim(message_id)
        if claim is None:
            return False
        text = await self._text(claim, report)
        if text is None:
            return True
        try:
            await self._sms.send(message_id, claim.message.destination.address, text)
        except SmsError as error:
            log.warning("sms not taken", message=message_id, why=str(error), tries=claim.attempts)
            if error.refused or claim.attempts >= self._settings.tries:
                await self._bury(claim, report)
            else:
                await self._retry(claim, report, error.retry_after)
            return True
        await self._queue.settle(message_id, self._clock())
        report.sms += 1
        log.info("sms sent", message=message_id, kind=claim.message.kind.value)
        return True

    async def _deliver_letters(
        self, now: datetime, stop: asyncio.Event | None, report: Report
    ) -> None:
        try:
            while not _is_set(stop):
                ids = await self._queue.due(DeliveryChoice.LETTER, now, LETTERS_AT_ONCE)
                claimed = [await self._deliver_one_letter(each, report) for each in ids]
                if not any(claimed):
                    return
        finally:
            # A letter may lie outside its index after a crash, whoever wrote it: also at the start.
            if report.letters or not self._indexes_whole:
                self._indexes_whole = False
                await asyncio.to_thread(self._tray.write_indexes)
                self._indexes_whole = True

    async def _deliver_one_letter(self, message_id: str, report: Report) -> bool:
        """False when another worker has it."""
        claim = await self._claim(message_id)
        if claim is None:
            return False
        text = await self._text(claim, report)
        if text is None:
            return True
        message = claim.message
        letter = Letter(
            message.id,
            message.kind,
            tuple(message.destination.address.splitlines()),
            message.created_at,
            self._texts.subject(message.kind),
            text,
        )
        try:
            await asyncio.to_thread(self._tray.put, letter)
        except LetterError as error:
            self._alarm("letter_impossible", message=message.id, why=str(error))
            await self._bury(claim, report)
            return True
        except OSError as error:
            self._alarm("letters_not_written", why=error.strerror)
            await self._retry(claim, report)
            return True
        if await self._queue.settle(message.id, self._clock()) in _GONE:
            # Cancelled, or printed from an earlier writing, while it was being written.
            await asyncio.to_thread(self._tray.remove, message.id)
            return True
        report.letters += 1
        log.info("letter written", message=message.id, kind=message.kind.value)
        return True

    async def _claim(self, message_id: str) -> Claim | None:
        lease = timedelta(seconds=self._settings.lease)
        return await self._queue.claim(message_id, self._clock(), lease)

    async def _text(self, claim: Claim, report: Report) -> str | None:
        """The text to send; None when it cannot be opened now, or must not leave."""
        try:
            text = self._outbox.open(claim.message).decode()
        except AuthError as error:
            self._alarm("message_unreadable", message=claim.message.id, why=str(error))
            await self._retry(claim, report)
            return None
        if (why := objection(claim.message.kind, text)) is not None:
            self._alarm("message_unsafe", message=claim.message.id, why=why)
            await self._bury(claim, report)
            return None
        return text

    async def _retry(self, claim: Claim, report: Report, at_least: float = 0.0) -> None:
        wait = max(at_least, self._settings.retry_after(claim.attempts, self._chance()))
        await self._queue.postpone(claim, self._clock() + timedelta(seconds=wait))
        report.retried += 1

    async def _bury(self, claim: Claim, report: Report) -> None:
        """Give a message up; a text message is followed by a letter."""
        burial = await self._renewal.bury(claim)
        if burial is Burial.NOT_OURS:
            return
        report.dead += 1
        report.replaced += burial is Burial.REPLACED
        message = claim.message
        log.error("message dead", message=message.id, kind=message.kind.value, end=burial.value)

    def _alarm(self, name: str, **details: object) -> None:
        """Count an alarm, and log it once an hour."""
        self.alarms[name] += 1
        now, told = self._clock(), self._told.get(name)
        if told is None or now - told >= HOUR:
            self._told[name] = now
            log.error(name.replace("_", " "), **details)


@asynccontextmanager
async def open_worker(
    auth: AuthSettings,
    delivery: DeliverySettings,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = _RANDOM.random,
    sms: SmsGateway | None = None,
) -> AsyncIterator[DeliveryWorker]:
    """A worker on the database that `auth` names, its gateway and its letters as `delivery` says.

    `sms`: another gateway than the configured one; closed at the end like that one. Raises
    AuthError as `AuthService.open` does, YamlFaults for a catalogue with faults.
    """
    database = Database(auth.database_url)
    try:
        await database.check_schema()
        pepper = await checked_key(database, PEPPER, auth.pepper_file)
        outbox = Outbox(await checked_key(database, OUTBOX_KEY, auth.outbox_key_file))
        texts = Texts.load()
        hasher = Hasher(pepper, auth.argon2, threads=1)
        sms = sms or gateway(delivery.sms, delivery.sms_folder)
        try:
            yield DeliveryWorker(
                delivery,
                Queue(database),
                outbox,
                sms,
                LetterTray(delivery.letter_folder, delivery.letters.sender),
                texts,
                Renewal(
                    database,
                    Issuer(auth, hasher, outbox, texts),
                    Notices(auth, outbox, texts),
                    AuditTrail(pepper),
                    clock,
                ),
                clock=clock,
                sleep=sleep,
                chance=chance,
            )
        finally:
            await sms.close()
            hasher.close()
    finally:
        await database.close()


def _is_set(stop: asyncio.Event | None) -> bool:
    return stop is not None and stop.is_set()


def _raise_first(results: Iterable[object]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result

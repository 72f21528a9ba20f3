"""Identify, give a secret, get a verdict: the one way in, for every channel.

The order is what makes it safe. The try is charged and committed before the hash; the hash is
computed whatever is known; only then a second transaction gives the try back to who was right.
Hanging up, crashing, or guessing on many channels at once gains nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import phones, succession
from auth_core.credentials import Credential, Hasher, Secret, is_day_month_of
from auth_core.delivery.outbox import MessageKind
from auth_core.keys import Keyring
from auth_core.model import (
    CaseFile,
    Channel,
    Identity,
    Outcome,
    SecretKind,
    Session,
    Slot,
    Source,
    Verdict,
)
from auth_core.notices import Notices
from auth_core.settings import AuthSettings, CallerSettings
from auth_core.store import crowds, repository, throttles
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tally import AuthTally, Throttle
from auth_core.tempo import Tempo
from auth_core.throttle import Bucket, CallerThrottle, FileThrottle
from auth_core.validity import end_of_day

_USABLE = (Slot.LIVE, Slot.PENDING)
_WITHHELD = b"withheld"
_EVERYBODY = b"everybody"
_IPV6_PREFIX = 64  # what one subscriber has

log = structlog.get_logger(__name__)


class Refusal(StrEnum):
    """Why a try is refused. Only the audit trail ever knows."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    LENGTH = "length"
    EXHAUSTED = "exhausted"
    LOCKED = "locked"
    WRONG = "wrong"
    BIRTH_DATE = "birth_date"  # not the day and month that the owner was born
    SUPERSEDED = "superseded"  # right when it was given, replaced while it was judged


@dataclass(frozen=True, slots=True)
class Callers:
    """How those who try are kept: as keyed hashes. Withheld numbers share one.

    `allow`: networks of addresses that are not limited.
    """

    pepper: Keyring
    allow: Sequence[IPv4Network | IPv6Network] = ()

    def of(self, source: Source) -> bytes | None:
        """The number or the address that tries; None where neither limits."""
        match source.channel:
            case Channel.TELEPHONE if source.caller:
                return self.pepper.digest("callers", phones.caller_key(source.caller).encode())
            case Channel.TELEPHONE:
                return self.pepper.digest("callers", _WITHHELD)
            case Channel.WEB | Channel.APP if source.address:
                network = self._network(source.address)
                return None if network is None else self.pepper.digest("addresses", network)
            case _:
                return None

    def surges_of(self, source: Source) -> dict[str, bytes]:
        """By which ways the try comes, by name: the trunk, and all together."""
        ways = {"in_all": self.pepper.digest("surges", _EVERYBODY)}
        if source.trunk:
            ways = {"per_trunk": self.pepper.digest("trunks", source.trunk.encode())} | ways
        return ways

    def device_of(self, source: Source) -> bytes | None:
        return None if not source.device else self.pepper.digest("devices", source.device.encode())

    def devices_of(self, source: Source) -> list[bytes]:
        """The device as it may be kept: with any version of the pepper."""
        return self.pepper.digests("devices", source.device.encode()) if source.device else []

    def _network(self, written: str) -> bytes | None:
        """What an address is limited by; None when it is allowed. What is no address is itself."""
        try:
            address = ip_address(written)
        except ValueError:
            return written.encode()
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.allow):
            return None
        if isinstance(address, IPv6Address):
            return str(ip_network((int(address), _IPV6_PREFIX), strict=False)).encode()
        return str(address).encode()


@dataclass(slots=True)
class _Charge:
    """What the first transaction settled. `delay`: of the answer, seconds. `number`: of the try on
    the file; None: not charged. `identified`: by what was given beside the secret, too.

    `surged`: the ways by which this try was one failure too many in a minute.

    `caller_row`, `file_row`: the throttles as it left them, with their revisions. They are used
    once: when somebody has touched them since, the conditional UPDATE says so, and what begins
    again reads them.
    """

    at: datetime
    caller: bytes | None
    busy: bool = False
    delay: float = 0.0
    case_file: CaseFile | None = None
    candidates: tuple[Credential, ...] = ()
    number: int | None = None
    refusal: Refusal = Refusal.WRONG
    identified: bool = True
    caller_row: tuple[int, CallerThrottle] | None = None
    file_row: tuple[int, FileThrottle] | None = None
    surged: list[str] = field(default_factory=list)

    def refused(self, why: Refusal) -> "_Charge":
        self.refusal = why
        return self


class Authenticator:
    """The one way in."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        hasher: Hasher,
        trail: AuditTrail,
        callers: Callers,
        notices: Notices,
        tempo: Tempo,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._hasher = hasher
        self._trail = trail
        self._callers = callers
        self._notices = notices
        self._tempo = tempo
        self._clock = clock
        self.tally = AuthTally()

    async def authenticate(
        self,
        identity: Identity,
        secret: Secret,
        source: Source,
        birth_day_month: str | None = None,
    ) -> Verdict:
        """Whether `secret` opens the file of `identity`. `birth_day_month`: JJMM of its owner,
        where that is asked for too; a wrong one fails as a wrong secret does.

        Raises `Overloaded`, before anything is charged, when too many wait for their hash.

        Every refusal is the same verdict, after the same time (`failure_floor` seconds).
        """
        self._hasher.pool.check_room()
        verdict = await self._judge(identity, secret, source, birth_day_month)
        self.tally.judged(verdict, source.channel)
        return verdict

    async def _judge(
        self, identity: Identity, secret: Secret, source: Source, birth_day_month: str | None
    ) -> Verdict:
        begun = self._tempo.begin()
        charge = await self._database.run_apart(
            lambda connection: self._charge(connection, identity, secret, source, birth_day_month)
        )
        self._count_throttle(charge)
        if charge.busy:
            await self._tempo.reach_floor(begun)
            return Verdict(Outcome.REFUSED, busy=True)
        right = await self._hasher.match(secret, charge.candidates)
        if not charge.identified:
            right = None
        renewed = None
        if right is not None and self._hasher.outdated(right):
            renewed = await self._hasher.renew(secret, right)
        verdict = await self._database.run_apart(
            lambda connection: self._settle(connection, charge, right, renewed, source)
        )
        for name in charge.surged:
            self.tally.surges[name] += 1
            log.error("surge of failures", alarm=f"failures_{name}", trunk=source.trunk)
        if verdict.outcome is Outcome.REFUSED:
            await self._tempo.reach_floor(begun)
        if charge.delay:
            await self._tempo.delay(charge.delay)
        return verdict

    def _count_throttle(self, charge: _Charge) -> None:
        throttled = self.tally.throttled
        throttled[Throttle.BUSY] += charge.busy
        throttled[Throttle.DELAYED] += charge.delay > 0
        throttled[Throttle.LOCKED] += charge.refusal in (Refusal.LOCKED, Refusal.EXHAUSTED)

    async def _charge(
        self,
        connection: AsyncConnection,
        identity: Identity,
        secret: Secret,
        source: Source,
        birth_day_month: str | None,
    ) -> _Charge:
        """Charge the try to the caller and to the file, before anything is known of the secret."""
        now = self._clock()
        charge = _Charge(now, self._callers.of(source))
        await self._charge_caller(connection, charge, source)
        if charge.busy:
            return charge
        case_file = charge.case_file = await repository.find_file(connection, identity)
        if case_file is None:
            return charge.refused(Refusal.UNKNOWN)
        if case_file.closed_at is not None:
            return charge.refused(Refusal.CLOSED)
        held = await repository.credentials_of(connection, case_file.id)
        candidates = [held[s] for s in _USABLE if s in held and secret.could_be(held[s].kind)]
        if not candidates:
            return charge.refused(Refusal.LENGTH)
        revision, throttle = await throttles.file_throttle(connection, case_file.id)
        live = held.get(Slot.LIVE)
        if live in candidates and throttle.refuses_live(live.kind, self._settings):
            candidates.remove(live)
        if throttle.refuses_pending(self._settings):
            candidates.clear()
        if not candidates:
            return charge.refused(Refusal.EXHAUSTED)
        numbers = await repository.known_numbers_of(connection, case_file.id)
        caller = phones.e164(source.caller) if source.caller else None
        known = caller is not None and any(phones.same(number, caller) for number in numbers)
        own = self._callers.devices_of(source)
        # Where they change nothing they are not looked at.
        asked = own or not numbers
        devices = await crowds.devices_of(connection, case_file.id) if asked else ()
        known = known or not set(own).isdisjoint(devices)
        bucket = Bucket.KNOWN if known else Bucket.STRANGER
        known_sources = bool(numbers or devices)
        if not throttle.admits(bucket, now, self._settings, known_sources=known_sources):
            return charge.refused(Refusal.LOCKED)
        throttle = throttle.charge(bucket, now)
        charge.file_row = await throttles.replace_file_throttle(
            connection, case_file.id, revision, throttle
        )
        charge.candidates, charge.number = tuple(candidates), throttle.charged
        if birth_day_month is not None:
            born = await repository.birth_date_of_owner(connection, case_file.id)
            charge.identified = is_day_month_of(birth_day_month, born)
        return charge if charge.identified else charge.refused(Refusal.BIRTH_DATE)

    async def _charge_caller(
        self, connection: AsyncConnection, charge: _Charge, source: Source
    ) -> None:
        now, caller = charge.at, charge.caller
        if caller is not None:
            limits = self._limits(source)
            revision, throttle = await throttles.caller_throttle(connection, caller, now)
            charge.busy = throttle.busy(now)
            if charge.busy:
                return
            if throttle.slow(now, limits):
                charge.delay = limits.slow_seconds
            withheld = source.channel is Channel.TELEPHONE and not source.caller
            throttle = throttle.charge(now, limits, withheld=withheld)
            charge.caller_row = await throttles.replace_caller_throttle(
                connection, caller, revision, throttle, now
            )
        ways = self._callers.surges_of(source)
        surges = await crowds.surges_of(connection, list(ways.values()), now)
        settings = self._settings.surges
        if any(surges[scope].slow(now, getattr(settings, way)) for way, scope in ways.items()):
            charge.delay = max(charge.delay, settings.slow_seconds)

    def _limits(self, source: Source) -> CallerSettings:
        by_telephone = source.channel is Channel.TELEPHONE
        return self._settings.callers if by_telephone else self._settings.addresses

    async def _settle(
        self,
        connection: AsyncConnection,
        charge: _Charge,
        right: Credential | None,
        renewed: Credential | None,
        source: Source,
    ) -> Verdict:
        """Give a right try back, and let it in if it may."""
        case_file = charge.case_file
        if right is None or case_file is None or charge.number is None:
            return await self._refuse(connection, charge, source, charge.refusal)
        # The caller's row before the file's, as when they were charged: nobody waits in a circle.
        await self._give_back_to_caller(connection, charge)
        expired = self._expired(right, charge.at)
        if expired:
            generation = await repository.generation_of(connection, case_file.id)
        else:
            generation = await repository.log_in(connection, case_file.id, charge.at)
        held = await repository.slots_of(connection, case_file.id)
        slot = next((s for s in _USABLE if held.get(s) == right.id), None)
        if slot is None or generation is None:
            if generation is not None and not expired:
                await repository.record_login(connection, case_file.id, case_file.last_login)
            return await self._refuse(connection, charge, source, Refusal.SUPERSEDED)
        detail = {"kind": right.kind.value, "slot": slot.value}
        left, charge.file_row = charge.file_row, None
        revision, throttle = left or await throttles.file_throttle(connection, case_file.id)
        if expired:
            await throttles.replace_file_throttle(
                connection, case_file.id, revision, throttle.give_back(charge.number)
            )
            await self._trail.append(
                connection, Act.LOGIN_EXPIRED, source, charge.at, case_file.id, detail
            )
            return Verdict(Outcome.EXPIRED, kind=right.kind, generation=generation)
        failures = sum(t.number < charge.number for t in throttle.tries)
        await throttles.replace_file_throttle(
            connection, case_file.id, revision, throttle.clear(charge.number)
        )
        device = self._callers.device_of(source)
        if device is not None:
            keep = self._settings.known_devices
            await crowds.remember_device(connection, case_file.id, device, charge.at, keep)
        if renewed is not None:
            renewed = replace(renewed, slot=slot)
        if slot is Slot.PENDING:
            stored = await repository.credentials_of(connection, case_file.id)
            generation = await succession.replace_live(connection, renewed or right, stored)
            if Slot.LIVE in held:
                known = await repository.with_people(connection, case_file)
                await self._notices.tell_owner(
                    connection, known, MessageKind.SECRET_REVOKED, charge.at
                )
        else:
            if Slot.PENDING in held:
                await succession.drop_pending(connection, case_file.id)
            if renewed is not None:
                await repository.put_credential(connection, renewed)
        await self._trail.append(
            connection, Act.LOGIN_GRANTED, source, charge.at, case_file.id, detail
        )
        session = Session(
            file_id=case_file.id,
            caf=case_file.identity.caf,
            matricule=case_file.identity.matricule,
            status=case_file.status,
            kind=right.kind,
            last_login=case_file.last_login,
            failures_since=failures,
            channel=source.channel,
            generation=generation,
        )
        return Verdict(Outcome.GRANTED, session=session, kind=right.kind)

    async def _refuse(
        self, connection: AsyncConnection, charge: _Charge, source: Source, why: Refusal
    ) -> Verdict:
        charge.surged = []
        for name, scope in self._callers.surges_of(source).items():
            surge = await crowds.charge_surge(connection, scope, charge.at)
            if surge.failures == getattr(self._settings.surges, name):
                charge.surged.append(name)
        file_id = None if charge.case_file is None else charge.case_file.id
        await self._trail.append(
            connection, Act.LOGIN_REFUSED, source, charge.at, file_id, {"reason": why.value}
        )
        return Verdict(Outcome.REFUSED)

    async def _give_back_to_caller(self, connection: AsyncConnection, charge: _Charge) -> None:
        if charge.caller is None:
            return
        left, charge.caller_row = charge.caller_row, None
        if left is None:
            left = await throttles.caller_throttle(connection, charge.caller, charge.at)
        revision, throttle = left
        await throttles.replace_caller_throttle(
            connection, charge.caller, revision, throttle.give_back(charge.at), charge.at
        )

    def _expired(self, credential: Credential, now: datetime) -> bool:
        end = credential.expires_at
        if credential.kind is SecretKind.PIN and self._settings.pin_until is not None:
            pin_end = end_of_day(self._settings.pin_until)
            end = pin_end if end is None else min(end, pin_end)
        return end is not None and now >= end

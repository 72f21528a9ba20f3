"""Identify, give a secret, get a verdict: the one way in, for every channel.

The order is what makes it safe. The try is charged and committed before the hash; the hash is
computed whatever is known; only then a second transaction gives the try back to who was right.
Hanging up, crashing, or guessing on many channels at once gains nothing.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import phones, succession
from auth_core.credentials import Credential, Hasher, Secret
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
from auth_core.store import crowds, repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo
from auth_core.throttle import Bucket
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
                return self._key("callers", phones.caller_key(source.caller).encode())
            case Channel.TELEPHONE:
                return self._key("callers", _WITHHELD)
            case Channel.WEB | Channel.APP if source.address:
                network = self._network(source.address)
                return None if network is None else self._key("addresses", network)
            case _:
                return None

    def surges_of(self, source: Source) -> list[tuple[str, bytes]]:
        """By which ways the try comes, each with its name: the trunk, and all together."""
        everybody = ("in_all", self._key("surges", _EVERYBODY))
        if not source.trunk:
            return [everybody]
        return [("per_trunk", self._key("trunks", source.trunk.encode())), everybody]

    def device_of(self, source: Source) -> bytes | None:
        return None if not source.device else self._key("devices", source.device.encode())

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

    def _key(self, use: str, name: bytes) -> bytes:
        return hmac.digest(self.pepper.derived(use), name, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class _Charge:
    """What the first transaction settled. `delay`: of the answer, seconds. `number`: of the try on
    the file; None: not charged."""

    at: datetime
    caller: bytes | None
    busy: bool = False
    delay: float = 0.0
    case_file: CaseFile | None = None
    candidates: tuple[Credential, ...] = ()
    number: int | None = None
    refusal: Refusal = Refusal.WRONG


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

    async def authenticate(self, identity: Identity, secret: Secret, source: Source) -> Verdict:
        """Whether `secret` opens the file of `identity`.

        Every refusal is the same verdict, after the same time (`failure_floor` seconds).
        """
        begun = self._tempo.begin()
        charge = await self._database.run_apart(
            lambda connection: self._charge(connection, identity, secret, source)
        )
        if charge.busy:
            await self._tempo.reach_floor(begun)
            return Verdict(Outcome.REFUSED, busy=True)
        right = await self._hasher.match(secret, charge.candidates)
        renewed = None
        if right is not None and self._hasher.outdated(right):
            renewed = await self._hasher.renew(secret, right)
        verdict = await self._database.run_apart(
            lambda connection: self._settle(connection, charge, right, renewed, source)
        )
        if verdict.outcome is Outcome.REFUSED:
            await self._tempo.reach_floor(begun)
        if charge.delay:
            await self._tempo.delay(charge.delay)
        return verdict

    async def _charge(
        self, connection: AsyncConnection, identity: Identity, secret: Secret, source: Source
    ) -> _Charge:
        """Charge the try to the caller and to the file, before anything is known of the secret."""
        now = self._clock()
        charge = await self._charge_caller(
            connection, _Charge(now, self._callers.of(source)), source
        )
        if charge.busy:
            return charge
        case_file = await repository.find_file(connection, identity)
        if case_file is None:
            return replace(charge, refusal=Refusal.UNKNOWN)
        charge = replace(charge, case_file=case_file)
        if case_file.closed_at is not None:
            return replace(charge, refusal=Refusal.CLOSED)
        held = await repository.credentials_of(connection, case_file.id)
        candidates = [held[s] for s in _USABLE if s in held and secret.could_be(held[s].kind)]
        if not candidates:
            return replace(charge, refusal=Refusal.LENGTH)
        revision, throttle = await repository.file_throttle(connection, case_file.id)
        live = held.get(Slot.LIVE)
        if live in candidates and throttle.refuses_live(live.kind, self._settings):
            candidates.remove(live)
        if throttle.refuses_pending(self._settings):
            candidates.clear()
        if not candidates:
            return replace(charge, refusal=Refusal.EXHAUSTED)
        numbers = await repository.phones_of(connection, case_file.id)
        caller = phones.e164(source.caller) if source.caller else None
        known = caller is not None and any(phones.same(n.number, caller) for n in numbers)
        devices = await crowds.devices_of(connection, case_file.id)
        known = known or self._callers.device_of(source) in devices
        bucket = Bucket.KNOWN if known else Bucket.STRANGER
        known_sources = bool(numbers or devices)
        if not throttle.admits(bucket, now, self._settings, known_sources=known_sources):
            return replace(charge, refusal=Refusal.LOCKED)
        throttle = throttle.charge(bucket, now)
        await repository.replace_file_throttle(connection, case_file.id, revision, throttle)
        return replace(charge, candidates=tuple(candidates), number=throttle.charged)

    async def _charge_caller(
        self, connection: AsyncConnection, charge: _Charge, source: Source
    ) -> _Charge:
        now, caller = charge.at, charge.caller
        if caller is not None:
            limits = self._limits(source)
            revision, throttle = await repository.caller_throttle(connection, caller, now)
            if throttle.busy(now):
                return replace(charge, busy=True)
            if throttle.slow(now, limits):
                charge = replace(charge, delay=limits.slow_seconds)
            withheld = source.channel is Channel.TELEPHONE and not source.caller
            throttle = throttle.charge(now, limits, withheld=withheld)
            await repository.replace_caller_throttle(connection, caller, revision, throttle, now)
        surges = self._settings.surges
        for name, scope in self._callers.surges_of(source):
            surge = await crowds.surge(connection, scope, now)
            if surge.slow(now, getattr(surges, name)):
                charge = replace(charge, delay=max(charge.delay, surges.slow_seconds))
        return charge

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
        generation = await repository.generation_of(connection, case_file.id)
        held = await repository.credentials_of(connection, case_file.id)
        right = next((held[s] for s in _USABLE if s in held and held[s].id == right.id), None)
        if right is None or generation is None:
            return await self._refuse(connection, charge, source, Refusal.SUPERSEDED)
        detail = {"kind": right.kind.value, "slot": right.slot.value}
        revision, throttle = await repository.file_throttle(connection, case_file.id)
        if self._expired(right, charge.at):
            await repository.replace_file_throttle(
                connection, case_file.id, revision, throttle.give_back(charge.number)
            )
            await self._trail.append(
                connection, Act.LOGIN_EXPIRED, source, charge.at, case_file.id, detail
            )
            return Verdict(Outcome.EXPIRED, kind=right.kind)
        failures = sum(t.number < charge.number for t in throttle.tries)
        await repository.replace_file_throttle(
            connection, case_file.id, revision, throttle.clear(charge.number)
        )
        await repository.record_login(connection, case_file.id, charge.at)
        device = self._callers.device_of(source)
        if device is not None:
            keep = self._settings.known_devices
            await crowds.remember_device(connection, case_file.id, device, charge.at, keep)
        if renewed is not None:
            renewed = replace(renewed, slot=right.slot)
        if right.slot is Slot.PENDING:
            generation = await succession.replace_live(connection, renewed or right, held)
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
        for name, scope in self._callers.surges_of(source):
            surge = await crowds.charge_surge(connection, scope, charge.at)
            if surge.failures == getattr(self._settings.surges, name):
                log.error("surge of failures", alarm=f"failures_{name}", trunk=source.trunk)
        file_id = None if charge.case_file is None else charge.case_file.id
        await self._trail.append(
            connection, Act.LOGIN_REFUSED, source, charge.at, file_id, {"reason": why.value}
        )
        return Verdict(Outcome.REFUSED)

    async def _give_back_to_caller(self, connection: AsyncConnection, charge: _Charge) -> None:
        if charge.caller is None:
            return
        revision, throttle = await repository.caller_throttle(connection, charge.caller, charge.at)
        await repository.replace_caller_throttle(
            connection, charge.caller, revision, throttle.give_back(charge.at), charge.at
        )

    def _expired(self, credential: Credential, now: datetime) -> bool:
        end = credential.expires_at
        if credential.kind is SecretKind.PIN and self._settings.pin_until is not None:
            pin_end = end_of_day(self._settings.pin_until)
            end = pin_end if end is None else min(end, pin_end)
        return end is not None and now >= end

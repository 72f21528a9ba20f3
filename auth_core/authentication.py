"""Identify, give a secret, get a verdict: the one way in, for every channel.

The order is what makes it safe. The try is charged and committed before the hash; the hash is
computed whatever is known; only then a second transaction gives the try back to who was right.
Hanging up, crashing, or guessing on many channels at once gains nothing.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import phones, succession
from auth_core.credentials import Credential, Hasher, Secret
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
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo
from auth_core.throttle import Bucket
from auth_core.validity import end_of_day

_USABLE = (Slot.LIVE, Slot.PENDING)
_WITHHELD = b"withheld"


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
    """How a caller's number is kept: as a keyed hash. Withheld numbers share one."""

    pepper: Keyring

    def of(self, source: Source) -> bytes | None:
        """None for who does not call by telephone."""
        if source.channel is not Channel.TELEPHONE:
            return None
        number = _WITHHELD if not source.caller else phones.caller_key(source.caller).encode()
        return hmac.digest(self.pepper.derived("callers"), number, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class _Charge:
    """What the first transaction settled. `number`: of the try on the file; None: not charged."""

    at: datetime
    caller: bytes | None
    busy: bool = False
    slow: bool = False
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
        tempo: Tempo,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._hasher = hasher
        self._trail = trail
        self._callers = callers
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
        if charge.slow:
            await self._tempo.delay(self._settings.callers.slow_seconds)
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
        bucket = Bucket.KNOWN if known else Bucket.STRANGER
        if not throttle.admits(bucket, now, self._settings, known_sources=bool(numbers)):
            return replace(charge, refusal=Refusal.LOCKED)
        throttle = throttle.charge(bucket, now)
        await repository.replace_file_throttle(connection, case_file.id, revision, throttle)
        return replace(charge, candidates=tuple(candidates), number=throttle.charged)

    async def _charge_caller(
        self, connection: AsyncConnection, charge: _Charge, source: Source
    ) -> _Charge:
        if charge.caller is None:
            return charge
        now, limits = charge.at, self._settings.callers
        revision, throttle = await repository.caller_throttle(connection, charge.caller, now)
        if throttle.busy(now):
            return replace(charge, busy=True)
        slow = throttle.slow(now, limits)
        throttle = throttle.charge(now, limits, withheld=not source.caller)
        await repository.replace_caller_throttle(connection, charge.caller, revision, throttle, now)
        return replace(charge, slow=slow)

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
        if renewed is not None:
            renewed = replace(renewed, slot=right.slot)
        if right.slot is Slot.PENDING:
            generation = await succession.replace_live(connection, renewed or right, held)
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

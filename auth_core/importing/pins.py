"""PINs of files that are here already, from a sealed file (`auth_core.importing.sealed`).

A chunk of the file is one transaction, which also says how far the import has come: killed at any
point and run again, it goes on there. A file that holds any secret keeps it, whatever the old
system says: a password, once there, has ended the PIN for ever.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.credentials import Credential, Hasher, Secret
from auth_core.errors import AuthError
from auth_core.importing import sealed
from auth_core.importing.rows import RowFault
from auth_core.installation import PEPPER, checked_key
from auth_core.keys import Keyring, read_key_file
from auth_core.model import Channel, Identity, SecretKind, Slot, Source
from auth_core.settings import AuthSettings
from auth_core.store import repository, tables
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

_CAF_DIGITS, _MATRICULE_DIGITS = 3, 7


class PinFault(StrEnum):
    """Why a record is left out."""

    MALFORMED = "give caf;matricule;pin: 3, 7 and 4 digits"
    DUPLICATE = "this file was named before; the first record counts"
    UNKNOWN = "no file has this Caf and matricule; import the case files first"
    CLOSED = "the file is closed"


@dataclass(frozen=True, slots=True)
class PinCounts:
    """What came of the records: `imported`; `kept`: files that hold a secret already; the others
    as `PinFault` says."""

    imported: int = 0
    kept: int = 0
    malformed: int = 0
    duplicate: int = 0
    unknown: int = 0
    closed: int = 0

    def plus(self, other: "PinCounts") -> "PinCounts":
        mine, theirs = asdict(self), asdict(other)
        return PinCounts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def refused(self) -> int:
        return self.malformed + self.duplicate + self.unknown + self.closed


@dataclass(frozen=True, slots=True)
class PinReport:
    """The whole import. `hashed`, `seconds`: of this run only."""

    counts: PinCounts
    hashed: int
    seconds: float

    @property
    def rate(self) -> float:
        """PINs hashed and stored a second."""
        return self.hashed / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    identity: Identity
    pin: Secret


@dataclass(slots=True)
class _Batch:
    """The records of one chunk, and what is known of them so far."""

    records: list[_Record]
    counts: PinCounts


class _Seen:
    """Which files a sealed file has named: a bit for each matricule of a Caf."""

    def __init__(self) -> None:
        self._bits: dict[str, bytearray] = {}

    def add(self, identity: Identity) -> bool:
        """False when it was there."""
        bits = self._bits.get(identity.caf)
        if bits is None:
            bits = self._bits[identity.caf] = bytearray(10**_MATRICULE_DIGITS // 8)
        place, bit = divmod(int(identity.matricule), 8)
        new = not bits[place] & (1 << bit)
        bits[place] |= 1 << bit
        return new


async def import_pins(
    settings: AuthSettings,
    file: Path,
    key_file: Path,
    agent: str,
    clock: Callable[[], datetime],
    *,
    on_fault: Callable[[RowFault], None],
    on_progress: Callable[[int, int], None] = lambda done, of: None,
    keep: bool = False,
) -> PinReport:
    """Import what is right and tell `on_fault` the rest, by line and never with a PIN; wipe the
    file at the end unless `keep`. `on_progress`: lines done, of how many.

    Raises AuthError as `AuthService.open` and `sealed.check` do, before anything is imported;
    OSError.
    """
    database = Database(settings.database_url)
    hasher = None
    try:
        await database.check_schema()
        pepper = await checked_key(database, PEPPER, settings.pepper_file)
        keyring = read_key_file(key_file, sealed.PURPOSE)
        opened = sealed.check(file, keyring)
        hasher = Hasher(pepper, settings.argon2, len(os.sched_getaffinity(0)))
        run = _Run(database, hasher, AuditTrail(pepper), agent, clock, opened, on_fault)
        report = await run.to_the_end(keyring, on_progress)
    finally:
        if hasher is not None:
            hasher.close()
        await database.close()
    if not keep:
        sealed.wipe(file)
    return report


class _Run:
    """One run over a sealed file that is whole."""

    def __init__(
        self,
        database: Database,
        hasher: Hasher,
        trail: AuditTrail,
        agent: str,
        clock: Callable[[], datetime],
        opened: sealed.Opened,
        on_fault: Callable[[RowFault], None],
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._trail = trail
        self._agent = agent
        self._clock = clock
        self._opened = opened
        self._on_fault = on_fault

    async def to_the_end(
        self, keyring: Keyring, on_progress: Callable[[int, int], None]
    ) -> PinReport:
        done, counts = await self._database.run(self._begin)
        seen, line, hashed = _Seen(), 2, 0
        begun = time.monotonic()
        for number, lines in enumerate(sealed.read(self._opened.file, keyring)):
            # What was done before is only looked at for whom it named.
            batch = _batch(lines, line, seen, self._on_fault if number >= done else _nobody)
            line += len(lines)
            if number >= done:
                result = await self._do(number, batch)
                counts, hashed = counts.plus(result), hashed + result.imported
            on_progress(line - 2, self._opened.lines)
        seconds = time.monotonic() - begun
        await self._database.run(lambda connection: self._finish(connection, counts))
        return PinReport(counts, hashed, seconds)

    async def _begin(self, connection: AsyncConnection) -> tuple[int, PinCounts]:
        """How many chunks are done, and what came of them."""
        table = tables.pin_imports
        query = select(table).where(table.c.id == self._opened.id)
        row = (await connection.execute(query)).one_or_none()
        if row is not None:
            return row.chunks, PinCounts(**{name: getattr(row, name) for name in _COUNTED})
        try:
            await connection.execute(
                insert(table).values(
                    id=self._opened.id, chunks=0, began_at=self._clock(), **asdict(PinCounts())
                )
            )
        except IntegrityError as error:
            raise AuthError(_ELSEWHERE) from error
        return 0, PinCounts()

    async def _do(self, number: int, batch: _Batch) -> PinCounts:
        """Hash and store a chunk; return what came of it."""
        there = await self._database.run(lambda c: _files(c, batch.records))
        counts = batch.counts
        wanted: dict[str, _Record] = {}
        for record in batch.records:
            file_id, closed, holds = there.get(_key(record.identity), ("", False, False))
            if file_id and not closed and not holds:
                wanted[file_id] = record
            elif file_id and not closed:
                counts = counts.plus(PinCounts(kept=1))
            elif file_id:
                self._on_fault(RowFault(record.line, "", PinFault.CLOSED))
                counts = counts.plus(PinCounts(closed=1))
            else:
                self._on_fault(RowFault(record.line, "", PinFault.UNKNOWN))
                counts = counts.plus(PinCounts(unknown=1))
        now = self._clock()
        made = await asyncio.gather(
            *(
                self._hasher.make(
                    record.pin,
                    file_id=file_id,
                    slot=Slot.LIVE,
                    kind=SecretKind.PIN,
                    created_at=now,
                    expires_at=None,
                )
                for file_id, record in wanted.items()
            )
        )

        async def store(connection: AsyncConnection) -> PinCounts:
            stored = await _store(connection, made)
            total = counts.plus(PinCounts(imported=stored, kept=len(made) - stored))
            await self._move_on(connection, number, total)
            return total

        return await self._database.run_apart(store)

    async def _move_on(self, connection: AsyncConnection, number: int, total: PinCounts) -> None:
        table = tables.pin_imports
        grown: dict[str, Any] = {name: table.c[name] + n for name, n in asdict(total).items()}
        moved = await connection.execute(
            update(table)
            .where(table.c.id == self._opened.id, table.c.chunks == number)
            .values(chunks=number + 1, **grown)
        )
        if moved.rowcount != 1:
            raise AuthError(_ELSEWHERE)

    async def _finish(self, connection: AsyncConnection, counts: PinCounts) -> None:
        """Say in the trail what came of it, once."""
        table, now = tables.pin_imports, self._clock()
        ended = await connection.execute(
            update(table)
            .where(table.c.id == self._opened.id, table.c.ended_at.is_(None))
            .values(ended_at=now)
        )
        if ended.rowcount == 1:
            source = Source(Channel.BACK_OFFICE, agent=self._agent)
            await self._trail.append(
                connection, Act.PINS_IMPORTED, source, now, detail=asdict(counts)
            )


_COUNTED = tuple(asdict(PinCounts()))
_ELSEWHERE = "another import of this file is under way; let it end, then run this one again"


def _nobody(_fault: RowFault) -> None:
    """Faults that an earlier run has told."""


def _batch(
    lines: Sequence[str], first: int, seen: _Seen, on_fault: Callable[[RowFault], None]
) -> _Batch:
    batch = _Batch([], PinCounts())
    for line, text in enumerate(lines, start=first):
        if not text:
            continue
        record = _record(line, text)
        if record is None:
            on_fault(RowFault(line, "", PinFault.MALFORMED))
            batch.counts = batch.counts.plus(PinCounts(malformed=1))
        elif not seen.add(record.identity):
            on_fault(RowFault(line, "", PinFault.DUPLICATE))
            batch.counts = batch.counts.plus(PinCounts(duplicate=1))
        else:
            batch.records.append(record)
    return batch


def _record(line: int, text: str) -> _Record | None:
    if len(text) > sealed.MAX_LINE or text.count(";") != 2:
        return None
    caf, matricule, keyed = (part.strip() for part in text.split(";"))
    if len(keyed) != SecretKind.PIN.length:
        return None
    pin = Secret(keyed)
    digits = caf + matricule
    lengths = len(caf) == _CAF_DIGITS and len(matricule) == _MATRICULE_DIGITS
    if not lengths or not (digits.isascii() and digits.isdigit()):
        return None
    return _Record(line, Identity(caf, matricule), pin) if pin.could_be(SecretKind.PIN) else None


def _key(identity: Identity) -> tuple[str, str]:
    return identity.caf, identity.matricule


async def _files(
    connection: AsyncConnection, records: Sequence[_Record]
) -> dict[tuple[str, str], tuple[str, bool, bool]]:
    """The file that each identity names now, whether it is closed, whether it holds a secret."""
    identities, files, credentials = tables.identities, tables.case_files, tables.credentials
    rows = await connection.execute(
        select(identities.c.caf, identities.c.matricule, files.c.id, files.c.closed_at)
        .join(files, files.c.id == identities.c.file_id)
        .where(
            tuple_(identities.c.caf, identities.c.matricule).in_(
                [_key(record.identity) for record in records]
            ),
            identities.c.retired_at.is_(None),
        )
    )
    found = rows.all()
    ids = [row.id for row in found]
    holding = set(
        await connection.scalars(
            select(credentials.c.file_id).where(credentials.c.file_id.in_(ids))
        )
    )
    return {
        (row.caf, row.matricule): (row.id, row.closed_at is not None, row.id in holding)
        for row in found
    }


async def _store(connection: AsyncConnection, made: Sequence[Credential]) -> int:
    """Write those whose file is still open and still holds no secret; return how many."""
    files, credentials, throttles = tables.case_files, tables.credentials, tables.file_throttles
    ids = [credential.file_id for credential in made]
    # The files' rows first and in order, as in every act: nobody waits in a circle.
    is_open = set(
        await connection.scalars(
            select(files.c.id)
            .where(files.c.id.in_(ids), files.c.closed_at.is_(None))
            .order_by(files.c.id)
            .with_for_update(key_share=True)
        )
    )
    holding = set(
        await connection.scalars(
            select(credentials.c.file_id).where(credentials.c.file_id.in_(ids))
        )
    )
    fit = [c for c in made if c.file_id in is_open and c.file_id not in holding]
    if not fit:
        return 0
    fit_ids = [credential.file_id for credential in fit]
    await repository.add_credentials(connection, fit)
    # A new secret starts at zero, and a request that is being served for none is not.
    await connection.execute(
        update(throttles)
        .where(throttles.c.file_id.in_(fit_ids), throttles.c.tries != "[]")
        .values(tries="[]", revision=throttles.c.revision + 1)
    )
    await connection.execute(
        update(files).where(files.c.id.in_(fit_ids)).values(generation=files.c.generation + 1)
    )
    return len(fit)

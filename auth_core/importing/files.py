"""Case files into the database, many to a transaction; a file that is there is brought up to date.

Secrets, allowances, requests and payments of a file are not touched. A number that stays the same
keeps the day it came on file, so that a mobile does not become a new one at every import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import nir, phones
from auth_core.importing.rows import ImportedFile, ImportedPerson, RowFault
from auth_core.keys import Keyring
from auth_core.store import repository, tables

_Rows = dict[Any, list[dict[str, Any]]]
_OldNumbers = Mapping[str, Sequence[tuple[str, datetime]]]


@dataclass(slots=True)
class Imported:
    """What came of an import so far."""

    created: int = 0
    updated: int = 0
    refused: int = 0

    def add(self, other: "Imported") -> None:
        self.created += other.created
        self.updated += other.updated
        self.refused += other.refused


async def write_files(
    connection: AsyncConnection, pepper: Keyring, files: Sequence[ImportedFile], now: datetime
) -> tuple[Imported, list[RowFault]]:
    """Write them in the caller's transaction, but for those whose matricule a transfer left."""
    there = await _file_ids(connection, files)
    known = {key: file_id for key, (file_id, retired) in there.items() if not retired}
    faults: list[RowFault] = []
    new: list[tuple[str, ImportedFile]] = []
    old: list[tuple[str, ImportedFile]] = []
    for file in files:
        key = file.identity.caf, file.identity.matricule
        if key in known:
            old.append((known[key], file))
        elif key in there:
            what = "a transfer has left this matricule; it is never given again"
            faults.append(RowFault(file.line, "matricule", what))
        else:
            new.append((f"file-{key[0]}-{key[1]}", file))
    numbers = await _forget_people(connection, [file_id for file_id, _ in old])
    rows: _Rows = {table: [] for table in _ORDER}
    for file_id, file in new:
        _new_file(rows, file_id, file, now)
    if old:
        await connection.execute(
            update(tables.case_files)
            .where(tables.case_files.c.id == bindparam("of_file"))
            .values(status=bindparam("new_status")),
            [{"of_file": file_id, "new_status": file.status.value} for file_id, file in old],
        )
    for file_id, file in (*new, *old):
        for n, person in enumerate(file.persons, start=1):
            _add_person(rows, pepper, file_id, f"{file_id}-{n}", person, numbers, now)
    for table in _ORDER:
        if rows[table]:
            await connection.execute(insert(table), rows[table])
    return Imported(len(new), len(old), len(faults)), faults


_ORDER = (
    tables.case_files,
    tables.identities,
    tables.file_throttles,
    tables.persons,
    tables.phones,
    tables.addresses,
)


async def _file_ids(
    connection: AsyncConnection, files: Sequence[ImportedFile]
) -> dict[tuple[str, str], tuple[str, bool]]:
    """The file that has each identity, and whether it has another by now."""
    identities = tables.identities
    keys = [(file.identity.caf, file.identity.matricule) for file in files]
    rows = await connection.execute(
        select(identities).where(tuple_(identities.c.caf, identities.c.matricule).in_(keys))
    )
    return {(r.caf, r.matricule): (r.file_id, r.retired_at is not None) for r in rows}


async def _forget_people(connection: AsyncConnection, file_ids: Sequence[str]) -> _OldNumbers:
    """Remove the persons of these files, and what is theirs; return the numbers they had."""
    table = tables.phones
    rows = await connection.execute(
        select(table.c.file_id, table.c.number, table.c.changed_at).where(
            table.c.file_id.in_(file_ids)
        )
    )
    numbers: dict[str, list[tuple[str, datetime]]] = {}
    for row in rows:
        numbers.setdefault(row.file_id, []).append((row.number, row.changed_at))
    await connection.execute(delete(tables.persons).where(tables.persons.c.file_id.in_(file_ids)))
    return numbers


def _new_file(rows: _Rows, file_id: str, file: ImportedFile, now: datetime) -> None:
    rows[tables.case_files].append(
        {"id": file_id, "status": file.status.value, "generation": 0, "created_at": now}
    )
    identity = file.identity
    rows[tables.identities].append(
        {"caf": identity.caf, "matricule": identity.matricule, "file_id": file_id}
    )
    rows[tables.file_throttles].append({"file_id": file_id, **repository.NEW_THROTTLE})


def _add_person(
    rows: _Rows,
    pepper: Keyring,
    file_id: str,
    person_id: str,
    person: ImportedPerson,
    numbers: _OldNumbers,
    now: datetime,
) -> None:
    born = person.born
    rows[tables.persons].append(
        {
            "id": person_id,
            "file_id": file_id,
            "role": person.role.value,
            "name": person.name,
            "birth_year": None if born is None else born.year,
            "birth_month": None if born is None else born.month,
            "birth_day": None if born is None else born.day,
            "nir_prefix": "" if person.nir is None else nir.prefix(person.nir),
            "nir_hash": None if person.nir is None else nir.digest(pepper, person.nir),
        }
    )
    of_person = {"file_id": file_id, "person_id": person_id}
    for number in person.phones:
        known = _on_file_since(number, numbers.get(file_id, ()))
        since = known or person.since or now
        rows[tables.phones].append({**of_person, "number": number, "changed_at": since})
    if person.address is not None:
        lines, postal_code, city = person.address
        rows[tables.addresses].append(
            {
                **of_person,
                "lines": "\n".join(lines),
                "postal_code": postal_code,
                "city": city,
                "changed_at": now,
            }
        )


def _on_file_since(number: str, old: Sequence[tuple[str, datetime]]) -> datetime | None:
    for written, changed_at in old:
        if written == number:
            return changed_at
    wanted = phones.e164(number) if old else None
    for written, changed_at in old:
        if wanted is not None and phones.same(written, wanted):
            return changed_at
    return None

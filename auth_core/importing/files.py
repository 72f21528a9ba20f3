"""Case files into the database, many to a transaction; a file that is there is brought up to date.

Secrets, allowances, requests and payments of a file are not touched. A number that stays the same
keeps the day it came on file, so that a mobile does not become a new one at every import; a mobile
that takes the place of another remembers it, so that the owner can still be told there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import nir
from auth_core.importing.numbers import Dated, OldNumber, dated_numbers
from auth_core.importing.rows import ImportedFile, ImportedPerson, RowFault
from auth_core.keys import Keyring
from auth_core.model import BirthDate, Role
from auth_core.store import tables, throttles

_Rows = dict[Any, list[dict[str, Any]]]
_OldNumbers = Mapping[str, Sequence[OldNumber]]


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
    connection: AsyncConnection,
    pepper: Keyring,
    files: Sequence[ImportedFile],
    now: datetime,
    quarantine: timedelta,
) -> tuple[Imported, list[RowFault]]:
    """Write them in the caller's transaction, but for those whose matricule a transfer left.
    `quarantine`: how long a new mobile gets no secret."""
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
            dated = dated_numbers(person, numbers.get(file_id, ()), now, quarantine)
            _add_person(rows, pepper, file_id, f"{file_id}-{n}", person, dated, now)
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
    phones, persons = tables.phones, tables.persons
    rows = await connection.execute(
        select(
            phones.c.file_id,
            phones.c.number,
            phones.c.changed_at,
            phones.c.previous,
            persons.c.role,
            persons.c.name,
            persons.c.birth_year,
            persons.c.birth_month,
            persons.c.birth_day,
        )
        .join(persons, persons.c.id == phones.c.person_id)
        .where(phones.c.file_id.in_(file_ids))
        .order_by(phones.c.id)
    )
    numbers: dict[str, list[OldNumber]] = {}
    for row in rows:
        known = row.birth_year is not None
        born = BirthDate(row.birth_year, row.birth_month, row.birth_day) if known else None
        numbers.setdefault(row.file_id, []).append(
            OldNumber(row.number, row.changed_at, row.previous, Role(row.role), row.name, born)
        )
    await connection.execute(delete(persons).where(persons.c.file_id.in_(file_ids)))
    return numbers


def _new_file(rows: _Rows, file_id: str, file: ImportedFile, now: datetime) -> None:
    rows[tables.case_files].append(
        {"id": file_id, "status": file.status.value, "generation": 0, "created_at": now}
    )
    identity = file.identity
    rows[tables.identities].append(
        {"caf": identity.caf, "matricule": identity.matricule, "file_id": file_id}
    )
    rows[tables.file_throttles].append({"file_id": file_id, **throttles.NEW_THROTTLE})


def _add_person(
    rows: _Rows,
    pepper: Keyring,
    file_id: str,
    person_id: str,
    person: ImportedPerson,
    numbers: Sequence[Dated],
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
    for dated in numbers:
        rows[tables.phones].append(
            {
                **of_person,
                "number": dated.number,
                "changed_at": dated.since,
                "previous": dated.previous,
            }
        )
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

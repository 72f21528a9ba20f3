"""Reads and writes of the core, as values of `model`. Each runs in the caller's transaction."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.credentials import Credential, Params
from auth_core.model import (
    Address,
    Benefit,
    BirthDate,
    CaseFile,
    FileStatus,
    Identity,
    Payment,
    Person,
    Phone,
    RequestKind,
    RequestProgress,
    RequestState,
    Role,
    SecretKind,
    Slot,
)
from auth_core.store import tables, throttles
from auth_core.store.prepared import Prepared

_files = tables.case_files.c
_FIND_FILE = Prepared(
    select(_files.id, _files.status, _files.generation, _files.last_login, _files.closed_at)
    .join(tables.identities, tables.identities.c.file_id == tables.case_files.c.id)
    .where(
        tables.identities.c.caf == bindparam("caf"),
        tables.identities.c.matricule == bindparam("matricule"),
        tables.identities.c.retired_at.is_(None),
    )
    .with_for_update(of=tables.case_files, key_share=True)
)


async def find_file(connection: AsyncConnection, identity: Identity) -> CaseFile | None:
    """The file that this identity names now, without its people (see `with_people`).

    Its row is held to the transaction's end: what belongs to it does not change meanwhile.
    """
    row = await _FIND_FILE.row(connection, caf=identity.caf, matricule=identity.matricule)
    if row is None:
        return None
    return CaseFile(
        row.id, identity, FileStatus(row.status), row.generation, row.last_login, row.closed_at
    )


async def identity_of(connection: AsyncConnection, file_id: str) -> Identity | None:
    """What names this file now; None when nothing does."""
    identities = tables.identities
    row = (
        await connection.execute(
            select(identities.c.caf, identities.c.matricule).where(
                identities.c.file_id == file_id, identities.c.retired_at.is_(None)
            )
        )
    ).one_or_none()
    return None if row is None else Identity(row.caf, row.matricule)


_PHONES = Prepared(
    select(tables.phones)
    .where(tables.phones.c.file_id == bindparam("of_file"))
    .order_by(tables.phones.c.id)
)


async def phones_of(connection: AsyncConnection, file_id: str) -> tuple[Phone, ...]:
    rows = await _PHONES.rows(connection, of_file=file_id)
    return tuple(Phone(row.person_id, row.number, row.changed_at, row.previous) for row in rows)


_NUMBERS = Prepared(
    select(tables.phones.c.number)
    .join(tables.persons, tables.persons.c.id == tables.phones.c.person_id)
    .where(
        tables.phones.c.file_id == bindparam("of_file"),
        tables.persons.c.role != bindparam("but_of_role"),
    )
)


async def known_numbers_of(connection: AsyncConnection, file_id: str) -> list[str]:
    """The numbers, as they were written down, from which a file's own people may call: none of a
    former spouse, who is a stranger to it."""
    rows = await _NUMBERS.rows(connection, of_file=file_id, but_of_role=Role.FORMER_SPOUSE.value)
    return [row.number for row in rows]


_OWNER = Prepared(
    select(tables.persons.c.birth_year, tables.persons.c.birth_month, tables.persons.c.birth_day)
    .where(
        tables.persons.c.file_id == bindparam("of_file"),
        tables.persons.c.role == bindparam("of_role"),
    )
    .order_by(tables.persons.c.id)
)


async def birth_date_of_owner(connection: AsyncConnection, file_id: str) -> BirthDate | None:
    """When the beneficiary was born; None when that is unknown, or there is none."""
    rows = await _OWNER.rows(connection, of_file=file_id, of_role=Role.BENEFICIARY.value)
    return _birth_date(rows[0]) if rows else None


async def with_people(connection: AsyncConnection, case_file: CaseFile) -> CaseFile:
    """The file with its persons, phones and addresses."""
    persons, addresses = tables.persons, tables.addresses
    of_file = await connection.execute(
        select(persons).where(persons.c.file_id == case_file.id).order_by(persons.c.id)
    )
    places = await connection.execute(
        select(addresses).where(addresses.c.file_id == case_file.id).order_by(addresses.c.id)
    )
    return replace(
        case_file,
        persons=tuple(_person(person) for person in of_file),
        phones=await phones_of(connection, case_file.id),
        addresses=tuple(
            Address(a.person_id, tuple(a.lines.splitlines()), a.postal_code, a.city, a.changed_at)
            for a in places
        ),
    )


def _person(row: Row[Any]) -> Person:
    return Person(row.id, Role(row.role), row.name, _birth_date(row), row.nir_prefix)


def _birth_date(row: Row[Any]) -> BirthDate | None:
    if row.birth_year is None:
        return None
    return BirthDate(row.birth_year, row.birth_month, row.birth_day)


async def add_file(
    connection: AsyncConnection,
    case_file: CaseFile,
    created_at: datetime,
    payments: Iterable[Payment] = (),
    requests: Iterable[RequestProgress] = (),
) -> None:
    """Write a new file and all that belongs to it, but its secrets."""
    file_id = case_file.id
    await connection.execute(
        insert(tables.case_files).values(
            id=file_id,
            status=case_file.status.value,
            generation=case_file.generation,
            created_at=created_at,
            last_login=case_file.last_login,
            closed_at=case_file.closed_at,
        )
    )
    identity = case_file.identity
    await connection.execute(
        insert(tables.identities).values(
            caf=identity.caf, matricule=identity.matricule, file_id=file_id
        )
    )
    await connection.execute(
        insert(tables.file_throttles).values(file_id=file_id, **throttles.NEW_THROTTLE)
    )
    rows: dict[Any, list[dict[str, Any]]] = {
        tables.persons: [_person_row(file_id, person) for person in case_file.persons],
        tables.phones: [
            {
                "person_id": p.owner_id,
                "number": p.number,
                "changed_at": p.changed_at,
                "previous": p.previous,
            }
            for p in case_file.phones
        ],
        tables.addresses: [
            {
                "person_id": a.owner_id,
                "lines": "\n".join(a.lines),
                "postal_code": a.postal_code,
                "city": a.city,
                "changed_at": a.changed_at,
            }
            for a in case_file.addresses
        ],
        tables.payments: [
            {
                "date": p.date,
                "benefit": p.benefit.value,
                "amount_cents": int(p.amount.scaleb(2).to_integral_exact()),
            }
            for p in payments
        ],
        tables.requests: [
            {"kind": r.kind.value, "state": r.state.value, "date": r.date} for r in requests
        ],
    }
    for table, content in rows.items():
        if content:
            await connection.execute(
                insert(table), [{"file_id": file_id, **values} for values in content]
            )


def _person_row(file_id: str, person: Person) -> dict[str, Any]:
    born = person.birth_date
    return {
        "id": person.id,
        "file_id": file_id,
        "role": person.role.value,
        "name": person.name,
        "birth_year": None if born is None else born.year,
        "birth_month": None if born is None else born.month,
        "birth_day": None if born is None else born.day,
        "nir_prefix": person.nir_prefix,
    }


async def delete_file(connection: AsyncConnection, file_id: str) -> None:
    """Remove a file and all that belongs to it; the audit trail keeps what was done."""
    await connection.execute(delete(tables.case_files).where(tables.case_files.c.id == file_id))


_GENERATION = Prepared(
    select(tables.case_files.c.generation)
    .where(tables.case_files.c.id == bindparam("of_file"), tables.case_files.c.closed_at.is_(None))
    .with_for_update(key_share=True)
)


async def generation_of(connection: AsyncConnection, file_id: str) -> int | None:
    """The generation of a file that is not closed; None when it is, or is not there. Its row is
    held as by `find_file`."""
    row = await _GENERATION.row(connection, of_file=file_id)
    return None if row is None else int(row.generation)


async def end_sessions(connection: AsyncConnection, file_id: str) -> int:
    """End every session of the file at its next request; return the new generation."""
    files = tables.case_files
    await connection.execute(
        update(files).where(files.c.id == file_id).values(generation=files.c.generation + 1)
    )
    generation: int | None = await connection.scalar(
        select(files.c.generation).where(files.c.id == file_id)
    )
    return generation or 0


_RECORD_LOGIN = Prepared(
    update(tables.case_files)
    .where(tables.case_files.c.id == bindparam("of_file"))
    .values(last_login=bindparam("moment"))
)


async def record_login(connection: AsyncConnection, file_id: str, at: datetime | None) -> None:
    await _RECORD_LOGIN.run(connection, of_file=file_id, moment=at)


_LOG_IN = Prepared(
    update(tables.case_files)
    .where(tables.case_files.c.id == bindparam("of_file"), tables.case_files.c.closed_at.is_(None))
    .values(last_login=bindparam("moment"))
    .returning(tables.case_files.c.generation)
)


async def log_in(connection: AsyncConnection, file_id: str, at: datetime) -> int | None:
    """As `generation_of`, and `record_login` where the file is not closed, in one."""
    row = await _LOG_IN.row(connection, of_file=file_id, moment=at)
    return None if row is None else int(row.generation)


async def payments_of(connection: AsyncConnection, file_id: str, limit: int) -> list[Payment]:
    """The last payments, newest first."""
    payments = tables.payments
    rows = await connection.execute(
        select(payments)
        .where(payments.c.file_id == file_id)
        .order_by(payments.c.date.desc(), payments.c.id.desc())
        .limit(limit)
    )
    return [
        Payment(row.date, Benefit(row.benefit), Decimal(row.amount_cents).scaleb(-2))
        for row in rows
    ]


async def requests_of(connection: AsyncConnection, file_id: str) -> list[RequestProgress]:
    """The requests of a file, newest first."""
    requests = tables.requests
    rows = await connection.execute(
        select(requests)
        .where(requests.c.file_id == file_id)
        .order_by(requests.c.date.desc(), requests.c.id.desc())
    )
    return [
        RequestProgress(RequestKind(row.kind), RequestState(row.state), row.date) for row in rows
    ]


async def add_request(
    connection: AsyncConnection, file_id: str, kind: RequestKind, on: date
) -> None:
    await connection.execute(
        insert(tables.requests).values(
            file_id=file_id, kind=kind.value, state=RequestState.RECEIVED.value, date=on
        )
    )


_CREDENTIALS = Prepared(
    select(tables.credentials).where(tables.credentials.c.file_id == bindparam("of_file"))
)


async def credentials_of(connection: AsyncConnection, file_id: str) -> dict[Slot, Credential]:
    """The stored secrets of a file, by slot."""
    rows = await _CREDENTIALS.rows(connection, of_file=file_id)
    return {Slot(row.slot): _credential(row) for row in rows}


_SLOTS = Prepared(
    select(tables.credentials.c.slot, tables.credentials.c.id).where(
        tables.credentials.c.file_id == bindparam("of_file")
    )
)


async def slots_of(connection: AsyncConnection, file_id: str) -> dict[Slot, str]:
    """Which secret of a file is in which slot, by their ids."""
    rows = await _SLOTS.rows(connection, of_file=file_id)
    return {Slot(row.slot): row.id for row in rows}


def _credential(row: Any) -> Credential:
    return Credential(
        row.id,
        row.file_id,
        Slot(row.slot),
        SecretKind(row.kind),
        row.key_version,
        Params.parse(row.params),
        bytes(row.salt),
        bytes(row.tag),
        row.created_at,
        row.expires_at,
        tuple(map(int, row.outer_versions.split(","))) if row.outer_versions else (),
    )


async def put_credential(connection: AsyncConnection, credential: Credential) -> None:
    """Write a secret into its slot; what was there is erased. One that is hashed again is still
    the one whose owner was told that it expires."""
    table = tables.credentials
    noticed_at: datetime | None = await connection.scalar(
        select(table.c.noticed_at).where(
            table.c.file_id == credential.file_id, table.c.id == credential.id
        )
    )
    await erase_credential(connection, credential.file_id, credential.slot)
    await connection.execute(
        insert(tables.credentials).values(noticed_at=noticed_at, **_credential_row(credential))
    )


async def add_credentials(connection: AsyncConnection, credentials: Iterable[Credential]) -> None:
    """Write secrets into slots that are empty, one at least."""
    rows = [_credential_row(credential) for credential in credentials]
    await connection.execute(insert(tables.credentials), rows)


def _credential_row(credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "file_id": credential.file_id,
        "slot": credential.slot.value,
        "kind": credential.kind.value,
        "key_version": credential.key_version,
        "params": str(credential.params),
        "salt": credential.salt,
        "tag": credential.tag,
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
        "outer_versions": _outer_versions(credential),
    }


def _outer_versions(credential: Credential) -> str:
    return ",".join(map(str, credential.outer_versions))


async def credentials_after(
    connection: AsyncConnection, place: tuple[str, str], limit: int
) -> list[Credential]:
    """Stored secrets of any file in the order of file and slot, beginning behind `place`."""
    table = tables.credentials
    rows = await connection.execute(
        select(table)
        .where(tuple_(table.c.file_id, table.c.slot) > tuple_(*place))
        .order_by(table.c.file_id, table.c.slot)
        .limit(limit)
    )
    return [_credential(row) for row in rows]


async def replace_tag(connection: AsyncConnection, old: Credential, new: Credential) -> bool:
    """Write what `new` has around `old`; False when that is not what is stored any more."""
    table = tables.credentials
    done = await connection.execute(
        update(table)
        .where(
            table.c.file_id == old.file_id,
            table.c.slot == old.slot.value,
            table.c.id == old.id,
            table.c.tag == old.tag,
        )
        .values(tag=new.tag, outer_versions=_outer_versions(new))
    )
    return done.rowcount == 1


async def erase_credential(connection: AsyncConnection, file_id: str, slot: Slot) -> None:
    table = tables.credentials
    await connection.execute(
        delete(table).where(table.c.file_id == file_id, table.c.slot == slot.value)
    )


async def add_transfer_reference(
    connection: AsyncConnection, digest: bytes, file_id: str, expires_at: datetime, now: datetime
) -> None:
    """Keep a reference; those whose time is over go."""
    table = tables.transfer_references
    await connection.execute(delete(table).where(table.c.expires_at <= now))
    await connection.execute(
        insert(table).values(digest=digest, file_id=file_id, expires_at=expires_at)
    )


async def take_transfer_reference(
    connection: AsyncConnection, digest: bytes, now: datetime
) -> str | None:
    """Use a reference up, and return its file; None when there is none or its time is over."""
    table = tables.transfer_references
    valid = (table.c.digest == digest, table.c.expires_at > now)
    file_id: str | None = await connection.scalar(select(table.c.file_id).where(*valid))
    taken = await connection.execute(delete(table).where(*valid))
    return file_id if taken.rowcount == 1 else None


async def key_checks(connection: AsyncConnection, purpose: str) -> dict[int, bytes]:
    """The check values of a key, by version; empty in a new database."""
    table = tables.key_checks
    rows = await connection.execute(select(table).where(table.c.purpose == purpose))
    return {row.version: bytes(row.check_value) for row in rows}


async def add_key_check(
    connection: AsyncConnection, purpose: str, version: int, check_value: bytes
) -> None:
    await connection.execute(
        insert(tables.key_checks).values(purpose=purpose, version=version, check_value=check_value)
    )

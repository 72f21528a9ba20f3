"""Reads and writes of the core, as values of `model`. Each runs in the caller's transaction."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
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
from auth_core.store import tables
from auth_core.store.database import Conflict
from auth_core.store.prepared import Prepared
from auth_core.throttle import Bucket, CallerThrottle, FileThrottle, Try

_FIND_FILE = Prepared(
    select(tables.case_files)
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
    known = row.birth_year is not None
    born = BirthDate(row.birth_year, row.birth_month, row.birth_day) if known else None
    return Person(row.id, Role(row.role), row.name, born, row.nir_prefix)


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
    await connection.execute(insert(tables.file_throttles).values(file_id=file_id, **NEW_THROTTLE))
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


async def record_login(connection: AsyncConnection, file_id: str, at: datetime) -> None:
    await _RECORD_LOGIN.run(connection, of_file=file_id, moment=at)


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
        insert(tables.credentials).values(
            id=credential.id,
            file_id=credential.file_id,
            slot=credential.slot.value,
            kind=credential.kind.value,
            key_version=credential.key_version,
            params=str(credential.params),
            salt=credential.salt,
            tag=credential.tag,
            created_at=credential.created_at,
            expires_at=credential.expires_at,
            noticed_at=noticed_at,
        )
    )


async def erase_credential(connection: AsyncConnection, file_id: str, slot: Slot) -> None:
    table = tables.credentials
    await connection.execute(
        delete(table).where(table.c.file_id == file_id, table.c.slot == slot.value)
    )


NEW_THROTTLE: Mapping[str, Any] = {"revision": 0, "charged": 0, "tries": "[]", "requests": "[]"}


_FILE_THROTTLE = Prepared(
    select(tables.file_throttles)
    .where(tables.file_throttles.c.file_id == bindparam("of_file"))
    .with_for_update()
)


async def file_throttle(connection: AsyncConnection, file_id: str) -> tuple[int, FileThrottle]:
    """The throttle of a file and its revision."""
    row = await _FILE_THROTTLE.row(connection, of_file=file_id)
    tries = tuple(
        Try(number, Bucket(bucket), datetime.fromisoformat(at))
        for number, bucket, at in json.loads(row.tries)
    )
    return row.revision, FileThrottle(row.charged, tries, _moments(row.requests))


_REPLACE_FILE_THROTTLE = Prepared(
    update(tables.file_throttles)
    .where(
        tables.file_throttles.c.file_id == bindparam("of_file"),
        tables.file_throttles.c.revision == bindparam("seen"),
    )
    .values(
        revision=bindparam("next"),
        charged=bindparam("number"),
        tries=bindparam("charges"),
        requests=bindparam("asked"),
    )
)


async def replace_file_throttle(
    connection: AsyncConnection, file_id: str, revision: int, throttle: FileThrottle
) -> None:
    """The one conditional UPDATE. Raises Conflict when the row is no more at `revision`."""
    tries = [[t.number, t.bucket.value, t.at.isoformat()] for t in throttle.tries]
    replaced = await _REPLACE_FILE_THROTTLE.run(
        connection,
        of_file=file_id,
        seen=revision,
        next=revision + 1,
        number=throttle.charged,
        charges=json.dumps(tries),
        asked=_texts(throttle.requests),
    )
    if replaced != 1:
        raise Conflict


_CALLER_THROTTLE = Prepared(
    select(tables.caller_throttles)
    .where(tables.caller_throttles.c.caller == bindparam("key"))
    .with_for_update()
)


async def caller_throttle(
    connection: AsyncConnection, caller: bytes, now: datetime
) -> tuple[int, CallerThrottle]:
    """The throttle of a caller's hashed number and its revision; a new row where there is none."""
    row = await _CALLER_THROTTLE.row(connection, key=caller)
    if row is None:
        try:
            await connection.execute(
                insert(tables.caller_throttles).values(
                    caller=caller, revision=0, failures="[]", requests="[]", updated_at=now
                )
            )
        except IntegrityError as error:
            raise Conflict from error
        return 0, CallerThrottle()
    return row.revision, CallerThrottle(
        _moments(row.failures), row.busy_until, _moments(row.requests)
    )


_REPLACE_CALLER_THROTTLE = Prepared(
    update(tables.caller_throttles)
    .where(
        tables.caller_throttles.c.caller == bindparam("key"),
        tables.caller_throttles.c.revision == bindparam("seen"),
    )
    .values(
        revision=bindparam("next"),
        failures=bindparam("failed"),
        busy_until=bindparam("until"),
        requests=bindparam("asked"),
        updated_at=bindparam("moment"),
    )
)


async def replace_caller_throttle(
    connection: AsyncConnection,
    caller: bytes,
    revision: int,
    throttle: CallerThrottle,
    now: datetime,
) -> None:
    """The one conditional UPDATE. Raises Conflict when the row is no more at `revision`."""
    replaced = await _REPLACE_CALLER_THROTTLE.run(
        connection,
        key=caller,
        seen=revision,
        next=revision + 1,
        failed=_texts(throttle.failures),
        until=throttle.busy_until,
        asked=_texts(throttle.requests),
        moment=now,
    )
    if replaced != 1:
        raise Conflict


def _moments(text: str) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(at) for at in json.loads(text))


def _texts(moments: Iterable[datetime]) -> str:
    return json.dumps([at.isoformat() for at in moments])


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

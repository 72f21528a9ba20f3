"""One import of case files, from an open text to a count."""

import csv
from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.importing.files import Imported, write_files
from auth_core.importing.rows import ImportedFile, RowFault, read_files
from auth_core.installation import PEPPER, checked_key
from auth_core.model import Channel, Source
from auth_core.settings import AuthSettings
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

BATCH = 500
"""Case files to a transaction: others wait for it a tenth of a second."""


async def import_files(
    settings: AuthSettings,
    lines: Iterable[str],
    agent: str,
    clock: Callable[[], datetime],
    on_fault: Callable[[RowFault], None],
) -> Imported:
    """Import what is right, tell `on_fault` what is not. Raises AuthError as `AuthService.open`,
    UnicodeDecodeError as `lines` does."""
    database = Database(settings.database_url)
    total = Imported()
    try:
        await database.check_schema()
        pepper = await checked_key(database, PEPPER, settings.pepper_file)

        async def write(batch: list[ImportedFile]) -> None:
            async def work(connection: AsyncConnection) -> tuple[Imported, list[RowFault]]:
                return await write_files(
                    connection, pepper, batch, clock(), settings.mobile_quarantine
                )

            done, faults = await database.run_apart(work)
            total.add(done)
            for fault in faults:
                on_fault(fault)

        batch: list[ImportedFile] = []
        try:
            for item in read_files(lines):
                if isinstance(item, ImportedFile):
                    batch.append(item)
                else:
                    total.refused += 1
                    for fault in item:
                        on_fault(fault)
                if len(batch) == BATCH:
                    await write(batch)
                    batch = []
        except csv.Error as error:
            total.refused += 1
            on_fault(RowFault(0, "", f"the rest is no CSV ({error}) and is not read"))
        if batch:
            await write(batch)
        trail = AuditTrail(pepper)
        detail = {"created": total.created, "updated": total.updated, "refused": total.refused}
        source = Source(Channel.BACK_OFFICE, agent=agent)
        async with database.begin() as connection:
            await trail.append(connection, Act.IMPORTED, source, clock(), detail=detail)
    finally:
        await database.close()
    return total

"""A new pepper: what is stored gets it around the old one, at once and for everybody.

Nobody's secret is needed for that, and none is asked for: a tag under version 1 becomes the HMAC of
that tag under version 2, and both versions are needed to check a guess. A login then hashes anew,
under the newest version alone. Versions are never removed from the file: the audit trail, and what
nobody has logged in to since, still stand on them.
"""

from collections.abc import Callable
from datetime import datetime

from auth_core.credentials import Hasher
from auth_core.installation import PEPPER, checked_key
from auth_core.keys import add_version, read_key_file
from auth_core.model import Channel, Source
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

BATCH = 500
"""Stored secrets to a transaction: others wait for it some hundredths of a second."""


async def prepare(settings: AuthSettings) -> int:
    """Write a new version into the pepper file, which nobody uses yet, unless one waits there
    already; return it. Raises AuthError as `AuthService.open`."""
    database = Database(settings.database_url)
    try:
        await database.check_schema()
        used = await checked_key(database, PEPPER, settings.pepper_file)
    finally:
        await database.close()
    waiting = read_key_file(settings.pepper_file, PEPPER).current
    if waiting > used.current:
        return waiting
    return add_version(settings.pepper_file, PEPPER)


async def rotate(
    settings: AuthSettings, agent: str, clock: Callable[[], datetime], *, resume: bool = False
) -> tuple[int, int]:
    """Put every stored secret under the version that `prepare` wrote, or one written now; return
    the version and how many secrets were not under it yet.

    `resume`: no new version; go on with the newest one, where a rotation was interrupted. Raises
    AuthError as `AuthService.open`.
    """
    if not resume:
        await prepare(settings)
    database = Database(settings.database_url)
    try:
        await database.check_schema()
        keyring = read_key_file(settings.pepper_file, PEPPER)
        version = keyring.current
        async with database.begin() as connection:
            checks = await repository.key_checks(connection, PEPPER)
            keyring.verify(checks, settings.pepper_file)
            if version not in checks:
                await repository.add_key_check(
                    connection, PEPPER, version, keyring.check_value(version)
                )
        hasher = Hasher(keyring, settings.argon2, threads=1)
        wrapped = await _wrap_all(database, hasher, version)
        hasher.close()
        trail, source = AuditTrail(keyring), Source(Channel.BACK_OFFICE, agent=agent)
        async with database.begin() as connection:
            detail = {"version": version, "secrets": wrapped}
            await trail.append(connection, Act.PEPPER_ROTATED, source, clock(), detail=detail)
    finally:
        await database.close()
    return version, wrapped


async def _wrap_all(database: Database, hasher: Hasher, version: int) -> int:
    wrapped, place = 0, ("", "")
    while True:
        async with database.begin() as connection:
            batch = await repository.credentials_after(connection, place, BATCH)
            for old in batch:
                # One that changes meanwhile is a new secret, or was hashed anew: under this version
                # or, by a process that has not met it, under the last, as its next login will mend.
                if old.newest_version != version:
                    wrapped += await repository.replace_tag(connection, old, hasher.wrapped(old))
        if len(batch) < BATCH:
            return wrapped
        place = batch[-1].file_id, batch[-1].slot.value

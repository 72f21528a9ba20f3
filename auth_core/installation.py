"""A database and the keys that belong to it: made by `auth-core migrate`, checked at each start."""

from pathlib import Path

from auth_core.errors import AuthError
from auth_core.keys import Keyring, ensure_key_file, read_key_file
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.database import Database

PEPPER = "pepper"
OUTBOX_KEY = "outbox key"


async def migrate(settings: AuthSettings) -> None:
    """Bring the database to the newest schema; give a new one its keys.

    A key file that is missing is made only for a database that has never had one. Raises AuthError.
    """
    database = Database(settings.database_url)
    try:
        await database.migrate()
        for purpose, file in (
            (PEPPER, settings.pepper_file),
            (OUTBOX_KEY, settings.outbox_key_file),
        ):
            await _adopt_key(database, purpose, file)
    finally:
        await database.close()


async def _adopt_key(database: Database, purpose: str, file: Path) -> None:
    async with database.begin() as connection:
        checks = await repository.key_checks(connection, purpose)
        if not checks:
            ensure_key_file(file)
        keyring = read_key_file(file, purpose)
        keyring.verify(checks, file)
        for version in sorted(keyring.keys):
            if version not in checks:
                await repository.add_key_check(
                    connection, purpose, version, keyring.check_value(version)
                )


async def checked_key(database: Database, purpose: str, file: Path) -> Keyring:
    """The key of this database. Raises AuthError when the file is missing, readable by others, or
    holds another key than the database was made with."""
    async with database.begin() as connection:
        checks = await repository.key_checks(connection, purpose)
    if not checks:
        raise AuthError(f"{database}: this database has no {purpose} yet; run auth-core migrate")
    keyring = read_key_file(file, purpose)
    keyring.verify(checks, file)
    return Keyring(purpose, {version: keyring.key(version) for version in checks}, file)

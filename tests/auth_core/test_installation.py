"""A database and its keys: made together, and refused apart, each time in one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from auth_core import AuthError, AuthSettings
from auth_core.installation import migrate
from auth_core.store import schema
from auth_core.store.database import Database
from auth_core.store.tables import metadata
from tests.auth_core.conftest import PIN_HOLDER, House, is_in


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def why(house: House) -> str:
    with pytest.raises(AuthError) as caught:
        await house.open()
    message = str(caught.value)
    assert "\n" not in message
    return message


async def test_a_missing_pepper_refuses_to_start_and_is_never_made_again(house: House) -> None:
    house.settings.pepper_file.unlink()
    assert "pepper.key: the pepper is missing; restore" in await why(house)
    with pytest.raises(AuthError, match="missing"):
        await migrate(house.settings)
    assert not house.settings.pepper_file.exists()


@pytest.mark.parametrize("name", ["pepper.key", "outbox.key"])
async def test_another_key_refuses_to_start(house: House, name: str) -> None:
    file = house.folder / "var" / name
    file.write_text(f"1:{'ab' * 32}\n")
    assert "not the" in await why(house)


@pytest.mark.sqlite_only("of key files")
@pytest.mark.parametrize("content", ["", "\n", "1:zz\n", "x:00\n", "1:00\n", "7\n", "é\n"])
async def test_a_damaged_key_file_refuses_to_start(house: House, content: str) -> None:
    house.settings.pepper_file.write_text(content)
    assert "pepper" in await why(house)


@pytest.mark.sqlite_only("of key files")
async def test_a_key_that_others_may_read_refuses_to_start(house: House) -> None:
    house.settings.pepper_file.chmod(0o644)
    assert "chmod 600" in await why(house)


async def test_no_database_refuses_to_start(tmp_path: Path) -> None:
    house = House(tmp_path, AuthSettings().relative_to(tmp_path))
    assert "run auth-core migrate" in await why(house)
    assert not files_in(tmp_path)


@pytest.mark.sqlite_only("of the file")
async def test_a_file_that_is_no_database_refuses_to_start(house: House) -> None:
    (house.folder / "var" / "auth.db").write_bytes(b"not a database" * 100)
    assert "cannot be used" in await why(house)


@pytest.mark.sqlite_only("of the file")
async def test_a_server_that_is_not_there_refuses_to_start(house: House) -> None:
    url = f"postgresql+psycopg://nobody@/auth?host={house.folder}"
    house.settings = house.settings.model_copy(update={"database_url": url})
    assert "cannot be used" in await why(house)


async def test_a_database_of_another_version_refuses_to_start(house: House) -> None:
    await house.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "another version; run auth-core migrate" in await why(house)


async def test_a_newer_database_is_neither_served_nor_migrated(house: House) -> None:
    await house.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "restore the backup" in await why(house)
    with pytest.raises(AuthError, match="restore the backup"):
        await migrate(house.settings)


async def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    with pytest.raises(AuthError, match="cannot be used"):
        await migrate(AuthSettings().relative_to(tmp_path))


async def test_migrating_again_changes_nothing(house: House) -> None:
    await migrate(house.settings)
    core = await house.open()
    assert await is_in(core, PIN_HOLDER, "4821")
    await core.close()


@pytest.mark.sqlite_only("of the file")
async def test_files_are_for_their_owner_alone(house: House) -> None:
    core = await house.open()
    await is_in(core, PIN_HOLDER, "4821")
    modes = {file.name: file.stat().st_mode & 0o077 for file in (house.folder / "var").iterdir()}
    await core.close()
    assert len(modes) >= 4  # the write-ahead log included
    assert set(modes.values()) == {0}


@pytest.mark.sqlite_only("of its settings")
async def test_the_database_is_durable_and_keeps_its_keys(house: House) -> None:
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        values = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    await database.close()
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


async def test_the_migrations_make_the_tables_and_unmake_them(house: House) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        assert await connection.run_sync(differences) == []
        await connection.run_sync(schema.downgrade)
        assert await connection.run_sync(schema.revision) is None
        await connection.run_sync(schema.upgrade)
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(schema.revision) == schema.newest()
    await database.close()


def test_a_server_that_starts_does_not_wait_for_what_only_some_need() -> None:
    slow = {"alembic", "httpx", "cryptography.x509"}
    program = f"import sys, ivr.start; sys.exit(not {slow}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""Transactions that have a thread to themselves: undone, abandoned, or beaten by another."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.model import FileStatus
from auth_core.store import changes, tables
from auth_core.store.database import Database
from auth_core.store.prepared import Prepared
from tests.auth_core.conftest import House

files = tables.case_files
ONE, OTHER = "demo-751-0123456", "demo-131-0345678"
_STATUS = Prepared(select(files.c.status).where(files.c.id == bindparam("of_file")))
_SET_STATUS = Prepared(
    update(files).where(files.c.id == bindparam("of_file")).values(status=bindparam("new"))
)


@pytest_asyncio.fixture
async def database(house: House) -> AsyncIterator[Database]:
    opened = Database(house.settings.database_url)
    yield opened
    await opened.close()


async def status(database: Database, file_id: str = ONE) -> str:
    async def work(connection: AsyncConnection) -> str:
        return str((await _STATUS.row(connection, of_file=file_id)).status)

    return await database.run_apart(work)


@pytest.mark.parametrize("prepared", [True, False])
async def test_what_raises_is_undone_and_the_next_goes_on(
    database: Database, prepared: bool
) -> None:
    async def fail(connection: AsyncConnection) -> None:
        if prepared:
            await _SET_STATUS.run(connection, of_file=ONE, new="applicant")
        else:
            await changes.set_status(connection, ONE, FileStatus.APPLICANT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.run_apart(fail)
    assert await status(database) == "affiliated"


async def test_abandoned_by_its_task_it_is_done_all_the_same(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def work(connection: AsyncConnection) -> None:
        begun.set()
        go_on.wait(10)
        await _SET_STATUS.run(connection, of_file=ONE, new="applicant")

    task = asyncio.create_task(database.run_apart(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    for _ in range(100):
        if await status(database) == "applicant":
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the transaction was lost")


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_who_loses_a_deadlock_begins_again(database: Database, database_kind: str) -> None:
    both_hold_one = threading.Barrier(2)

    async def set_both(first: str, second: str, new: str) -> int:
        attempts = 0

        async def work(connection: AsyncConnection) -> None:
            nonlocal attempts
            attempts += 1
            await _SET_STATUS.run(connection, of_file=first, new=new)
            if attempts == 1:
                both_hold_one.wait(10)
            await _SET_STATUS.run(connection, of_file=second, new=new)

        await database.run_apart(work)
        return attempts

    attempts = await asyncio.gather(
        set_both(ONE, OTHER, "applicant"), set_both(OTHER, ONE, "affiliated")
    )
    assert sorted(attempts) == [1, 2]
    assert await status(database, ONE) == await status(database, OTHER)

"""The connection to the database, and all that depends on which one it is.

SQLite: write-ahead log, `synchronous=FULL` (a try charged is on the disk before its hash begins),
foreign keys, `secure_delete` (what is erased is gone from the file), and every transaction begins
as a writer, so that what it read is still true when it writes. PostgreSQL: read committed, and
whoever changes what belongs to a file holds that file's row (`repository.find_file`,
`repository.generation_of`).
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, create_engine, event, literal, select
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from auth_core.errors import AuthError
from auth_core.store import prepared, schema, sqlite

SQLITE_BUSY_TIMEOUT_MS = 10_000
SQLITE_PRAGMAS = (
    f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
)
SERVER_THREADS = 8
"""Transactions under way at once in threads of their own, where the database has a server."""
_LOST_RACES = frozenset({"40001", "40P01"})
"""SQLSTATE of a transaction that PostgreSQL ended for another's sake: serialisation, deadlock."""

_ASIDE_MS = 50, 150

T = TypeVar("T")


class Conflict(Exception):  # noqa: N818 - the loser of a race, which begins again
    """A row was changed since it was read: the conditional UPDATE touched nothing."""


class Database:
    """An engine, and transactions on it."""

    def __init__(self, url: str) -> None:
        """Raises AuthError for a kind of database that is not installed."""
        try:
            self.url: URL = make_url(url)
            # An error must not tell what was being written.
            options: dict[str, Any] = {"hide_parameters": True}
            self._near: Engine = _near_engine(self.url, options)
            if self.file is not None:
                options["async_creator"] = partial(sqlite.connect, self.file)
            self._engine: AsyncEngine = create_async_engine(self.url, **options)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise AuthError(
                f"database_url: {error}; give one such as sqlite+aiosqlite:///var/auth.db"
            ) from error
        # SQLite has one writer at a time and no queue for it: ours is fair, its retries are not.
        self._writer: contextlib.AbstractAsyncContextManager[Any] = contextlib.nullcontext()
        self._apart: sqlite.WriterThread | _ServerThreads
        if self.file is None:
            self._apart = _ServerThreads(self._near)
            return
        self._writer = asyncio.Lock()
        for engine in (self._engine.sync_engine, self._near):
            event.listen(engine, "connect", _set_up_sqlite)
        event.listen(self._engine.sync_engine, "begin", _begin_sqlite_writer)
        self._apart = sqlite.WriterThread(self._near)

    @property
    def file(self) -> Path | None:
        """The database's file; None when it is not SQLite."""
        is_sqlite = self.url.get_backend_name() == "sqlite"
        return Path(self.url.database) if is_sqlite and self.url.database else None

    def __str__(self) -> str:
        return str(self.file) if self.file is not None else self.url.render_as_string()

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back by an exception."""
        async with self._writer, self._engine.begin() as connection:
            yield connection

    async def run(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do `work` in one transaction; again, from its reads on, as often as it loses a race.

        Each loss is another's gain, so somebody always gets on. Whom the server ended for another's
        sake steps aside first: who began again at once could take what the other waits for.
        """
        while True:
            try:
                async with self.begin() as connection:
                    return await work(connection)
            except Conflict:
                continue
            except Exception as error:
                if not _lost_race(error):
                    raise
                await asyncio.sleep(_aside())

    async def run_apart(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """As `run`, in a thread of the database's: one hand-over for the whole transaction, and
        `Prepared` statements go to the driver itself. `work` awaits nothing but its connection.
        """
        while True:
            try:
                async with self._writer:
                    return cast(T, await self._apart.do(partial(prepared.done_here, work)))
            except Conflict:
                continue
            except Exception as error:
                if not _lost_race(error):
                    raise
                await asyncio.sleep(_aside())

    async def migrate(self) -> None:
        """Bring the schema to the newest revision, creating an SQLite file where there is none."""
        with self._plain_errors():
            if self.file is not None:
                _create_private(self.file)
            async with self.begin() as connection:
                self._refuse_newer(await connection.run_sync(schema.revision))
                await connection.run_sync(schema.upgrade)

    async def check_schema(self) -> None:
        """Raise AuthError unless the database is there, can be written and is up to date."""
        if self.file is not None and not self.file.exists():
            raise AuthError(f"{self}: no database; run auth-core migrate")
        with self._plain_errors():
            async with self.begin() as connection:
                revision = await connection.run_sync(schema.revision)
        if revision is None:
            raise AuthError(f"{self}: an empty database; run auth-core migrate")
        self._refuse_newer(revision)
        if revision != schema.newest():
            raise AuthError(f"{self}: the database is of another version; run auth-core migrate")

    def _refuse_newer(self, revision: str | None) -> None:
        if revision is not None and revision > schema.newest():
            raise AuthError(
                f"{self}: the database is of another version, newer than this one; "
                "install the newer, or restore the backup from before it"
            )

    async def check_reachable(self) -> None:
        """Raise AuthError unless a transaction can be begun and ended just now."""
        with self._plain_errors():
            async with self.begin() as connection:
                await connection.execute(select(literal(1)))

    async def close(self) -> None:
        self._apart.close()
        self._near.dispose()
        await self._engine.dispose()

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            reason = str(error.orig).partition("\n")[0]
            raise AuthError(
                f"{self}: the database cannot be used ({reason}); "
                "check auth.database_url and the rights of its folder"
            ) from error
        except OSError as error:
            raise AuthError(
                f"{self}: the database cannot be used ({error.strerror}); "
                "check auth.database_url and the rights of its folder"
            ) from error


class _ServerThreads:
    """Threads for transactions that wait for a server; each borrows a connection of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(SERVER_THREADS, thread_name_prefix="database")

    async def do(self, transaction: Callable[[Connection], T]) -> T:
        """Commit what `transaction` does, and return what it returns; an exception of its own
        rolls it back."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._done, transaction)

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _done(self, transaction: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return transaction(connection)


def _aside() -> float:
    """Seconds to wait after a lost race, at random, lest two go on losing to each other in step."""
    least, most = _ASIDE_MS
    return (least + secrets.randbelow(most - least)) / 1000


def _near_engine(url: URL, options: dict[str, Any]) -> Engine:
    """The same database, for use within a thread."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=SERVER_THREADS, **options)
    # No transaction but those that we begin.
    arguments = {"isolation_level": None, "check_same_thread": False}
    return create_engine(url.set(drivername="sqlite"), connect_args=arguments, **options)


def _lost_race(error: Exception) -> bool:
    """Whether the database ended a transaction for another's sake; a `Prepared` statement raises
    what the driver raises, others that in an envelope."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) in _LOST_RACES


def _create_private(file: Path) -> None:
    """An empty file that its owner alone may read; SQLite gives its log the same rights."""
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite_writer(connection: Connection) -> None:
    # The driver would begin by itself, and too late: as a reader.
    connection.exec_driver_sql("BEGIN IMMEDIATE")

"""SQLite beside the event loop: only what may wait leaves it.

The asynchronous driver hands every call to a thread of its own: four hand-overs for one SELECT,
some seventy for one login, each dearer than the statement. A statement on an open transaction takes
microseconds and cannot wait; what can wait is to begin (another writer), to commit (the disk) and
to open or close. So those go to the driver's thread and the rest is done at once.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, cast

import aiosqlite
from sqlalchemy import Connection, Engine

_WAITS = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")


class NearConnection(aiosqlite.Connection):
    """A connection that runs statements where they are asked for, in order with what waits."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            lambda: sqlite3.connect(file, isolation_level=None, check_same_thread=False),
            iter_chunk_size=64,
        )
        self._thread.daemon = True
        self._under_way = 0
        self._counting = Lock()

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._under_way == 0 and self._is_quick(fn, args):
            return fn(*args, **kwargs)
        # Abandoned by its task it is under way all the same, until the thread is done with it.
        with self._counting:
            self._under_way += 1
        return await super()._execute(self._counted, fn, *args, **kwargs)  # type: ignore[no-untyped-call]

    def _counted(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        finally:
            with self._counting:
                self._under_way -= 1

    def _is_quick(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> bool:
        owner = getattr(fn, "__self__", None)
        if isinstance(owner, sqlite3.Connection):
            return fn == owner.cursor
        statement = args[0] if args and isinstance(args[0], str) else ""
        return isinstance(owner, sqlite3.Cursor) and not statement.startswith(_WAITS)


async def connect(file: Path) -> aiosqlite.Connection:
    """An open connection; made by the engine of `database.py`."""
    return await NearConnection(file)


class WriterThread:
    """One thread that does whole transactions, one after the other, on a connection that it keeps.

    To hand one over costs half of what an executor takes for it. To lend a connection, to begin and
    to end on it would cost SQLAlchemy more than the statements of a login do; so it is kept open,
    and begun and ended on the driver itself.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Connection | None = None
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="database", daemon=True)
        self._thread.start()

    async def do(self, transaction: Callable[[Connection], Any]) -> Any:
        """Commit what `transaction` does, and return what it returns; an exception of its own
        rolls it back. Abandoned by its task it is done all the same."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._orders.put((transaction, loop, done))
        return await done

    def close(self) -> None:
        """Do what was handed over before, then let go of the connection."""
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while order := self._orders.get():
            transaction, loop, done = order
            try:
                tell = partial(_tell, done, asyncio.Future.set_result, self._done(transaction))
            except BaseException as error:
                tell = partial(_tell, done, asyncio.Future.set_exception, error)
            # A loop that has ended meanwhile has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell)
        if self._kept is not None:
            self._kept.close()

    def _done(self, transaction: Callable[[Connection], Any]) -> Any:
        connection = self._kept = self._kept or self._engine.connect()
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        driver.execute("BEGIN IMMEDIATE")
        try:
            result = transaction(connection)
            # What SQLAlchemy takes for its own transaction, where it ran a statement, is this one.
            (connection if connection.in_transaction() else driver).commit()
        except BaseException:
            self._kept = None
            with contextlib.closing(connection):
                driver.rollback()
            raise
        return result


_Order = tuple[Callable[[Connection], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


def _tell(done: "asyncio.Future[Any]", how: Callable[..., None], what: object) -> None:
    if not done.done():
        how(done, what)

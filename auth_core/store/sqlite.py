"""SQLite beside the event loop: only what may wait leaves it.

The asynchronous driver hands every call to a thread of its own: four hand-overs for one SELECT,
some seventy for one login, each dearer than the statement. A statement on an open transaction takes
microseconds and cannot wait; what can wait is to begin (another writer), to commit (the disk) and
to open or close. So those go to the driver's thread and the rest is done at once.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import aiosqlite

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

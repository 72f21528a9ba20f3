"""Statements that every login runs: compiled once, and run on the driver itself.

SQLAlchemy takes ten times as long over a short statement as the database does. What is asked for
at every login is therefore written once, with its parameters named, and where the work has a thread
to itself (`Database.run_apart`) it goes straight to the driver's cursor; SQLAlchemy's types still
make and read the values. On any other connection the same statement runs as all others do.
"""

from collections import namedtuple
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.engine import CursorResult, ScalarResult
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

T = TypeVar("T")
_Processor = Callable[[Any], Any] | None


class Prepared:
    """One statement; every parameter is a `bindparam` with a name."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    async def rows(self, connection: AsyncConnection, **values: Any) -> Sequence[Any]:
        """What it selects, or returns: rows with an attribute for each column."""
        if isinstance(connection, _ThreadConnection):
            return self._on(connection).rows(connection.cursor, values)
        return (await connection.execute(self.statement, values)).all()

    async def row(self, connection: AsyncConnection, **values: Any) -> Any:
        """The one row that it selects, or None."""
        if isinstance(connection, _ThreadConnection):
            return self._on(connection).row(connection.cursor, values)
        return (await connection.execute(self.statement, values)).one_or_none()

    async def run(self, connection: AsyncConnection, **values: Any) -> int:
        """Run it for what it does; return how many rows it did it to."""
        if isinstance(connection, _ThreadConnection):
            return self._on(connection).run(connection.cursor, values)
        return (await connection.execute(self.statement, values)).rowcount

    def _on(self, connection: "_ThreadConnection") -> "_Compiled":
        compiled = self._compiled.get(connection.dialect_name)
        if compiled is None:
            compiled = _Compiled(self.statement, connection.near.dialect)
            self._compiled[connection.dialect_name] = compiled
        return compiled


class _ThreadConnection:
    """Looks like an `AsyncConnection` to work that awaits nothing else, and never suspends it."""

    def __init__(self, near: Connection) -> None:
        self.near = near
        self.dialect_name = near.dialect.name
        self.cursor = near.connection.cursor()

    async def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        return self.near.execute(statement, values)

    async def scalar(self, statement: Executable, values: Any = None) -> Any:
        return self.near.scalar(statement, values)

    async def scalars(self, statement: Executable, values: Any = None) -> ScalarResult[Any]:
        return self.near.scalars(statement, values)


def done_here(work: Callable[[AsyncConnection], Awaitable[T]], near: Connection) -> T:
    """Do `work` on `near` in this thread, to its end. It may await nothing but its connection."""
    connection = _ThreadConnection(near)
    coroutine = cast(Coroutine[Any, Any, T], work(cast(AsyncConnection, connection)))
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    finally:
        connection.cursor.close()
        coroutine.close()
    raise RuntimeError("the work of a transaction awaited something else than its connection")


class _Compiled:
    """A statement in one database's words, and what turns values into and out of them."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = cast(ClauseElement, statement).compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what a statement compiles to
        self._text = str(compiled)
        self._by_position = compiled.positiontup is not None
        self._binders: list[tuple[str, _Processor]] = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or compiled.binds
        ]
        columns = list(getattr(statement, "exported_columns", ()))
        self._row: Any = namedtuple("_row", [column.name for column in columns])  # type: ignore[misc]
        readers = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]
        self._readers = [(n, reader) for n, reader in enumerate(readers) if reader is not None]

    def run(self, cursor: Any, values: Mapping[str, Any]) -> int:
        self._execute(cursor, values)
        return int(cursor.rowcount)

    def row(self, cursor: Any, values: Mapping[str, Any]) -> Any:
        self._execute(cursor, values)
        row = cursor.fetchone()
        return None if row is None else self._read(row)

    def rows(self, cursor: Any, values: Mapping[str, Any]) -> list[Any]:
        self._execute(cursor, values)
        return [self._read(row) for row in cursor.fetchall()]

    def _execute(self, cursor: Any, values: Mapping[str, Any]) -> None:
        bound = [
            values[name] if binder is None else binder(values[name])
            for name, binder in self._binders
        ]
        if self._by_position:
            cursor.execute(self._text, bound)
        else:
            names = (name for name, _ in self._binders)
            cursor.execute(self._text, dict(zip(names, bound, strict=True)))

    def _read(self, row: Sequence[Any]) -> Any:
        if not self._readers:
            return self._row._make(row)
        values = list(row)
        for n, reader in self._readers:
            values[n] = reader(values[n])
        return self._row._make(values)

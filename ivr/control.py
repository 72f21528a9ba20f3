"""The way to a running server for commands of the same machine, such as `ivr reload`.

A Unix socket that only the server's user may open; a command in one line, an answer in one line of
JSON.
"""

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Commands = Mapping[str, Callable[[], Awaitable[Answer]]]

MAX_COMMAND = 1_000  # bytes
PATIENCE = 60.0
"""Seconds in which an answer comes: a reload may wait for a message that is being sent."""


class NobodyThere(Exception):  # noqa: N818 - told in one line
    """No server listens there."""


@contextlib.asynccontextmanager
async def listening(file: Path, commands: Commands) -> AsyncIterator[None]:
    """Obey `commands` at the socket `file` while this is entered. Raises OSError, with EADDRINUSE
    where another server answers there."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, ValueError):
            asked = (await reader.readline()).decode("ascii", "replace").strip()
            if asked in commands:
                answer = await commands[asked]()
            else:
                answer = {"error": f"no such command; there are {', '.join(sorted(commands))}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    file.parent.mkdir(parents=True, exist_ok=True)
    with _reachable(file) as path:
        _clear_away(path)
        ours = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            ours.bind(path)
        finally:
            os.umask(before)
    server = await asyncio.start_unix_server(obey, sock=ours, limit=MAX_COMMAND)
    try:
        yield
    finally:
        server.close()
        with _reachable(file) as path:
            os.unlink(path)  # noqa: PTH108


def ask(file: Path, command: str) -> Answer:
    """What the server at the socket `file` answers. Blocks. Raises `NobodyThere`."""
    with _reachable(file) as path, socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(PATIENCE)
        try:
            ours.connect(path)
            ours.sendall(command.encode("ascii") + b"\n")
            with ours.makefile("rb") as answers:
                answer: Answer = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            raise NobodyThere(getattr(error, "strerror", None) or "no answer") from error
    return answer


def _clear_away(path: str) -> None:
    """Remove the socket of a server that is no more; the one of a live one stays."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 - a path of a descriptor
            return  # some other file: `bind` says that the address is in use
        with socket.socket(socket.AF_UNIX) as other:
            if other.connect_ex(path) != errno.ECONNREFUSED:
                return
        os.unlink(path)  # noqa: PTH108


@contextlib.contextmanager
def _reachable(file: Path) -> Iterator[str]:
    """A name of `file` that fits into the address of a socket, however deep it lies."""
    try:
        folder = os.open(file.parent, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise NobodyThere(error.strerror) from error
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)

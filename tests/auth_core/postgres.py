"""A real PostgreSQL that lives as long as the tests: in a temporary folder, on a Unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

BINARIES = Path("/usr/lib/postgresql")
UNPRIVILEGED = "nobody"
USER = "tests"
FIRST_WITH_STRATEGIES = 150_000
# What is lost with the machine is lost with the test: no waiting for the disk.
SERVER_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. `socket`: the folder of its Unix socket."""

    socket: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.socket}"

    def create(self, database: str, template: str = "template0") -> str:
        """A new database, a copy of `template`; returns its URL."""
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(database), sql.Identifier(template)
        )
        with self._connected() as connection:
            if connection.info.server_version >= FIRST_WITH_STRATEGIES:
                command += sql.SQL(" STRATEGY FILE_COPY")  # a quarter of the other's time
            connection.execute(command)
        return self.url(database)

    def stores(self, database: str) -> tuple[Path, ...]:
        """The folders of the database's files, and of the log of what was written."""
        with self._connected() as connection:
            query = "SELECT oid FROM pg_database WHERE datname = %s"
            (oid,) = connection.execute(query, [database]).fetchone() or (None,)
        data = self.socket / "data"
        return data / "base" / str(oid), data / "pg_wal"

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with self._connected() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
            )

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(f"host={self.socket} user={USER} dbname=postgres", autocommit=True)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster, start it, and leave nothing of it behind."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path has room for 107 bytes
    user = None
    if os.geteuid() == 0:  # the server refuses to run as root
        user = UNPRIVILEGED
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = folder / "data"
    try:
        _run(user, "initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8")
        server = f"{SERVER_OPTIONS} -c unix_socket_directories={folder}"
        _run(user, "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", server, "start")
        try:
            yield Cluster(folder)
        finally:
            _run(user, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _run(user: str | None, program: str, *arguments: str | Path) -> None:
    folders = sorted(BINARIES.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not folders:
        raise FileNotFoundError(f"no PostgreSQL under {BINARIES}; run scripts/peers.sh")
    subprocess.run(
        [folders[-1] / program, *arguments],
        user=user,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )

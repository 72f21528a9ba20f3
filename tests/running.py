"""A voice server under test: the real `ivr serve` in a process and a folder of its own."""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from auth_core.demo import DemoFile, lay_down
from auth_core.installation import migrate
from auth_core.service import utc_now
from auth_core.settings import load_settings

PROJECT = Path(__file__).parent.parent
READY_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


def write_config(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """The project's own `config.yaml` in `folder`, on 127.0.0.1 and free ports, with `changes`.

    `changes` has dotted keys: {"auth.failure_floor": 0.1}.
    """
    config = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    settings = {
        "sip.host": "127.0.0.1",
        "sip.port": 0,
        "sip.max_late_ticks": 50,  # a machine busy with other tests refuses no call
        "console.port": 0,
        "portal.port": 0,
        "media.workers": 1,
        "media.port_range": [0, 0],
        "prompts": str(PROJECT / "prompts"),
        "dialplans": str(PROJECT / "dialplans"),
        **(changes or {}),
    }
    for dotted, value in settings.items():
        *parents, key = dotted.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = value
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return file


def command(name: str) -> str:
    """The path of one of the project's commands, beside the Python that runs the tests."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


async def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


@dataclass(frozen=True)
class Prepared:
    """A folder whose `var/` holds a database with files in it, and its keys."""

    folder: Path

    def copy_to(self, folder: Path) -> None:
        """Give another folder the same database and keys."""
        shutil.copytree(self.folder / "var", folder / "var")


def prepare(folder: Path, files: Iterable[DemoFile]) -> Prepared:
    """Make a database in `folder` that holds `files`, in a thread of its own: any caller may."""
    settings = load_settings(write_config(folder))

    async def make() -> None:
        await migrate(settings)
        await lay_down(settings, utc_now, files)

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(make())).result()
    return Prepared(folder)


@dataclass
class RunningServer:
    """A server that is up. `folder` holds its config, database, records and log."""

    folder: Path
    config: Path
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    lines: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)

    @property
    def port(self) -> int:
        """The UDP port of the signalling."""
        udp = next(address for address in self.ready["sip"] if address.startswith("udp:"))
        return int(udp.rsplit(":", 1)[1])

    @property
    def tcp_port(self) -> int:
        tcp = next(address for address in self.ready["sip"] if address.startswith("tcp:"))
        return int(tcp.rsplit(":", 1)[1])

    @property
    def tls_port(self) -> int:
        tls = next(address for address in self.ready["sip"] if address.startswith("tls:"))
        return int(tls.rsplit(":", 1)[1])

    def uri(self, line: str, transport: str = "udp") -> str:
        """The SIP URI that reaches `line` here."""
        if transport == "tcp":
            return f"sip:{line}@127.0.0.1:{self.tcp_port};transport=tcp"
        if transport == "tls":
            return f"sip:{line}@127.0.0.1:{self.tls_port};transport=tls"
        return f"sip:{line}@127.0.0.1:{self.port}"

    def records(self) -> list[dict[str, Any]]:
        """The call records written so far."""
        file = self.folder / "var" / "records.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    async def record_number(self, number: int, timeout: float = 10.0) -> dict[str, Any]:
        """The `number`th record (from 1), waiting until it is written."""
        async with asyncio.timeout(timeout):
            while len(records := self.records()) < number:
                await asyncio.sleep(0.05)
        return records[number - 1]

    def log(self) -> str:
        return (self.folder / "server.log").read_text(encoding="utf-8")

    async def state(self) -> dict[str, Any]:
        """What the server holds just now, as it tells on SIGUSR1."""
        self.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(5.0):
            return await self.lines.get()

    async def settled(self, timeout: float = 45.0) -> dict[str, Any]:
        """Wait until nothing of any call is left; return the last state, settled or not.

        The default covers the 32 s that a finished transaction stays to absorb retransmissions.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not is_empty(state := await self.state()):
                    await asyncio.sleep(0.5)
        return state


def is_empty(state: Mapping[str, Any]) -> bool:
    """Whether a state tells that nothing of any call is left: signalling, tasks, sound."""
    counts = ("calls", "tasks", "dialogs", "server_transactions", "client_transactions")
    return all(state[count] == 0 for count in counts) and all(
        worker["calls"] == 0 and worker["ports"] == 0 for worker in state["media"]
    )


@contextlib.asynccontextmanager
async def running_server(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningServer]:
    """Run `ivr serve` on a config in `folder`, whose database stands already; stop it after."""
    config = write_config(folder, changes)
    arguments = (command("ivr"), "serve", "--config", str(config))
    log = folder / "server.log"
    async with _serving(arguments, log, signal.SIGINT, environment) as (process, lines, ready):
        server = RunningServer(folder, config, process, ready)
        reader = asyncio.create_task(_read_lines(lines, server.lines))
        yield server
        reader.cancel()


@contextlib.asynccontextmanager
async def _serving(
    arguments: Sequence[str],
    log_file: Path,
    stop: signal.Signals,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader, dict[str, Any]]]:
    """A program that is up, what it prints from then on, and its ready line; ended by `stop`.

    `environment`: beside our own.
    """
    full = {**os.environ, **(environment or {})}
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdout=asyncio.subprocess.PIPE, stderr=log, env=full
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            first = await process.stdout.readline()
        if not first:
            raise AssertionError(_text(log_file))
        yield process, process.stdout, json.loads(first)
    finally:
        if process.returncode is None:
            process.send_signal(stop)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


@dataclass(frozen=True)
class RunningPortal:
    """A portal that is up, and where."""

    address: str
    process: asyncio.subprocess.Process
    log_file: Path

    def log(self) -> str:
        return _text(self.log_file)


@contextlib.asynccontextmanager
async def running_portal(
    folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningPortal]:
    """Run `portal serve` on the config that stands in `folder`; stop it after."""
    arguments = (command("portal"), "serve", "--config", str(folder / "config.yaml"))
    log_file = folder / "portal.log"
    async with _serving(arguments, log_file, signal.SIGTERM, environment) as (process, _, ready):
        yield RunningPortal(ready["portal"], process, log_file)


async def _read_lines(stream: asyncio.StreamReader, lines: "asyncio.Queue[dict[str, Any]]") -> None:
    async for line in stream:
        lines.put_nowait(json.loads(line))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")

"""The server that is measured: `ivr serve` in a folder of its own, or any other by its address."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from auth_core.demo import DEMO_FILES
from benchmarks.processes import Processes, ProcessGone, with_children
from tests.running import Prepared, RunningServer, prepare, running_server

LINE = "0810257510"
LOGIN_FILES = 100
SLOW_STEP = 0.01  # s
_PASSWORD_HOLDER = DEMO_FILES[1]

_Figures = TypeVar("_Figures")


@dataclass(frozen=True, slots=True)
class Login:
    """What a caller keys to come in."""

    matricule: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A server to ring. `logins`: files that callers can come in to; `ready_in`: seconds from its
    start to its ready line, None where it ran before we came; `own`: one that we started."""

    address: tuple[str, int]
    line: str
    processes: Processes
    logins: tuple[Login, ...] = ()
    ready_in: float | None = None
    own: RunningServer | None = None

    def slow_steps(self) -> int | None:
        """Steps of the event loop so far that took longer than `SLOW_STEP`; None of a peer."""
        if self.own is None:
            return None
        with urllib.request.urlopen(f"{self.own.ready['console']}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        buckets = {
            sample.labels["le"]: sample.value
            for family in families
            if family.name == "ivr_loop_step_seconds"
            for sample in family.samples
            if "le" in sample.labels
        }
        return round(buckets["+Inf"] - buckets[str(SLOW_STEP)])


def prepare_files(folder: Path) -> Prepared:
    """A database with the demo file and `LOGIN_FILES` files with a password, hashed as in force."""
    files = [
        replace(_PASSWORD_HOLDER, matricule=login.matricule, secret=login.secret, mobile=None)
        for login in _logins()
    ]
    return prepare(folder, [*DEMO_FILES, *files])


def _logins() -> tuple[Login, ...]:
    return tuple(Login(f"{2_000_000 + n}", f"{49_205_817 + 1_001 * n}") for n in range(LOGIN_FILES))


@contextlib.asynccontextmanager
async def own_server(prepared: Prepared, changes: Mapping[str, Any]) -> AsyncIterator[Target]:
    """Start `ivr serve` on a copy of what was prepared, with `changes` to its config."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared.copy_to(folder)
        start = time.monotonic()
        async with running_server(folder, {"log.level": "error", **changes}) as server:
            ready_in = time.monotonic() - start
            pids = {"front": [server.ready["pid"]], "media": server.ready["media_workers"]}
            yield Target(
                ("127.0.0.1", server.port), LINE, Processes(pids), _logins(), ready_in, server
            )


def peer(uri: str, pid: int) -> Target:
    """A server that runs already, "sip:LINE@HOST:PORT", and its process. Raises ValueError."""
    line, _, address = uri.removeprefix("sip:").partition("@")
    host, _, port = address.partition(":")
    if not (line and host and port.isdigit()):
        raise ValueError(f"{uri!r} is not like sip:LINE@HOST:PORT")
    return Target((host, int(port)), line, Processes({"server": with_children(pid)}))


def roomy(calls: int) -> dict[str, Any]:
    """What the config needs for so many calls at once: none of them is to be refused."""
    return {
        "sip.max_calls": calls + 10,
        "sip.max_cps": 1_000,
        "sip.max_late_ticks": 1_000,
        "sip.max_busy": 1.0,
        "sip.shares.known": 50_000,
    }


def target_options(parser: argparse.ArgumentParser) -> None:
    """The options that `chosen_target` reads."""
    parser.add_argument("--peer", help="a server that runs already: sip:LINE@HOST:PORT")
    parser.add_argument("--pid", type=int, help="its process; those that it started count too")
    set_option(parser)


def set_option(parser: argparse.ArgumentParser) -> None:
    """The option that `settings_of` reads."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a key of config.yaml for a server of our own: media.workers=2",
    )


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What `--set` asks for. Raises ValueError."""
    pairs = [text.partition("=") for text in options.set]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise ValueError(f"--set {wrong[0]}: write KEY=VALUE")
    return {key: yaml.safe_load(value) for key, _, value in pairs}


@contextlib.asynccontextmanager
async def chosen_target(
    options: argparse.Namespace, folder: Path, changes: Mapping[str, Any]
) -> AsyncIterator[Target]:
    """The peer that the options name, or a server of our own, prepared in `folder`, with `changes`.

    Raises ValueError: options that don't fit.
    """
    if (options.peer is None) != (options.pid is None):
        raise ValueError("--peer and --pid go together")
    if options.peer is not None:
        yield peer(options.peer, options.pid)
        return
    prepared = await asyncio.to_thread(prepare_files, folder)
    async with own_server(prepared, {**changes, **settings_of(options)}) as target:
        yield target


def measured(parser: argparse.ArgumentParser, measuring: Coroutine[Any, Any, _Figures]) -> _Figures:
    """What a measurement finds. Options that don't fit, and a server that went away while it was
    measured, end the program with a line that says so."""
    try:
        return asyncio.run(measuring)
    except ValueError as error:
        parser.error(str(error))
    except ProcessGone as gone:
        sys.exit(f"{gone}: nothing to conclude.")

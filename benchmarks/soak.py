"""Short calls by the hundred thousand: at the end no more is held than after the first thousand.

`python -m benchmarks.soak --calls 100000` starts `ivr serve` in a folder of its own, lets sipp ring
it and hang up, and looks at the server when nothing of any call is left: after the first thousand,
then after each quarter. Prints a table (JSON with `--json`); exits with 1 when a call failed, when
something is held that was not, or when memory differs by more than a twentieth.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.running import RunningServer, command, is_empty, run, running_server, write_config

LINE = "0810257510"
SCENARIO = Path(__file__).parent.parent / "tests/sip/scenarios/uac_call.xml"
FIRST = 1_000
PARTS = 4
LISTENS = 150  # ms that a caller stays
AT_ONCE = 1_500
SETTLES_IN = 120.0  # s; the last transaction goes after 32, a port rests after that
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """What the server holds when all is quiet, all its processes together; memory in KB."""

    calls_so_far: int
    failed: int
    calls: int
    tasks: int
    dialogs: int
    transactions: int
    ports: int
    descriptors: int
    threads: int
    memory_kb: int

    def same_as(self, first: "Look") -> bool:
        """Whether nothing was gathered since the first look."""
        held = ("failed", "calls", "tasks", "dialogs", "transactions", "ports", "descriptors",
                "threads")  # fmt: skip
        return all(getattr(self, name) == getattr(first, name) for name in held) and (
            abs(self.memory_kb - first.memory_kb) <= TOLERANCE * first.memory_kb
        )


async def soak(calls: int, rate: int) -> list[Look]:
    """Ring `calls` times, `rate` a second; the looks on the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = {"sip.max_calls": AT_ONCE, "sip.max_cps": 10 * rate, "log.level": "error"}
        config = write_config(folder, changes)
        for step in ("migrate", "demo"):
            status, _, error = await run(command("auth-core"), step, "--config", str(config))
            if status:
                raise SystemExit(error)
        async with running_server(folder, changes) as server:
            looks: list[Look] = []
            so_far = failed = 0
            for part in _parts(calls):
                failed += await _ring(server, part, rate)
                so_far += part
                try:
                    looks.append(await _look(server, so_far, failed))
                except OSError as error:
                    raise SystemExit(f"a process is gone ({error}):\n{server.log()}") from error
                print(f"{so_far} calls", file=sys.stderr)
            return looks


def _parts(calls: int) -> list[int]:
    rest = max(0, calls - FIRST)
    parts = [rest // PARTS] * PARTS
    parts[-1] += rest - sum(parts)
    return [min(calls, FIRST), *(part for part in parts if part)]


async def _ring(server: RunningServer, calls: int, rate: int) -> int:
    """Let sipp ring; how many calls failed."""
    process = await asyncio.create_subprocess_exec(
        "sipp",
        f"127.0.0.1:{server.port}",
        *("-sf", str(SCENARIO), "-i", "127.0.0.1", "-s", LINE, "-nostdin"),
        *("-m", str(calls), "-r", str(rate), "-l", str(AT_ONCE), "-d", str(LISTENS)),
        *("-trace_stat", "-stf", "calls.csv", "-fd", "3600"),
        cwd=server.folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
    names, *_, last = (server.folder / "calls.csv").read_text().splitlines()
    return int(dict(zip(names.split(";"), last.split(";"), strict=False))["FailedCall(C)"])


async def _look(server: RunningServer, so_far: int, failed: int) -> Look:
    state = await server.settled(SETTLES_IN)
    if not is_empty(state):
        print(f"not at rest after {SETTLES_IN:.0f} s: {state}", file=sys.stderr)
    processes = [server.ready["pid"], *server.ready["media_workers"]]
    return Look(
        calls_so_far=so_far,
        failed=failed,
        calls=state["calls"],
        tasks=state["tasks"],
        dialogs=state["dialogs"],
        transactions=state["server_transactions"] + state["client_transactions"],
        ports=sum(worker["ports"] for worker in state["media"]),
        descriptors=sum(_entries(f"/proc/{pid}/fd") for pid in processes),
        threads=sum(_entries(f"/proc/{pid}/task") for pid in processes),
        memory_kb=sum(_resident_kb(pid) for pid in processes),
    )


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=200, help="calls started a second")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    looks = asyncio.run(soak(options.calls, options.rate))
    same = looks[-1].same_as(looks[0]) and looks[-1].failed == 0
    if options.json:
        print(json.dumps({"same": same, "looks": [asdict(look) for look in looks]}, indent=2))
    else:
        table = Table("held at rest", *(f"after {look.calls_so_far}" for look in looks))
        for name in asdict(looks[0]):
            if name != "calls_so_far":
                table.add_row(name, *(str(getattr(look, name)) for look in looks))
        Console().print(table)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

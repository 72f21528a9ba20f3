"""Where the time of a server goes that holds N calls: system calls, numpy, Python, hashing.

`python -m benchmarks.profiling --calls 500` holds the calls and looks at the front and at the media
worker, first with perf (Debian: linux-perf; may want root), which tells machine code apart, then
with py-spy, which tells Python functions apart. Shares are of each process's own CPU time; the
last column is that share in milliseconds of CPU per call-second.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.calls import SETTLE, Load, Run, hold
from benchmarks.processes import ProcessGone
from benchmarks.targets import Target, chosen_target, roomy, target_options

RATE = 100.0
PERF_HERTZ = 997
PY_SPY_HERTZ = 199
TOP = 12
_LIBRARIES = {
    "_multiarray_umath": "numpy",
    "openblas": "numpy",
    "libpython": "Python",
    "python3": "Python",
    "_ffi": "argon2",
    "libsqlite3": "SQLite",
    "_sqlite3": "SQLite",
    "libc.so": "libc",
    "libsrtp": "SRTP",
}
_GROUPS = {
    "sendto": "system call: send",
    "sendmsg": "system call: send",
    "sendmmsg": "system call: send",
    "write": "system call: write",
    "recvfrom": "system call: receive",
    "recvmsg": "system call: receive",
    "recvmmsg": "system call: receive",
    "read": "system call: read",
    "epoll_wait": "system call: epoll",
    "epoll_ctl": "system call: epoll",
    "fsync": "system call: fsync",
    "fdatasync": "system call: fsync",
    "futex": "system call: futex",
    "io_uring_enter": "io_uring: the rest",
}


_REQUESTS = {"io_send": "io_uring: send", "io_recv": "io_uring: receive"}


class NoProfiler(Exception):  # noqa: N818 - what the machine lacks
    """A program that this needs is not there, or may not look."""


def kinds(script: str) -> Counter[str]:
    """What `perf script -F ip,sym,dso` tells of: samples by what the processor was at.

    A sample is a block of lines, the innermost function first. In the kernel it is the system call
    that counts, outside the library.
    """
    found: Counter[str] = Counter()
    for block in script.split("\n\n"):
        lines = [line.split(maxsplit=1)[1] for line in block.splitlines() if len(line.split()) > 1]
        if lines:
            found[_kind(lines)] += 1
    return found


def _kind(lines: list[str]) -> str:
    library = lines[0].rpartition("(")[2].rstrip(")")
    if "kernel" not in library and library != "[unknown]":
        name = library.rpartition("/")[2]
        return next((kind for part, kind in _LIBRARIES.items() if part in name), "other libraries")
    callers = [line.split(" ", 1)[0].partition("+")[0] for line in lines]
    for function in callers:
        # What one call of io_uring_enter(2) does for many sockets.
        if function in _REQUESTS:
            return _REQUESTS[function]
        if "_sys_" in function:
            name = function.rpartition("_sys_")[2]
            return _GROUPS.get(name, "system call: other")
    return "kernel, no system call"


def functions(raw: str) -> Counter[str]:
    """What `py-spy record --format raw` tells of: samples by the innermost Python function, but for
    the one in which the loop sleeps. It looks at the clock on the wall, so that a function that
    was put off the processor counts too: a hint, where perf is a measure."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        function = stack.rpartition(";")[2].rpartition(":")[0] + ")"
        if count.isdigit() and not function.startswith("EpollSelector.select"):
            found[function] += int(count)
    return found


async def _perf(pid: int, seconds: float, folder: Path) -> Counter[str]:
    file = folder / f"perf.{pid}"
    await _run(
        *("perf", "record", "-q", "-e", "cpu-clock", "-F", str(PERF_HERTZ), "-g"),
        *("-o", str(file), "-p", str(pid), "--", "sleep", str(seconds)),
    )
    return kinds(await _run("perf", "script", "-i", str(file), "-F", "ip,sym,dso"))


async def _py_spy(pid: int, seconds: float, folder: Path) -> Counter[str]:
    file = folder / f"spy.{pid}"
    program = str(Path(sys.executable).with_name("py-spy"))
    await _run(
        *(program, "record", "--nonblocking", "--format", "raw", "-r", str(PY_SPY_HERTZ)),
        *("-d", str(round(seconds)), "-o", str(file), "-p", str(pid)),
    )
    return functions(file.read_text())


async def _run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise NoProfiler(f"{command[0]} is not installed: Debian's linux-perf, or make bench")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, error = await process.communicate()
    if process.returncode:
        raise NoProfiler(f"{command[0]}: {error.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


Profile = dict[str, dict[str, Counter[str]]]
"""By the part of the server: by "kinds" or "functions": samples."""


async def _profile(target: Target, load: Load, folder: Path) -> tuple[Run, Profile]:
    holding = asyncio.create_task(asyncio.to_thread(hold, target, load))
    await asyncio.sleep(load.calls / load.rate + SETTLE + 1)
    pids = {part: of_part[0] for part, of_part in target.processes.pids.items()}
    seconds = (load.seconds - 4) / 2
    found: Profile = {part: {} for part in pids}
    for what, look in (("kinds", _perf), ("functions", _py_spy)):
        looks = [look(pid, seconds, folder) for pid in pids.values()]
        for part, samples in zip(pids, await asyncio.gather(*looks), strict=True):
            found[part][what] = samples
    return await holding, found


def table_of(title: str, samples: Mapping[str, int], cpu_ms: float) -> Table:
    """Shares of one part, the largest first; `cpu_ms`: what the part costs per call-second."""
    table = Table(title, "share", "ms per call-second")
    total = max(1, sum(samples.values()))
    for name, count in Counter(samples).most_common(TOP):
        table.add_row(name, f"{count / total:.1%}", f"{count / total * cpu_ms:.4f}")
    return table


def tables(run: Run, profile: Profile) -> Iterable[Table]:
    """One for each part and way of looking."""
    for part, looks in profile.items():
        cpu = run.figures.cpu_of_parts_ms[part]
        for what, samples in looks.items():
            yield table_of(f"{part}, {what}: {cpu:.3f} ms", samples, cpu)


async def _measure(options: argparse.Namespace) -> tuple[Run, Profile]:
    load = Load(options.calls, RATE, options.seconds, options.logins)
    with tempfile.TemporaryDirectory() as name:
        async with chosen_target(options, Path(name), roomy(load.calls)) as target:
            return await _profile(target, load, Path(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=500, help="calls held at once")
    parser.add_argument("--seconds", type=float, default=24.0, help="time measured")
    parser.add_argument("--logins", type=float, default=0.0, help="logins a second")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    target_options(parser)
    options = parser.parse_args()
    try:
        run, profile = asyncio.run(_measure(options))
    except ValueError as error:
        parser.error(str(error))
    except (ProcessGone, NoProfiler) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"cpu_ms": run.figures.cpu_of_parts_ms, "samples": profile}, indent=2))
    else:
        for table in tables(run, profile):
            Console().print(table)
    if not run.figures.conclusive:
        print("The callers were late: shares may hold, the milliseconds don't.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

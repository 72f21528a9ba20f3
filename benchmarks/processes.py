"""What processes cost: CPU and memory, as the kernel counts them."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessGone(Exception):  # noqa: N818 - what the server did, not a fault of ours
    """A process of the server has ended."""


class Processes:
    """Processes by what they are for: {"front": [pid], "media": [pid, pid]}."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self.pids = {part: tuple(of_part) for part, of_part in pids.items()}

    def cpu(self) -> dict[str, float]:
        """User and system time so far of each part's processes with all their threads, seconds.

        Raises `ProcessGone`.
        """
        return {part: sum(map(_cpu_seconds, pids)) for part, pids in self.pids.items()}

    def memory_kb(self) -> int:
        """Resident memory that the processes share with none, theirs together.

        Raises `ProcessGone`.
        """
        return sum(_private_kb(pid) for pids in self.pids.values() for pid in pids)


def with_children(pid: int) -> list[int]:
    """The process and all that descend from it. Raises ValueError: there is none."""
    if not Path(f"/proc/{pid}").exists():
        raise ValueError(f"there is no process {pid}")
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(ProcessGone):
            parents[int(stat.parent.name)] = int(_fields(stat)[1])
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found


def _fields(stat: Path) -> list[str]:
    """What stands after the name of the program, which may hold anything."""
    return _read(stat).rpartition(")")[2].split()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        raise ProcessGone(f"process {file.parent.name} of the server has ended") from None


def _cpu_seconds(pid: int) -> float:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _private_kb(pid: int) -> int:
    rollup = _read(Path(f"/proc/{pid}/smaps_rollup"))
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))

"""Feeding a target: what it did with everything, how long it took, whether it grew."""

import gc
import random
import re
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.damage import broken
from tests.fuzz.files import Configuration, Dialplan
from tests.fuzz.signalling import Agent, Description, KeysInInfo, Message, Stream
from tests.fuzz.sound import Rtcp, Rtp, TelephoneEvents
from tests.fuzz.targets import Target

TARGETS: dict[str, type[Target]] = {
    made.name: made
    for made in (
        Message, Agent, Stream, Description, KeysInInfo, Rtp, Rtcp, TelephoneEvents, Configuration,
        Dialplan,
    )
}  # fmt: skip
PROJECT = Path(__file__).parent.parent.parent
BLOCK = 1_000  # inputs between two times that everything runs out
WARM = 0.1  # of the inputs: by then what is kept for ever is there
MORE_MEMORY = 8_192  # KB that may come after that, beside a twentieth
MORE_OBJECTS = 500
TRIES = 5  # a machine that is busy is no find: slow inputs are fed again


@dataclass
class Find:
    """An input that something is wrong with."""

    name: str
    data: bytes = field(repr=False)
    told: str = ""


@dataclass
class Report:
    """What became of a target's inputs. Times in microseconds of CPU, memory in KB."""

    target: str
    inputs: int = 0
    octets: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_us: float = 0.0
    slowest_octets: int = 0
    slowest_us_per_octet: float = 0.0
    memory_before: int = 0
    memory_after: int = 0
    objects_before: int = 0
    objects_after: int = 0
    finds: list[Find] = field(default_factory=list)

    @property
    def grew(self) -> bool:
        """Whether more is held at the end than after the first tenth."""
        return (
            self.memory_after > self.memory_before * 1.05 + MORE_MEMORY
            or self.objects_after > self.objects_before * 1.01 + MORE_OBJECTS
        )

    @property
    def clean(self) -> bool:
        return not self.finds and not self.grew


def fuzz(make: type[Target], count: int, seed: int) -> Report:
    """Feed `count` damaged inputs, the same for the same seed."""
    target = make()
    report = Report(target.name)
    chance = random.Random(f"{seed} {target.name}")
    collecting = gc.isenabled()
    gc.disable()  # a collection in the middle of an input would be taken for its time
    try:
        for number in range(count):
            data = broken(target.samples, target.ways, chance)
            target = _feed(make, target, data, report)
            if target.over or number % BLOCK == BLOCK - 1:
                target = _settle(make, target, data, report)
            if number == int(count * WARM):
                target = _settle(make, target, data, report)
                report.memory_before, report.objects_before = _held()
        target = _settle(make, target, b"", report)
        report.memory_after, report.objects_after = _held()
    finally:
        if collecting:
            gc.enable()
    return report


def _feed(make: type[Target], target: Target, data: bytes, report: Report) -> Target:
    """Feed one input; the target to go on with comes back."""
    began = time.thread_time()
    try:
        read = target.feed(data)
    except Exception as error:
        _found(report, data, error)
        return make()
    took = (time.thread_time() - began) * 1e6
    report.inputs += 1
    report.seconds += took / 1e6
    report.octets += len(data)
    report.read += read
    report.refused += not read
    if took > target.us_at_all + target.us_per_octet * len(data):
        took = min(took, _again(make, data))
        if took > target.us_at_all + target.us_per_octet * len(data):
            _note(report, Find("slow", data, f"{took:.0f} us for {len(data)} octets"))
    if took > report.slowest_us:
        report.slowest_us, report.slowest_octets = took, len(data)
    report.slowest_us_per_octet = max(report.slowest_us_per_octet, took / max(len(data), 100))
    return target


def _again(make: type[Target], data: bytes) -> float:
    """The least time in microseconds that a target made anew takes for it."""
    times = []
    for _ in range(TRIES):
        target = make()
        began = time.thread_time()
        target.feed(data)
        times.append((time.thread_time() - began) * 1e6)
    return min(times)


def _settle(make: type[Target], target: Target, data: bytes, report: Report) -> Target:
    try:
        target.settle()
    except Exception as error:
        _found(report, data, error)
        target = make()
    gc.collect()
    return target


def _found(report: Report, data: bytes, error: Exception) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if PROJECT in Path(frame.filename).parents]
    last = (ours or frames)[-1]
    name = f"{type(error).__name__}_{Path(last.filename).stem}_{last.name}"
    told = "".join(traceback.format_exception(error))
    _note(report, Find(re.sub(r"\W", "", name).lower(), data, told))


def _note(report: Report, find: Find) -> None:
    """Keep one of each name: the smallest."""
    for known in report.finds:
        if known.name == find.name:
            if len(find.data) < len(known.data):
                known.data = find.data
            return
    report.finds.append(find)


def _held() -> tuple[int, int]:
    """Resident memory of this process in KB, and objects alive."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4, len(gc.get_objects())

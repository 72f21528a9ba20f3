"""What a login costs beside its hash, and whether its time tells anything.

`python -m benchmarks.auth` makes an SQLite database of 100,000 files in a temporary folder, then

- logs in, over and over, by the web and by telephone: processor and wall time of a login, less that
  of its hash alone, in milliseconds (medians);
- samples, interleaved, the time of `authenticate` over unknown, wrong, locked and
  PIN-where-password, and of lost-password requests over unknown, wrong day, and locked: the AUC of
  the best threshold classifier for each against unknown. 0.5 tells nothing.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from auth_core import (
    AuthService,
    AuthSettings,
    Channel,
    DeliveryChoice,
    Identity,
    Secret,
    SecretKind,
    Source,
)
from auth_core.credentials import Hasher
from auth_core.demo import DEMO_FILES, DemoFile, lay_down
from auth_core.importing.run import import_files
from auth_core.installation import PEPPER, migrate
from auth_core.keys import read_key_file
from auth_core.model import Slot
from auth_core.service import utc_now

PIN_HOLDER, PASSWORD_HOLDER = DEMO_FILES[0], DEMO_FILES[1]
LOCKED = DEMO_FILES[4]
NOBODY = Identity("751", "9999999")
WEB = Source(Channel.WEB)
TRIES = 5
TARGET_AUC = 0.55


def rows(count: int) -> Iterator[str]:
    """A CSV of so many case files of one person."""
    yield "caf;matricule;status;role;name;phones;phones_since\n"
    for n in range(count):
        number = f"06 39 98 {n // 100 % 100:02} {n % 100:02}"
        yield f"751;{1_000_000 + n};affiliated;beneficiary;Person {n};{number};2020-01-01\n"


async def prepare(folder: Path, files: int, floor: float) -> AuthSettings:
    """A database with the demo and so many files more."""
    settings = AuthSettings(failure_floor=floor, hash_threads=1).relative_to(folder)
    await migrate(settings)
    await lay_down(settings, utc_now)
    await import_files(settings, rows(files), "benchmark", utc_now, lambda _fault: None)
    return settings


async def timed(work: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Processor (mean) and wall time (median) of one, in milliseconds."""
    walls = []
    processor = time.process_time()
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        walls.append(time.perf_counter() - begun)
    processor = time.process_time() - processor
    return processor / times * 1e3, statistics.median(walls) * 1e3


async def cost(settings: AuthSettings, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a login beside its hash."""
    hasher = Hasher(read_key_file(settings.pepper_file, PEPPER), settings.argon2, 1)
    core = await AuthService.open(settings)
    secret = Secret(PASSWORD_HOLDER.secret)
    credential = await hasher.make(
        secret,
        file_id="benchmark",
        slot=Slot.LIVE,
        kind=SecretKind.PASSWORD,
        created_at=utc_now(),
        expires_at=None,
    )
    found = {}
    for name, source in {
        "web": WEB,
        "telephone": Source(Channel.TELEPHONE, caller=PASSWORD_HOLDER.mobile),
    }.items():
        await timed(lambda s=source: core.authenticate(PASSWORD_HOLDER.identity, secret, s), 20)  # type: ignore[misc]
        hashed = await timed(lambda: hasher.match(secret, [credential]), times)
        whole = await timed(
            lambda s=source: core.authenticate(PASSWORD_HOLDER.identity, secret, s),  # type: ignore[misc]
            times,
        )
        found[name] = {
            "processor_ms": round(whole[0] - hashed[0], 2),
            "wall_ms": round(whole[1] - hashed[1], 2),
        }
    hasher.close()
    await core.close()
    return found


async def sample(
    questions: Mapping[str, Callable[[int], Awaitable[object]]], times: int
) -> dict[str, list[float]]:
    """Seconds of each question, asked in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in questions}
    for n in range(times):
        for name, ask in questions.items():
            begun = time.perf_counter()
            await ask(n)
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def auc(ones: Sequence[float], others: Sequence[float]) -> float:
    """How often one of `ones` is told from one of `others` by its time; 0.5 by chance."""
    won = sum((one > other) + (one == other) / 2 for one in ones for other in others)
    share = won / (len(ones) * len(others))
    return max(share, 1 - share)


def files_to_try(times: int) -> list[DemoFile]:
    """PIN holders for so many wrong tries that lock none of them."""
    count = times // (TRIES - 1) + 1
    return [replace(PIN_HOLDER, matricule=f"{8_000_000 + n}") for n in range(count)]


async def oracle(settings: AuthSettings, times: int) -> dict[str, dict[str, float]]:
    """The AUC of each question against that of nobody's file."""
    tried = files_to_try(times)
    await lay_down(settings, utc_now, tried)
    core = await AuthService.open(settings)
    pin, wrong = Secret("0000"), Secret("1111")
    for _ in range(TRIES):
        await core.authenticate(LOCKED.identity, wrong, WEB)

    def login(identity: Identity, secret: Secret) -> Callable[[int], Awaitable[object]]:
        return lambda _n: core.authenticate(identity, secret, WEB)

    def lose(identity: Identity, day: str) -> Callable[[int], Awaitable[object]]:
        return lambda _n: core.request_lost_password(identity, day, DeliveryChoice.SMS, WEB)

    found = {}
    for subject, questions in {
        "authenticate": {
            "unknown": login(NOBODY, pin),
            "wrong": lambda n: core.authenticate(tried[n // (TRIES - 1)].identity, wrong, WEB),
            "locked": login(LOCKED.identity, pin),
            "pin_for_password": login(PASSWORD_HOLDER.identity, pin),
        },
        "lost_password": {
            "unknown": lose(NOBODY, "1403"),
            "wrong_day": lose(PASSWORD_HOLDER.identity, "3112"),
            "served_or_too_soon": lose(PIN_HOLDER.identity, "1403"),
        },
    }.items():
        seconds = await sample(questions, times)
        found[subject] = {
            name: round(auc(seconds[name], seconds["unknown"]), 3)
            for name in questions
            if name != "unknown"
        }
    await core.close()
    return found


def table(found: Mapping[str, object], costs: dict[str, dict[str, float]]) -> Table:
    shown = Table("what", "found", "wanted", title=f"auth_core, {found['files']} files")
    for name, values in costs.items():
        shown.add_row(
            f"{name}: processor beside the hash", f"{values['processor_ms']} ms", "≤ 1 ms"
        )
        shown.add_row(f"{name}: wall beside the hash", f"{values['wall_ms']} ms", "")
    return shown


async def measured(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = await prepare(Path(folder), arguments.files, arguments.floor)
        costs = await cost(settings, arguments.logins)
        told = await oracle(settings, arguments.samples)
    found = {"files": arguments.files, "samples": arguments.samples, "cost": costs, "auc": told}
    shown = table(found, costs)
    for subject, values in told.items():
        for name, value in values.items():
            shown.add_row(f"{subject}: AUC of {name}", f"{value}", f"≤ {TARGET_AUC}")
    Console(stderr=True, width=100).print(shown)
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--logins", type=int, default=200)
    parser.add_argument("--samples", type=int, default=400, help="of each question")
    parser.add_argument("--floor", type=float, default=0.3, help="auth.failure_floor, seconds")
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()

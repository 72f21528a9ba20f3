"""What a login costs beside its hash, and whether its time tells anything.

`python -m benchmarks.auth` makes an SQLite database of 100,000 files in a temporary folder, then

- logs in, over and over, by the web and by telephone, with a hash that costs next to nothing, in
  turn with that hash alone: processor and wall time of a login less that of its hash, in
  milliseconds, of the least of the batches (what else runs on the machine only adds to one), and of
  the median batch;
- samples, interleaved, the time of `authenticate` over unknown, wrong, locked and
  PIN-where-password, and of lost-password requests over unknown, wrong day, and served or too soon,
  with the hash in force: the AUC of each against unknown, of the better of two classifiers: one
  that looks at the time, one that looks at how far it is from the usual. 0.5 tells nothing; by
  chance alone it comes to 0.5 ± 0.02 for 400 samples of each.
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
    Outcome,
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
from auth_core.settings import Argon2Settings

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


BATCH = 20
"""Logins between two looks at the clocks."""


async def batch(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Processor and wall time of one, in milliseconds."""
    processor, wall = time.process_time(), time.perf_counter()
    for _ in range(BATCH):
        await work()
    spent = time.process_time() - processor, time.perf_counter() - wall
    return spent[0] / BATCH * 1e3, spent[1] / BATCH * 1e3


async def cost(settings: AuthSettings, times: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a login beside its hash."""
    cheap = settings.model_copy(update={"argon2": Argon2Settings(memory_kib=8, iterations=1)})
    await lay_down(cheap, utc_now)
    hasher = Hasher(read_key_file(cheap.pepper_file, PEPPER), cheap.argon2, 1)
    core = await AuthService.open(cheap)
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
        "telephone": Source(Channel.TELEPHONE, caller=PASSWORD_HOLDER.mobile, trunk="carrier"),
    }.items():

        async def login(source: Source = source) -> None:
            verdict = await core.authenticate(PASSWORD_HOLDER.identity, secret, source)
            if verdict.outcome is not Outcome.GRANTED:
                raise AssertionError("a login of the benchmark is refused")

        wholes, hashes = [], []
        for _ in range(1 + times // BATCH):
            wholes.append(await batch(login))
            hashes.append(await batch(lambda: hasher.match(secret, [credential])))
        found[name] = {
            f"{clock}_{which}_ms": round(
                pick(whole[n] for whole in wholes[1:]) - pick(alone[n] for alone in hashes[1:]), 2
            )
            for n, clock in enumerate(("processor", "wall"))
            for which, pick in (("least", min), ("median", statistics.median))
        }
    hasher.close()
    await core.close()
    await lay_down(settings, utc_now)
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
    """How often one of `ones` is told from one of `others` by its time, or by how far that is from
    the usual; 0.5 by chance."""
    usual = statistics.median([*ones, *others])
    odd_ones, odd_others = ([abs(t - usual) for t in times] for times in (ones, others))
    return max(_share(ones, others), _share(odd_ones, odd_others))


def _share(ones: Sequence[float], others: Sequence[float]) -> float:
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
        for clock, wanted in (("processor", "≤ 1 ms"), ("wall", "")):
            figures = f"{values[f'{clock}_least_ms']} ms, median {values[f'{clock}_median_ms']}"
            shown.add_row(f"{name}: {clock} beside the hash, least", figures, wanted)
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
    parser.add_argument("--logins", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=400, help="of each question")
    parser.add_argument("--floor", type=float, default=0.3, help="auth.failure_floor, seconds")
    asyncio.run(measured(parser.parse_args()))


if __name__ == "__main__":
    main()

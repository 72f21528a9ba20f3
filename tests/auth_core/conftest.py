"""A core on a real database with the demo laid down; its clocks are the test's.

Every test on it runs twice, on an SQLite file and on PostgreSQL, unless it is marked `sqlite_only`.
"""

import asyncio
import contextlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from auth_core import (
    AuthService,
    AuthSettings,
    Channel,
    DeliveryChoice,
    Identity,
    Overloaded,
    Secret,
    Source,
    Verdict,
    credentials,
)
from auth_core.delivery.outbox import Message, Outbox
from auth_core.demo import lay_down
from auth_core.hash_pool import HashPool
from auth_core.installation import OUTBOX_KEY, migrate
from auth_core.keys import read_key_file
from auth_core.settings import Argon2Settings
from auth_core.store.database import Database
from tests.auth_core.postgres import Cluster, running_cluster

CHEAP = AuthSettings(argon2=Argon2Settings(memory_kib=8, iterations=1))
PIN_HOLDER = Identity("751", "0123456")
PASSWORD_HOLDER = Identity("751", "0234567")
APPLICANT = Identity("131", "0345678")
EXPIRED_PASSWORD = Identity("691", "0456789")
NO_MOBILE = Identity("751", "0567890")
EXPIRED_PROVISIONAL = Identity("971", "0678901")
SAME_MATRICULE = Identity("131", "0123456")
NOBODY = Identity("751", "9999999")

STRANGER = Source(Channel.TELEPHONE, caller="+33 1 99 00 11 22", reference="call-1")
OWNER = Source(Channel.TELEPHONE, caller="0639980123", reference="call-2")
WEB = Source(Channel.WEB, reference="request-1")


@dataclass
class House:
    """The core under test, and the hands of its clocks. `slept`: every wait asked for, seconds;
    `stores`: where the database's server keeps it, none for a file in `folder`."""

    folder: Path
    settings: AuthSettings
    stores: tuple[Path, ...] = ()
    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)
    monotonic: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.monotonic += seconds

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    async def open(self, **changes: object) -> AuthService:
        self.settings = AuthSettings.model_validate({**self.settings.model_dump(), **changes})
        return await AuthService.open(
            self.settings, clock=self.clock, sleep=self.sleep, monotonic=lambda: self.monotonic
        )

    async def execute(self, statement: str) -> None:
        """Write to the database behind the core's back."""
        database = Database(self.settings.database_url)
        async with database.begin() as connection:
            await connection.exec_driver_sql(statement)
        await database.close()

    def written(self) -> list[Path]:
        """Every file of the house, and of its database with the log of what was written there."""
        places = (self.folder, *self.stores)
        return [file for place in places for file in place.rglob("*") if file.is_file()]

    def holders(self, *secrets: str) -> list[Path]:
        """The files in which one of `secrets` stands as it is."""
        # A run of digits within an identifier in hex is no secret.
        pattern = re.compile(rb"(?<![0-9a-f])(%b)(?![0-9a-f])" % "|".join(secrets).encode())
        found = []
        for file in self.written():
            # A server removes files of its own while it runs.
            with contextlib.suppress(FileNotFoundError):
                found += [file] if pattern.search(file.read_bytes()) else []
        return found

    async def outbox(self, identity: Identity) -> list[tuple[Message, str | None]]:
        """The messages of a demo file and, where not erased, their texts."""
        database = Database(self.settings.database_url)
        outbox = Outbox(read_key_file(self.settings.outbox_key_file, OUTBOX_KEY))
        async with database.begin() as connection:
            messages = await outbox.of_file(connection, f"demo-{identity.caf}-{identity.matricule}")
        await database.close()
        return [(m, None if m.sealed is None else outbox.open(m).decode()) for m in messages]

    async def provisional(self, identity: Identity) -> str:
        """The provisional in the last message of a file."""
        _, text = (await self.outbox(identity))[-1]
        assert text is not None
        return digits_of_8(text)


def digits_of_8(text: str) -> str:
    words = [word.strip(".,:") for word in text.split()]
    return next(word for word in words if len(word) == 8 and word.isdigit())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What stands on a database does so twice, but where a test says why it does not."""
    given = metafunc.definition.iter_markers("parametrize")
    chosen = any("database_kind" in mark.args[0] for mark in given)
    if "database_kind" in metafunc.fixturenames and not chosen:
        one = metafunc.definition.get_closest_marker("sqlite_only") is not None
        metafunc.parametrize("database_kind", ["sqlite"] if one else ["sqlite", "postgresql"])


@pytest.fixture
def database_kind() -> str:
    """The kind of database that `house` stands on."""
    return "sqlite"


async def _prepare(settings: AuthSettings) -> None:
    await migrate(settings)
    await lay_down(settings, lambda: House.now)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo database and its keys, to be copied."""
    folder = tmp_path_factory.mktemp("demo")
    asyncio.run(_prepare(CHEAP.relative_to(folder)))
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test process's own."""
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def demo_template(cluster: Cluster, demo: Path) -> str:
    """The name of a PostgreSQL database with the demo, to be copied; it has the keys of `demo`."""
    name = "demo"
    settings = CHEAP.relative_to(demo).model_copy(update={"database_url": cluster.create(name)})
    asyncio.run(_prepare(settings))
    return name


@pytest.fixture
def make_house(
    database_kind: str, demo: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[Path], House]]:
    """Builds a house with the demo in a folder that is there."""
    databases: list[str] = []

    def make(folder: Path) -> House:
        settings = CHEAP.relative_to(folder)
        if database_kind == "sqlite":
            shutil.copytree(demo / "var", folder / "var")
            return House(folder, settings)
        cluster: Cluster = request.getfixturevalue("cluster")
        template: str = request.getfixturevalue("demo_template")
        shutil.copytree(demo / "var", folder / "var", ignore=shutil.ignore_patterns("auth.db*"))
        databases.append(f"house_{secrets.token_hex(8)}")
        url = cluster.create(databases[-1], template)
        stores = cluster.stores(databases[-1])
        return House(folder, settings.model_copy(update={"database_url": url}), stores)

    yield make
    for name in databases:
        request.getfixturevalue("cluster").drop(name)


@pytest.fixture
def house(make_house: Callable[[Path], House], tmp_path: Path) -> House:
    return make_house(tmp_path)


@pytest_asyncio.fixture
async def core(house: House) -> AsyncIterator[AuthService]:
    service = await house.open()
    yield service
    await service.close()


async def guess(
    core: AuthService, times: int, identity: Identity = PIN_HOLDER, source: Source = WEB
) -> list[Verdict]:
    """Wrong secrets of the right length, one after the other."""
    return [await core.authenticate(identity, Secret("0000"), source) for _ in range(times)]


async def is_in(core: AuthService, identity: Identity, digits: str, source: Source = WEB) -> bool:
    verdict = await core.authenticate(identity, Secret(digits), source)
    return verdict.session is not None


async def ask_provisional(
    core: AuthService,
    identity: Identity = PIN_HOLDER,
    day_month: str = "1403",
    by: DeliveryChoice = DeliveryChoice.SMS,
    source: Source = WEB,
) -> None:
    await core.request_lost_password(identity, day_month, by, source)


@contextlib.contextmanager
def without_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Too many wait for their hash meanwhile."""

    def full(pool: HashPool) -> None:
        raise Overloaded("full")

    with monkeypatch.context() as patch:
        patch.setattr(HashPool, "check_room", full)
        yield


def judgements(core: AuthService, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one whenever a secret is judged from now on; a decoy's hash judges none."""
    judged: list[None] = []
    real = credentials._argon2id

    def counted(secret: Secret, salt: bytes, params: credentials.Params) -> bytes:
        judged.extend([None] * (salt != core._hasher._decoy_salt))
        return real(secret, salt, params)

    monkeypatch.setattr(credentials, "_argon2id", counted)
    return judged

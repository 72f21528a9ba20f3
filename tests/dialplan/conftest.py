"""The real authentication service on a copy of the demo database, with a clock that tests set."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from auth_core import AuthService, AuthSettings
from auth_core.demo import lay_down
from auth_core.installation import migrate
from auth_core.settings import Argon2Settings

# The cheapest that argon2id takes: what a hash costs is not what these tests are about.
CHEAP = AuthSettings(argon2=Argon2Settings(memory_kib=8, iterations=1))


@dataclass
class Clock:
    """The time of day of the authentication service."""

    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


async def _no_wait(_: float) -> None:
    return None


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo database and its keys, to be copied."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "var").mkdir()
    settings = CHEAP.relative_to(folder)

    async def prepare() -> None:
        await migrate(settings)
        await lay_down(settings, Clock())

    asyncio.run(prepare())
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def people(demo: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[AuthService]:
    shutil.copytree(demo / "var", tmp_path / "var")
    service = await AuthService.open(
        CHEAP.relative_to(tmp_path), clock=clock, sleep=_no_wait, monotonic=lambda: 0.0
    )
    yield service
    await service.close()

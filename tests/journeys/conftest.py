"""A place of its own for each journey, searched for its secrets when the journey is over."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.canaries import arguments_with, places_of
from tests.journeys.place import Place, with_random_secrets
from tests.running import PROJECT, RunningServer, prepare, running_server
from tests.softphone import Softphone
from tests.test_metrics import scraped

# Logs at their most talkative: a secret must not show at any level.
CHANGES = {"log.level": "debug"}
# Sunday for the whole week: advisors never answer.
NEVER_OPEN = {"closed": [], "sun": "00:00-00:01"}


@contextlib.asynccontextmanager
async def open_place(
    folder: Path, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[Place]:
    """A server with random secrets; when it is left, nothing that was keyed may be anywhere."""
    people = with_random_secrets()
    prepare(folder, [demo for demo, _ in people.values()])
    async with running_server(folder, {**CHANGES, **(changes or {})}) as server:
        place = Place(server, {name: holder for name, (_, holder) in people.items()})
        yield place
        if server.process.returncode is None:
            await _write_metrics(server)
        processes = [server.process.pid, *server.ready["media_workers"]]
        keyed = [*(holder.secret for holder in place.holders.values()), *place.keyed]
        assert not [pid for secret in keyed for pid in arguments_with(secret, processes)]
    assert {file for secret in keyed for file in places_of(secret, folder)} == set()
    assert "Traceback" not in server.log()


async def _write_metrics(server: RunningServer) -> None:
    """Put what a scrape names beside what the server wrote. Not its numbers: a part of a second may
    have the digits of a secret."""
    names = [
        line.rpartition(" ")[0] for line in (await scraped(server.ready["console"])).splitlines()
    ]
    (server.folder / "metrics").write_text("\n".join(names), encoding="utf-8")


def lines(advisor: str | None, hours: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The two lines of the demo, with an advisor and opening hours."""
    common: dict[str, Any] = {"hours": dict(hours)}
    if advisor is not None:
        common["advisor"] = advisor
    return [{"number": "0810292929", **common}, {"number": "0810257510", "caf": "751", **common}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the server writes; apart from the recordings of the tests."""
    place = tmp_path / "server"
    place.mkdir()
    return place


@pytest.fixture
async def place(folder: Path) -> AsyncIterator[Place]:
    """Advisors have closed."""
    async with open_place(folder, {"lines": lines(None, NEVER_OPEN)}) as place:
        yield place


@pytest.fixture
async def place_with_short_locks(folder: Path) -> AsyncIterator[Place]:
    """A lock lasts seconds; the callers' own limits are out of the way."""
    seconds = 4.0
    changes = {
        "lines": lines(None, NEVER_OPEN),
        "auth": {"lock": {"first_minutes": seconds / 60}},
    }
    async with open_place(folder, changes) as place:
        place.lock_seconds = seconds
        yield place


@pytest.fixture
async def impatient_place(folder: Path) -> AsyncIterator[Place]:
    """The project's flow, but it waits one second for a first digit."""
    plans = folder / "dialplans"
    plans.mkdir()
    flow = (PROJECT / "dialplans" / "caller.yaml").read_text(encoding="utf-8")
    impatient = flow.replace("first_digit: 7", "first_digit: 1")
    assert impatient != flow
    (plans / "caller.yaml").write_text(impatient, encoding="utf-8")
    changes = {"lines": lines(None, NEVER_OPEN), "dialplans": str(plans)}
    async with open_place(folder, changes) as place:
        yield place


@pytest.fixture
async def open_for_advice(folder: Path) -> AsyncIterator[tuple[Place, Softphone]]:
    """Advisors answer, at a softphone that waits to be rung."""
    async with Softphone() as desk:
        advisor = f"sip:advisor@{await desk.listening()}"
        async with open_place(folder, {"lines": lines(advisor, {})}) as place:
            place.advisor = advisor
            yield place, desk

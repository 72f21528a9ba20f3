"""Whether a call that comes now would be taken and served, as load balancers ask."""

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from auth_core import AuthError
from ivr import health
from ivr.config import SipSection
from ivr.doorkeeper import Doorkeeper
from ivr.health import Health, Want
from tests.running import running_server
from tests.softphone import Softphone

Prepared = Callable[[Path], None]


class People:
    """An authentication service whose database does as it is told."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.answers = True

    async def check_database(self) -> None:
        if self.fault:
            raise self.fault
        if not self.answers:
            await asyncio.Event().wait()


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def door() -> Doorkeeper:
    return Doorkeeper(SipSection(max_calls=1))


@pytest.fixture
def patient(door: Doorkeeper, people: People) -> Health:
    return Health(door, lambda: people)  # type: ignore[arg-type,return-value]


def test_a_server_that_drains_or_is_full_wants_no_calls(patient: Health, door: Doorkeeper) -> None:
    assert patient.wants() == []
    assert door.take_call("private", 0.0) is None
    assert patient.wants() == [Want.FULL]
    door.leaving = True
    assert patient.wants() == [Want.DRAINING, Want.FULL]


async def test_a_database_that_fails_and_comes_back(patient: Health, people: People) -> None:
    people.fault = AuthError("gone")
    await patient.look()
    assert patient.wants() == [Want.DATABASE]
    people.fault = None
    await patient.look()
    assert patient.wants() == []


async def test_a_database_that_does_not_answer_is_out_of_reach(
    patient: Health, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    people.answers = False
    await patient.look()
    assert patient.wants() == [Want.DATABASE]


def asked(url: str, **headers: str) -> tuple[int, str]:
    """Status and text of a GET."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.socket
async def test_probes_tell_that_a_server_lives_and_whether_it_takes_calls(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        console = server.ready["console"]
        status, text = await asyncio.to_thread(asked, f"{console}/readyz")
        assert (status, json.loads(text)) == (200, {"ready": True, "wants": []})
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            server.process.send_signal(signal.SIGTERM)
            while (await asyncio.to_thread(asked, f"{console}/readyz"))[0] == 200:
                await asyncio.sleep(0.05)
            status, text = await asyncio.to_thread(asked, f"{console}/readyz")
            assert (status, json.loads(text)) == (503, {"ready": False, "wants": ["draining"]})
            status, _ = await asyncio.to_thread(asked, f"{console}/healthz")
            assert status == 200
            await phone.hang_up()


@pytest.mark.socket
async def test_metrics_are_for_the_networks_that_the_operator_named_and_no_proxy_in_front(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        metrics = f"{server.ready['console']}/metrics"
        assert (await asyncio.to_thread(asked, metrics))[0] == 200
        proxied = {"X-Forwarded-For": "127.0.0.1"}
        assert (await asyncio.to_thread(lambda: asked(metrics, **proxied)))[0] == 403
    async with running_server(tmp_path, {"console.metrics_from": ["192.0.2.0/24"]}) as server:
        console = server.ready["console"]
        status, said = await asyncio.to_thread(asked, f"{console}/metrics")
        assert (status, "console.metrics_from" in said) == (403, True)
        assert (await asyncio.to_thread(asked, f"{console}/readyz"))[0] == 200

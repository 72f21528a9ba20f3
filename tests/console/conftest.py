"""A console over a staged server, and visitors who come without a browser."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import argon2
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from ivr.console.app import create_app
from ivr.console.desk import Desk
from ivr.users import ConsoleUser, Role
from tests.console.staged import StagedServer, staged_record

PASSWORD = "correct horse battery"


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def users() -> list[ConsoleUser]:
    """Anna, who may act, and Otto, who sees; one password."""
    password = SecretStr(argon2.PasswordHasher(1, 8, 1).hash(PASSWORD))  # a cheap one
    return [
        ConsoleUser(name="anna", role=Role.OPERATOR, password=password),
        ConsoleUser(name="otto", role=Role.VIEWER, password=password),
    ]


@pytest.fixture
def staged(tmp_path: Path, users: list[ConsoleUser]) -> StagedServer:
    """Calls, and 120 records of the last two hours."""
    records = tmp_path / "records.jsonl"
    server = StagedServer(records, users)
    lines = [
        staged_record(server.now - timedelta(minutes=120 - n), n, seconds=20) for n in range(120)
    ]
    records.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(staged: StagedServer, clock: Clock) -> Desk:
    return Desk(staged, clock=clock)


@pytest.fixture
def app(desk: Desk) -> FastAPI:
    return create_app(desk)


@asynccontextmanager
async def visiting(app: FastAPI, language: str = "en") -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser, without its looks; it follows no redirection."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://console.test",
        headers={"Accept-Language": language},
    ) as client:
        yield client


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(app) as client:
        yield client


async def form_key(client: httpx.AsyncClient, path: str) -> str:
    """What the forms of a page carry."""
    page = await client.get(path)
    found = re.search(r'name="form_key" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


async def log_in(
    client: httpx.AsyncClient, name: str = "anna", password: str = PASSWORD, following: str = "/"
) -> httpx.Response:
    """Log in by the form of the login page."""
    key = await form_key(client, "/login")
    fields = {"name": name, "password": password, "next": following, "form_key": key}
    return await client.post("/login", data=fields)


async def act(client: httpx.AsyncClient, page: str, action: str, **fields: str) -> httpx.Response:
    """Press a button of a page."""
    return await client.post(action, data={**fields, "form_key": await form_key(client, page)})

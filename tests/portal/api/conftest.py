"""The portal's API, asked over HTTP without sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from auth_core import AuthService, Channel, Scope, Source
from tests.auth_core.conftest import cluster, demo_template  # noqa: F401 - fixtures
from tests.portal.api.asking import Asking

OPERATOR = Source(Channel.BACK_OFFICE, agent="operator")
MakeClient = Callable[..., Awaitable[Asking]]


@pytest_asyncio.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("198.51.100.9", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="https://portal.test") as client:
        yield client


@pytest.fixture
def asking(http: httpx.AsyncClient) -> Asking:
    """An app in which nobody is in."""
    return Asking(http)


@pytest.fixture
def client_with(core: AuthService, http: httpx.AsyncClient) -> MakeClient:
    """Makes programs of the back office that may do these things."""

    async def make(*scopes: Scope, name: str = "nims") -> Asking:
        token = await core.clients.add(name, scopes, timedelta(days=1), OPERATOR)
        return Asking(http, token)

    return make

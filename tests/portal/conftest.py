"""The portal on the core of `tests.auth_core`, whose clocks are the test's; no sockets."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from fastapi import FastAPI

from auth_core import AuthService
from portal.app import create_app
from portal.settings import PortalSettings
from tests.auth_core.conftest import (  # noqa: F401 - fixtures
    House,
    core,
    database_kind,
    demo,
    house,
    make_house,
)
from tests.portal.browser import Browser

MakeBrowser = Callable[..., Browser]


@pytest.fixture
def app(house: House, core: AuthService) -> FastAPI:  # noqa: F811
    return create_app(core, PortalSettings(), house.settings, monotonic=lambda: house.monotonic)


@pytest_asyncio.fixture
async def browsers(app: FastAPI) -> AsyncIterator[MakeBrowser]:
    """Makes browsers, each with cookies of its own."""
    made: list[Browser] = []

    def make(address: str = "198.51.100.7", language: str = "fr") -> Browser:
        made.append(Browser(app, address, language))
        return made[-1]

    yield make
    for browser in made:
        await browser.http.aclose()


@pytest.fixture
def browser(browsers: MakeBrowser) -> Browser:
    return browsers()

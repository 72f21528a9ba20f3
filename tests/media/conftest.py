"""What tests of a worker on real sockets share."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.media import callers


@pytest.fixture(params=[True, False], ids=["io_uring", "packet by packet"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound as it is carried with io_uring, and where the system lets us have none."""
    settings = replace(callers.DEFAULTS, io_uring=request.param)
    monkeypatch.setattr("tests.media.callers.DEFAULTS", settings)


@pytest.fixture
async def caller() -> AsyncIterator[callers.Caller]:
    somebody = callers.Caller()
    yield somebody
    somebody.close()

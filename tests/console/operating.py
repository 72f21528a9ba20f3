"""A server that is up, and an operator in its console."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from ivr.users import hashed
from tests.console.conftest import PASSWORD, log_in
from tests.running import RunningServer, running_server


@asynccontextmanager
async def operated(
    folder: Path, changes: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[RunningServer, httpx.AsyncClient]]:
    """A server that is up, and Anna logged in to its console."""
    users = [{"name": "anna", "role": "operator", "password": hashed(PASSWORD)}]
    async with (
        running_server(folder, {"console.users": users, **(changes or {})}) as server,
        httpx.AsyncClient(
            base_url=server.ready["console"], headers={"Accept-Language": "en"}, timeout=20
        ) as anna,
    ):
        assert (await log_in(anna)).status_code == 303
        yield server, anna

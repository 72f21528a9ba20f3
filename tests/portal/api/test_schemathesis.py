"""Schemathesis against the real server: whatever it sends, no 500 and no answer that the
description does not have. `API_EXAMPLES=200` looks for longer, in every phase."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_core import Scope
from tests.portal.api.asking import BENALI, Asking
from tests.running import command, run, running_portal, write_config

EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))
BRIEF = ("--phases", "examples,fuzzing", "--max-examples", "5")
THOROUGH = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES))

UNLIMITED: dict[str, Any] = {
    "auth.failure_floor": 0.0,
    "auth.argon2": {"memory_kib": 8, "iterations": 1},
    "auth.addresses": {"slow_after": 1_000_000, "busy_after": 1_000_000},
    "auth.surges": {"in_all": 1_000_000},
}


@pytest.mark.socket
@pytest.mark.timeout(120 + 30 * EXAMPLES)
async def test_no_answer_is_a_500_or_undocumented(
    tmp_path: Path, prepared: Callable[[Path], None]
) -> None:
    prepared(tmp_path)
    config = write_config(tmp_path, UNLIMITED)
    scopes = [part for scope in Scope for part in ("--scope", scope.value)]
    names = ("--name", "schemathesis", "--agent", "tests", "--config", str(config))
    _, client_token, _ = await run(command("auth-core"), "add-client", *names, *scopes)
    async with (
        running_portal(tmp_path) as portal,
        httpx.AsyncClient(base_url=portal.address) as http,
    ):
        benali = await Asking(http).in_as(BENALI, "49205817")
        for token, operations in (
            (benali.token, ("--include-tag", "app", "--exclude-path", "/logout")),
            (benali.token, ("--include-path", "/logout")),
            (client_token.strip(), ("--include-tag", "back office")),
        ):
            code, told, _ = await run(
                command("schemathesis"),
                "run",
                f"{portal.address}/api/v1/openapi.json",
                *operations,
                *(THOROUGH if EXAMPLES else BRIEF),
                *("--header", f"Authorization: Bearer {token}", "--no-color"),
            )
            assert code == 0, told
        assert "Traceback" not in portal.log()

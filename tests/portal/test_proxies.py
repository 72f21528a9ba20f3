"""Whose address counts: what a proxy that is named tells, and nobody else."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.portal.api.asking import MOREAU, problem
from tests.running import running_portal, write_config

pytestmark = pytest.mark.socket

TWO_FAILURES = {"slow_after": 2, "slow_seconds": 0, "busy_after": 2}
SOMEBODY, ANOTHER = "203.0.113.7", "203.0.113.8"


async def failing_from(client: httpx.AsyncClient, *forwarded: str) -> tuple[int, str]:
    body = {**MOREAU, "matricule": "9999999", "secret": "4821"}
    headers = {"X-Forwarded-For": ", ".join(forwarded)}
    return problem(await client.post("/api/v1/login", json=body, headers=headers))


async def results(
    folder: Path, proxies: list[str], tries: Sequence[tuple[str, ...]]
) -> list[tuple[int, str]]:
    changes: dict[str, Any] = {
        "portal.proxies": proxies,
        "auth.addresses": TWO_FAILURES,
        "auth.failure_floor": 0.0,
    }
    write_config(folder, changes)
    async with (
        running_portal(folder) as portal,
        httpx.AsyncClient(base_url=portal.address, timeout=60) as client,
    ):
        return [await failing_from(client, *forwarded) for forwarded in tries]


REFUSED, BUSY = (401, "refused"), (429, "busy")


async def test_a_named_proxy_is_believed_of_its_peer_only(
    tmp_path: Path, prepared: Callable[[Path], None]
) -> None:
    prepared(tmp_path)
    told = await results(
        tmp_path,
        ["127.0.0.0/8"],
        [
            (SOMEBODY,),
            (SOMEBODY,),
            (SOMEBODY,),
            (ANOTHER,),
            # What somebody claims for themselves stands before what the proxy adds.
            (ANOTHER, SOMEBODY),
        ],
    )
    assert told == [REFUSED, REFUSED, BUSY, REFUSED, BUSY]


async def test_who_is_no_named_proxy_is_not_believed(
    tmp_path: Path, prepared: Callable[[Path], None]
) -> None:
    prepared(tmp_path)
    tries = [(f"203.0.113.{number}",) for number in range(3)]
    assert await results(tmp_path, [], tries) == [REFUSED, REFUSED, BUSY]

"""A whole call over IPv6, and over IPv4 to a server that listens on `::`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import running_server

pytestmark = pytest.mark.socket


@pytest.mark.parametrize("caller", ["::1", "127.0.0.1"])
async def test_a_server_on_the_ipv6_wildcard_takes_calls_of_both(
    prepared: Callable[[Path], None], tmp_path: Path, caller: str
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, {"sip.host": "::"}) as server:
        target = f"[{caller}]" if ":" in caller else caller
        sipp = await asyncio.create_subprocess_exec(
            *("sipp", "-sn", "uac", f"{target}:{server.port}", "-i", caller, "-s", "0810257510"),
            *("-m", "1", "-d", "1000", "-nostdin", "-timeout", "20"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await sipp.wait() == 0
        record = await server.record_number(1)
    assert record["end_reason"] == "hung_up"
    assert record["rtp"]["sent"] > 0

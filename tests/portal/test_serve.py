"""`portal serve`, and what `make run` starts: ready lines, TLS, the end, one line for a fault."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.certificates import Authority
from tests.running import PROJECT, command, run, running_portal, write_config

pytestmark = pytest.mark.socket


@pytest.fixture
def folder(prepared: Callable[[Path], None], tmp_path: Path) -> Path:
    """A folder in which a portal would start."""
    prepared(tmp_path)
    return tmp_path


async def refused(config: Path) -> str:
    """The one line that the portal says instead of starting."""
    code, out, err = await run(command("portal"), "serve", "--config", str(config))
    said = (out + err).strip()
    assert code == 2, said
    assert len(said.splitlines()) == 1, said
    return said


async def test_a_key_that_does_not_exist(folder: Path) -> None:
    config = write_config(folder, {"portal.prot": 8081})
    said = await refused(config)
    assert said.startswith(f"{config}:")
    assert "portal.prot" in said


async def test_a_certificate_without_its_key(folder: Path) -> None:
    said = await refused(write_config(folder, {"portal.tls": {"certificate": "portal.pem"}}))
    assert "portal.tls" in said


async def test_a_certificate_that_is_not_there(folder: Path) -> None:
    tls = {"certificate": "none.pem", "key": "none.key"}
    said = await refused(write_config(folder, {"portal.tls": tls}))
    assert "portal.tls" in said


async def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refused(write_config(folder, {"portal.port": port}))
    assert f"127.0.0.1:{port}" in said
    assert "portal.port" in said


async def test_no_database_and_no_configuration(tmp_path: Path) -> None:
    assert "auth-core migrate" in await refused(write_config(tmp_path))
    assert "--config" in await refused(tmp_path / "none.yaml")


async def test_over_tls_of_its_own(folder: Path) -> None:
    authority = Authority(folder)
    pair = authority.sign("portal.example")
    tls = {"certificate": str(pair.certificate), "key": str(pair.key)}
    write_config(folder, {"portal.tls": tls})
    trusted = ssl.create_default_context(cafile=str(authority.file))
    async with running_portal(folder) as portal, httpx.AsyncClient(verify=trusted) as client:
        assert portal.address.startswith("https://127.0.0.1:")
        answer = await client.get(portal.address)
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers


async def test_what_make_run_starts_comes_up_and_ends_together(folder: Path) -> None:
    write_config(folder)
    process = await asyncio.create_subprocess_exec(
        *("sh", str(PROJECT / "scripts" / "run.sh"), str(Path(sys.executable).parent)),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
    ready = {name: line for line in lines for name in ("sip", "portal") if name in line}
    async with httpx.AsyncClient() as client:
        assert (await client.get(ready["portal"]["portal"])).status_code == 200
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        with pytest.raises(httpx.ConnectError):
            await client.get(ready["portal"]["portal"])
    with pytest.raises(ProcessLookupError):
        os.kill(ready["sip"]["pid"], 0)

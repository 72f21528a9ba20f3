"""A running server registers with a registrar over real sockets, and takes the binding back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ivr.sip.message import Request, parse
from tests.console.conftest import act
from tests.console.operating import operated
from tests.running import running_server
from tests.test_metrics import scraped

pytestmark = pytest.mark.socket


class Registrar(asyncio.DatagramProtocol):
    """Asks for a password once, then grants what is asked for."""

    def __init__(self) -> None:
        self.granted: asyncio.Queue[Request] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse(data)
        assert isinstance(request, Request)
        if "authorization" in request.headers:
            self.granted.put_nowait(request)
            start, more = "200 OK", f"Contact: {request.headers.get('contact')};expires=60"
        else:
            start = "401 Unauthorized"
            more = 'WWW-Authenticate: Digest realm="pbx", nonce="n", algorithm=MD5, qop="auth"'
        names = ("Via", "From", "To", "Call-ID", "CSeq")
        lines = [f"SIP/2.0 {start}", *(f"{n}: {request.headers.get(n.lower())}" for n in names)]
        answer = "\r\n".join([*lines, more, "Content-Length: 0", "", ""])
        self.transport.sendto(answer.encode("latin-1"), addr)


@asynccontextmanager
async def wanting_to_register(folder: Path) -> AsyncIterator[tuple[Registrar, dict[str, Any]]]:
    """A registrar that is up, and a configuration whose one trunk wants to be registered there."""
    (folder / "pbx.password").write_text("correct horse", encoding="utf-8")
    loop = asyncio.get_running_loop()
    transport, registrar = await loop.create_datagram_endpoint(Registrar, ("127.0.0.1", 0))
    register = {
        "registrar": f"sip:127.0.0.1:{transport.get_extra_info('sockname')[1]}",
        "user": "ivr",
        "password_file": "pbx.password",
        "line": "0810257510",
    }
    trunk = {"name": "pbx", "networks": ["127.0.0.0/8"], "register": register}
    async with asyncio.timeout(60):
        yield registrar, {"sip.trunks": [trunk]}
    transport.close()


async def test_a_trunk_is_registered_while_the_server_runs(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with wanting_to_register(tmp_path) as (registrar, changes):
        async with running_server(tmp_path, changes) as server:
            first = await registrar.granted.get()
            contact = f"<sip:0810257510@127.0.0.1:{server.port};transport=udp>"
            assert first.headers.get("contact") == contact
            while 'ivr_registered{trunk="pbx"} 1.0' not in await scraped(server.ready["console"]):
                await asyncio.sleep(0.1)
        last = await registrar.granted.get()
    assert last.headers.get("expires") == "0"
    assert "correct horse" not in server.log()


async def test_a_trunk_is_not_registered_while_no_calls_are_wanted(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)

    async def expires(registrar: Registrar) -> int:
        return int((await registrar.granted.get()).headers.get("expires"))

    async with wanting_to_register(tmp_path) as (registrar, changes):
        async with operated(tmp_path, changes) as (_, anna):
            assert await expires(registrar) > 0
            await act(anna, "/", "/drain", draining="yes")
            assert await expires(registrar) == 0
            await act(anna, "/", "/drain", draining="no")
            assert await expires(registrar) > 0
        assert await expires(registrar) == 0

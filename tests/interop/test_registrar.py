"""Kamailio as the PBX that we register with: it asks for a password, and its calls find us."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair
from tests.running import running_server
from tests.sip.test_sipp import sipp
from tests.test_metrics import scraped

pytestmark = [pytest.mark.socket, pytest.mark.timeout(120)]

CONFIG = """\
#!KAMAILIO
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
listen=udp:127.0.0.1:%(port)d
listen=tcp:127.0.0.1:%(port)d
listen=tls:127.0.0.1:%(tls_port)d
enable_tls=yes
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "%(certificate)s")
modparam("tls", "private_key", "%(key)s")
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("auth", "algorithm", "%(algorithm)s")
modparam("registrar", "max_expires", 60)
request_route {
    if (!mf_process_maxfwd_header("10")) { exit; }
    if (method == "REGISTER") {
        if (!pv_www_authenticate("pbx", "correct horse", "0")) {
            www_challenge("pbx", "1");
            exit;
        }
        save("location");
        exit;
    }
    if (!lookup("location")) {
        sl_send_reply("404", "Not Found");
        exit;
    }
    t_relay();
}
"""


def free_port() -> int:
    """A port that nobody has, neither for UDP nor for TCP."""
    while True:
        with (
            socket.socket(type=socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            udp.bind(("127.0.0.1", 0))
            with socket.create_server(udp.getsockname()):
                return int(udp.getsockname()[1])


@asynccontextmanager
async def kamailio(folder: Path, algorithm: str, pair: Pair) -> AsyncIterator[tuple[int, int]]:
    """A Kamailio that runs and shows the certificate `pair`; gives its port and that of TLS."""
    port, tls_port = free_port(), free_port()
    file = folder / "kamailio.cfg"
    file.write_text(
        CONFIG
        % {
            "port": port,
            "tls_port": tls_port,
            "algorithm": algorithm,
            "certificate": pair.certificate,
            "key": pair.key,
        }
    )
    with (folder / "kamailio.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("kamailio", "-f", str(file), "-DD", "-Y", str(folder), "-m", "32", "-M", "4"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            break
        else:
            pytest.fail((folder / "kamailio.log").read_text(errors="replace")[-2000:])
        yield port, tls_port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_its_calls_find_us_and_find_us_no_more_once_we_stop(
    prepared: Callable[[Path], None], tmp_path: Path, algorithm: str, transport: str
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    prepared(folder)
    (folder / "pbx.password").write_text("correct horse", encoding="utf-8")
    authority = Authority(tmp_path)
    ours = authority.sign("ivr.example")
    tls = {
        "certificate": str(ours.certificate),
        "key": str(ours.key),
        "client_ca": str(authority.file),
        "port": 0,
    }
    pbx = authority.sign("localhost", addresses=())
    async with kamailio(tmp_path, algorithm, pbx) as (port, tls_port):
        # By TLS the certificate is for the name alone.
        place = f"localhost:{tls_port}" if transport == "tls" else f"127.0.0.1:{port}"
        register = {
            "registrar": f"sip:{place};transport={transport}",
            "user": "ivr",
            "password_file": "pbx.password",
            "line": "0810257510",
        }
        trunk = {"name": "pbx", "networks": ["127.0.0.0/8"], "register": register}
        changes = {
            "sip.trunks": [trunk],
            "sip.transports": ["udp", "tcp", "tls"],
            "sip.tls": tls,
        }
        async with running_server(folder, changes) as server:
            async with asyncio.timeout(20):
                while 'ivr_registered{trunk="pbx"} 1.0' not in await scraped(
                    server.ready["console"]
                ):
                    await asyncio.sleep(0.1)
            await sipp("uac_call", port, tmp_path, "-m", "3", "-r", "3", "-s", "ivr")
            record = await server.record_number(3)
            assert record["line"] == "0810257510"
        assert "correct horse" not in server.log()
        with pytest.raises(pytest.fail.Exception, match="404"):
            await sipp("uac_call", port, tmp_path, "-m", "1", "-s", "ivr")

"""Callers over TLS and SRTP: the whole call, and the connection that our own requests take."""

import asyncio
import base64
import re
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.journeys.canaries import places_of
from tests.journeys.place import PARIS
from tests.listening import transcript
from tests.running import PROJECT, running_server
from tests.sip.caller import Caller
from tests.softphone import Softphone
from tests.wire import Wire

pytestmark = [pytest.mark.journey, pytest.mark.socket]


def trunk(secure_sound: str) -> dict[str, object]:
    return {"name": "here", "networks": ["127.0.0.0/8"], "secure_sound": secure_sound}


async def test_a_phone_calls_over_mutual_tls_with_srtp(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    prepared(folder)
    authority = Authority(tmp_path)
    ours, theirs = authority.sign("ivr.example"), authority.sign("phone.example")
    changes = {
        "log.level": "debug",
        "sip.trunks": [trunk("required")],
        "sip.transports": ["tls"],
        "sip.tls": {
            "port": 0,
            "certificate": str(ours.certificate),
            "key": str(ours.key),
            "client_ca": str(authority.file),
        },
    }
    files = [
        *("--tls-authorities", str(authority.file)),
        *("--tls-certificate", str(theirs.certificate), "--tls-key", str(theirs.key)),
    ]
    heard = tmp_path / "heard.wav"
    async with running_server(folder, changes) as server:
        uri = server.uri(PARIS, "tls")
        async with Softphone(
            uri, transport="tls", srtp="required", record=heard, more=files
        ) as phone:
            await phone.answered()
            await phone.keys(",0123456,4821#,")
            server.process.send_signal(signal.SIGINT)
            ended = await phone.ended()  # by a BYE on the phone's own connection
        record = await server.record_number(1)
    assert ended["by"] == "them"
    assert record["authenticated"] == "pin"
    assert record["rtp"]["received"] > 0
    prompts = ["ask_matricule", "ask_secret", "main_menu"]
    said = [said for _, said in transcript(heard, PROJECT / "prompts" / "fr", only=prompts)]
    assert [prompt for prompt in said if prompt in prompts] == prompts


async def test_who_will_not_have_secure_sound_is_refused_where_it_must_be(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with (
        running_server(tmp_path, {"sip.trunks": [trunk("required")]}) as server,
        Softphone(server.uri(PARIS)) as phone,
    ):
        ended = await phone.ended()
    assert ended["status"] == 488


async def test_keys_of_sound_are_written_nowhere(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    """A caller whose key is known, and who sends what is not authentic."""
    prepared(tmp_path)
    theirs = base64.b64encode(secrets.token_bytes(30)).decode()
    offer = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 9 RTP/SAVP 8\r\n"
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{theirs}|2^99\r\n"
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{theirs}\r\n"
    )
    async with running_server(tmp_path, {"log.level": "debug"}) as server:
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        host, _, port = server.uri(PARIS).rpartition("@")[2].partition(":")
        invite = Caller(Wire()).request("INVITE", body=offer.encode())
        udp.sendto(invite, (host, int(port)))
        answer = b""
        while not answer.startswith(b"SIP/2.0 200"):
            answer = await asyncio.to_thread(udp.recv, 4000)
        (ours,) = re.findall(rb"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:(\S+)", answer)
        (sound,) = re.findall(rb"m=audio (\d+) RTP/SAVP", answer)
        udp.sendto(bytes([0x80, 8]) + bytes(190), ("127.0.0.1", int(sound)))
        await asyncio.sleep(0.2)
        udp.close()
    raw = [base64.b64decode(key) for key in (theirs, ours)]
    searched = [theirs, ours.decode(), *(key.hex() for key in raw), *map(repr, raw)]
    assert {file for key in searched for file in places_of(key, tmp_path)} == set()
    assert "Traceback" not in server.log()

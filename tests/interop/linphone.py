"""linphone as a caller: `linphonec`, driven on its standard input, with files as its sound card."""

import asyncio
import contextlib
import os
import wave
from pathlib import Path
from types import TracebackType
from typing import Self

BETWEEN_KEYS = 0.3

# Without `ipv6_migration_done` it turns IPv6 on again.
_CONFIG = """\
[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
use_ipv6={ipv6}
ipv6_migration_done=1
bind_address=127.0.0.1
contact=sip:0144556677@127.0.0.1
root_ca={authorities}
verify_server_certs=1
verify_server_cn=1
use_rfc2833=1
use_info=0
media_encryption={encryption}

[rtp]
audio_rtp_port=21000-21100
"""

# It looks for the user of its own address; `userid` is the one that it gives.
_DIGEST = """
[auth_info_0]
username=0144556677
userid={user}
passwd={password}
realm=voice-server
"""


class Linphone:
    """One call. What it heard is at `heard` once the block is left.

    `ipv6`: whether its SDP may name an IPv6 address though it calls over IPv4, as it does by
    itself on a machine that has one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        authorities: Path,
        secure_sound: bool = False,
        ipv6: bool = False,
        user: str = "",
        password: str = "",
    ) -> None:
        self._folder = folder
        self._config = _CONFIG.format(
            ipv6=int(ipv6), authorities=authorities, encryption="srtp" if secure_sound else "none"
        )
        if user:
            self._config += _DIGEST.format(user=user, password=password)
        self._said = ""
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        folder = self._folder
        (folder / "linphonerc").write_text(self._config, encoding="utf-8")
        for home in (".local/share/linphone", ".config/linphone"):
            (folder / home).mkdir(parents=True)
        with wave.open(str(folder / "silence.wav"), "wb") as silence:
            silence.setparams((1, 2, 8000, 0, "NONE", ""))
            silence.writeframes(bytes(2 * 8000 * 110))
        self._process = await asyncio.create_subprocess_exec(
            *("linphonec", "-c", str(folder / "linphonerc"), "-d", "0"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "HOME": str(folder)},
        )
        self._listener = asyncio.create_task(self._listen())
        await self._says("linphonec>", 10)
        await self._type("soundcard use files")
        await self._type(f"play {folder / 'silence.wav'}")
        await self._type(f"record {self.heard}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            await self._type("quit")
        try:
            await asyncio.wait_for(self._process.wait(), 10.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._listener

    @property
    def heard(self) -> Path:
        """The recording of the far end."""
        return self._folder / "heard.wav"

    async def dial(self, uri: str, within: float = 15.0) -> None:
        """Call, and wait until the call stands."""
        await self._type(f"call {uri}")
        await self._says("Media streams established", within)

    async def keys(self, keys: str) -> None:
        """Press keys, as RFC 4733 events."""
        for key in keys:
            await self._type(key)
            await asyncio.sleep(BETWEEN_KEYS)

    async def hang_up(self, within: float = 10.0) -> None:
        await self._type("terminate")
        await self._says(" ended ", within)

    async def _type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()
        await asyncio.sleep(0.1)

    async def _says(self, words: str, within: float) -> None:
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: words in self._said)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while said := await self._process.stdout.read(4096):
            async with self._news:
                self._said += said.decode(errors="replace")
                self._news.notify_all()

"""baresip as a caller: headless, driven over its control port (JSON in netstrings)."""

import asyncio
import contextlib
import json
import socket
import wave
from pathlib import Path
from types import TracebackType
from typing import Self

KEY_SECONDS = 0.1
BETWEEN_KEYS = 0.1
SETTLING = 1.0
_RELEASE = "\x04"

_CONFIG = """\
sip_listen 127.0.0.1:0
sip_cafile {authorities}
net_interface 127.0.0.1
audio_source aufile,{source}
audio_player aubridge,nobody
audio_alert aubridge,nobody
statmode_default off
snd_path {folder}
ctrl_tcp_listen 127.0.0.1:{port}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp account.so
module_app menu.so
module ctrl_tcp.so
"""


class Baresip:
    """One call. What it heard is at `heard` once the block is left.

    `source`: what it says, a WAV of 16 bits at 8 kHz; without one, nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        transport: str,
        authorities: Path,
        secure_sound: bool = False,
        user: str = "0144556677",
        password: str = "",
        source: Path | None = None,
    ) -> None:
        self._folder = folder
        self._transport = transport
        self._authorities = authorities
        self._user = user
        self._source = source or folder / "silence.wav"
        self._account = ";mediaenc=srtp-mand" if secure_sound else ""
        self._account += f";auth_pass={password}" if password else ""
        self._established = asyncio.Event()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        folder = self._folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = _CONFIG.format(
            folder=folder, source=self._source, authorities=self._authorities, port=port
        )
        (folder / "config").write_text(config, encoding="utf-8")
        account = (
            f"<sip:{self._user}@127.0.0.1;transport={self._transport}>;regint=0{self._account}"
        )
        (folder / "accounts").write_text(f"{account}\n", encoding="utf-8")
        (folder / "contacts").touch()
        with wave.open(str(folder / "silence.wav"), "wb") as silence:
            silence.setparams((1, 2, 8000, 0, "NONE", ""))
            silence.writeframes(bytes(2 * 8000 * 110))
        self._process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except ConnectionError:
                    await asyncio.sleep(0.1)
        self._listener = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            await self._command("quit")
        try:
            await asyncio.wait_for(self._process.wait(), 7.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._writer.close()
        self._listener.cancel()

    @property
    def heard(self) -> Path:
        """The recording of the far end."""
        (recording,) = self._folder.glob("dump-*-dec.wav")
        return recording

    async def dial(self, uri: str, within: float = 15.0) -> None:
        """Call, and wait until the call stands."""
        await self._command("dial", uri.partition(";")[0])  # the transport is the account's
        async with asyncio.timeout(within):
            await self._established.wait()

    async def keys(self, keys: str) -> None:
        """Press keys, as RFC 4733 events."""
        for key in keys:
            await self._command("sndcode", key)
            await asyncio.sleep(KEY_SECONDS)
            await self._command("sndcode", _RELEASE)
            await asyncio.sleep(BETWEEN_KEYS)

    async def hold(self) -> None:
        """Put the far end on hold (re-INVITE), and wait until it may be there."""
        await self._command("hold")
        await asyncio.sleep(SETTLING)

    async def resume(self) -> None:
        """Take it back."""
        await self._command("resume")
        await asyncio.sleep(SETTLING)

    async def hang_up(self, within: float = 10.0) -> None:
        await self._command("hangup")
        async with asyncio.timeout(within):
            await self._closed.wait()

    async def _command(self, command: str, parameters: str = "") -> None:
        order = json.dumps({"command": command, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(order), order))
        await self._writer.drain()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                said = json.loads((await reader.readexactly(size + 1))[:-1])
                match said.get("type"):
                    case "CALL_ESTABLISHED":
                        self._established.set()
                    case "CALL_CLOSED":
                        self._closed.set()

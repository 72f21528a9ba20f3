"""Where text messages go: an HTTP gateway, or files when none is configured."""

import asyncio
import json
from pathlib import Path
from typing import Protocol

from auth_core.delivery.files import write_whole
from auth_core.delivery.settings import SmsSettings


class SmsError(Exception):
    """The gateway did not acknowledge. `str()` says why, never what was sent nor to whom.

    `refused`: it never will. `retry_after`: the seconds it asks for, 0 when it does not say.
    """

    def __init__(self, why: str, *, refused: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.refused = refused
        self.retry_after = retry_after


class SmsGateway(Protocol):
    """Something that takes text messages. Twice the same `message_id` is one message."""

    async def send(self, message_id: str, number: str, text: str) -> None:
        """Return when it is acknowledged. Raises SmsError otherwise."""

    async def close(self) -> None: ...


class FileGateway:
    """Text messages as files, `<id>.json` each: to see, on a developer's machine, what would go
    out. The files hold the secrets in clear."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message_id: str, number: str, text: str) -> None:
        """Raises SmsError when the file cannot be written."""
        message = {"id": message_id, "number": number, "text": text}
        content = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        file = self._folder / f"{message_id}.json"
        try:
            await asyncio.to_thread(write_whole, file, content)
        except OSError as error:
            raise SmsError(f"cannot be written ({error.strerror})") from None

    async def close(self) -> None:
        """Nothing is held."""


def gateway(settings: SmsSettings, folder: Path) -> SmsGateway:
    """The gateway that is configured; without one, files in `folder`."""
    if settings.url is None:
        return FileGateway(folder)
    # Imported here alone: a start without a gateway does not wait for httpx.
    from auth_core.delivery.http_gateway import HttpGateway

    return HttpGateway(settings)

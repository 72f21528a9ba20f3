"""An outbox with something in it, workers on it, and a gateway that does as it is told."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pypdf
import pytest
import pytest_asyncio

from auth_core.delivery.outbox import Destination, MessageKind, Outbox
from auth_core.delivery.settings import DeliverySettings
from auth_core.delivery.sms import SmsError
from auth_core.delivery.worker import DeliveryWorker, open_worker
from auth_core.installation import OUTBOX_KEY
from auth_core.keys import read_key_file
from auth_core.model import DeliveryChoice
from auth_core.store.database import Database
from tests.auth_core.conftest import PIN_HOLDER, House

SECRET_TEXT = "Votre mot de passe provisoire : 40718263. Ne le communiquez à personne."
MOBILE = Destination(DeliveryChoice.SMS, "+33639980123")
HOME = Destination(DeliveryChoice.LETTER, "Camille Moreau\n12 rue de la Roquette\n75011 PARIS")
PIN_HOLDER_FILE = f"demo-{PIN_HOLDER.caf}-{PIN_HOLDER.matricule}"


@dataclass
class ScriptedGateway:
    """Takes every message, but for the errors it was told to answer first. `taken`: in order."""

    errors: list[SmsError] = field(default_factory=list)
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    before: Callable[[], Any] | None = None

    async def send(self, message_id: str, number: str, text: str) -> None:
        if self.before is not None:
            await self.before()
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append((message_id, number, text))

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Post:
    """A house with its outbox and what delivers it."""

    house: House
    settings: DeliverySettings
    gateway: ScriptedGateway

    def configure(self, **changes: object) -> None:
        content = {**self.settings.model_dump(), **changes}
        self.settings = DeliverySettings.model_validate(content)

    def worker(
        self,
        *,
        real_gateway: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> AbstractAsyncContextManager[DeliveryWorker]:
        return open_worker(
            self.house.settings,
            self.settings,
            clock=self.house.clock,
            sleep=sleep,
            chance=lambda: 1.0,
            sms=None if real_gateway else self.gateway,
        )

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        database = Database(self.house.settings.database_url)
        try:
            yield database
        finally:
            await database.close()

    async def put(
        self,
        text: str = SECRET_TEXT,
        to: Destination = MOBILE,
        kind: MessageKind = MessageKind.SECRET,
        file_id: str = PIN_HOLDER_FILE,
    ) -> None:
        outbox = Outbox(read_key_file(self.house.settings.outbox_key_file, OUTBOX_KEY))
        async with self.database() as database, database.begin() as connection:
            await outbox.put(connection, file_id, kind, to, text.encode(), self.house.now)

    def letters(self, batch: str = "*") -> list[str]:
        """The texts of the letters on the disk."""
        files = sorted(self.settings.letter_folder.glob(f"{batch}/*/*.pdf"))
        return [pdf_text(file.read_bytes()) for file in files]


def pdf_text(content: bytes) -> str:
    reader = pypdf.PdfReader(io.BytesIO(content))
    return "\n".join(page.extract_text() for page in reader.pages)


@pytest.fixture
def post(house: House) -> Post:
    return Post(house, DeliverySettings().relative_to(house.folder), ScriptedGateway())


@dataclass
class HttpStub:
    """An HTTP gateway on 127.0.0.1 that knows a message again by its key.

    `statuses`: what it answers first, then 202; 0: it takes the message and never answers.
    """

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    messages: dict[str, bytes] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages"

    def bodies(self) -> list[Any]:
        return [json.loads(body) for body in self.messages.values()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readline():
                headers = {}
                while (line := (await reader.readline()).decode().strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers["content-length"]))
                status = self.statuses.pop(0) if self.statuses else 202
                self.requests.append((headers, body))
                if status < 300:
                    self.messages.setdefault(headers["idempotency-key"], body)
                self.asked.set()
                if status == 0:
                    await reader.read()
                    return
                extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {status} x\r\n{extra}content-length: 2\r\n\r\nok".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture
async def http_stub() -> AsyncIterator[HttpStub]:
    stub = HttpStub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    yield stub
    server.close()

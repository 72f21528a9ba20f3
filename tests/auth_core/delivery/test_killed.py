"""Workers that are killed in the middle, as processes, with SIGKILL."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auth_core.delivery.outbox import MessageKind, MessageState
from tests.auth_core.conftest import PIN_HOLDER
from tests.auth_core.delivery.conftest import HOME, MOBILE, HttpStub, Post

pytestmark = pytest.mark.socket
NOTICE = "Allocations familiales : votre mot de passe vient de changer."
LEASE = 1.0


def config_of(post: Post, url: str, folder: Path) -> Path:
    auth = post.house.settings
    content = {
        "auth": {
            "database_url": auth.database_url,
            "pepper_file": str(auth.pepper_file),
            "outbox_key_file": str(auth.outbox_key_file),
            "argon2": {"memory_kib": 8, "iterations": 1},
        },
        "delivery": {
            "folder": str(post.settings.folder),
            "lease": LEASE,
            "poll": 0.1,
            "first_retry": 0.2,
            "last_retry": 0.4,
            "sms": {"url": url, "timeout": 0.5, "concurrency": 4},
        },
    }
    file = folder / "config.yaml"
    file.write_text(json.dumps(content))
    return file


@asynccontextmanager
async def worker_process(config: Path, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "auth_core.cli", "deliver", "--json", "--config", str(config), *arguments),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_quiet(post: Post, count: int, timeout: float = 30.0) -> None:
    """Until so many messages are sent and none is queued."""
    async with asyncio.timeout(timeout):
        while True:
            messages = [message for message, _ in await post.house.outbox(PIN_HOLDER)]
            if [m.state for m in messages].count(MessageState.SENT) == count == len(messages):
                return
            await asyncio.sleep(0.05)


async def test_killed_between_the_gateway_and_the_database_nothing_is_lost_or_doubled(
    post: Post, http_stub: HttpStub, tmp_path: Path
) -> None:
    post.house.now = datetime.now(UTC)
    for _ in range(12):
        await post.put(NOTICE, MOBILE, MessageKind.PASSWORD_CHANGED)
    # The third is taken and never answered: the worker dies waiting, others are in all states.
    http_stub.statuses = [202, 202, 0, 0]
    config = config_of(post, http_stub.url, tmp_path)
    async with worker_process(config) as first:
        async with asyncio.timeout(20):
            while len(http_stub.requests) < 4:
                await http_stub.asked.wait()
                http_stub.asked.clear()
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert any(m.state is MessageState.QUEUED for m, _ in await post.house.outbox(PIN_HOLDER))
    async with worker_process(config) as second:
        await until_quiet(post, 12)
        second.send_signal(signal.SIGTERM)
        output, _ = await second.communicate()
        assert second.returncode == 0
        assert json.loads(output)["dead"] == 0
    ids = {message.id for message, _ in await post.house.outbox(PIN_HOLDER)}
    assert set(http_stub.messages) == ids
    assert len(http_stub.requests) > 12, "what had no answer was asked again, under its key"


async def test_killed_at_any_moment_letters_are_neither_lost_nor_doubled(
    post: Post, http_stub: HttpStub, tmp_path: Path
) -> None:
    post.house.now = datetime.now(UTC)
    for _ in range(40):
        await post.put(NOTICE, HOME, MessageKind.PASSWORD_CHANGED)
    config = config_of(post, http_stub.url, tmp_path)
    for kills in range(2):
        async with worker_process(config) as process, asyncio.timeout(20):
            while len(written(post)) <= kills * 15:
                await asyncio.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    await asyncio.sleep(LEASE)
    async with worker_process(config, "--once") as last:
        _, errors = await last.communicate()
        assert last.returncode == 0, errors
    await until_quiet(post, 40)
    ids = {message.id for message, _ in await post.house.outbox(PIN_HOLDER)}
    assert sorted(written(post)) == sorted(ids)
    (index,) = post.settings.letter_folder.glob("notices/*/index.csv")
    assert len(index.read_text().splitlines()) == 41
    assert all(file.stat().st_size > 0 for file in index.parent.glob("*.pdf"))


def written(post: Post) -> list[str]:
    return [file.stem for file in post.settings.letter_folder.glob("*/*/*.pdf")]

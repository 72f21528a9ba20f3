"""A media worker that dies costs its calls a BYE, and nothing else."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import running_server
from tests.softphone import Softphone

pytestmark = pytest.mark.socket


async def test_killing_a_worker_ends_its_calls_by_bye_and_the_next_call_is_served(
    prepared: Callable[[Path], None], tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        (worker,) = server.ready["media_workers"]
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.event("sound")
            killed = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            ended = await phone.ended(within=5)
            assert time.monotonic() - killed <= 2.0
        assert ended["by"] == "them"
        record = await server.record_number(1)
        assert (record["end_class"], record["end_reason"]) == ("network", "media_lost")
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.event("sound")
            await phone.hang_up()
        assert (await server.record_number(2))["end_reason"] == "hung_up"

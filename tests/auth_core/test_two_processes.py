"""Fifty guesses at once from two processes get the allowance of one file, and not one more."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE

import pytest

from auth_core.store.audit import Act
from tests.auth_core.conftest import PIN_HOLDER, House, is_in

pytestmark = pytest.mark.socket
TASKS = 25
GUESSER = """
import asyncio, sys
from auth_core import AuthService, AuthSettings, Channel, Identity, Secret, Source

async def guess(first, tasks):
    core = await AuthService.open(AuthSettings.model_validate_json(sys.argv[1]))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(
        core.authenticate(Identity("751", "0123456"), Secret(f"{n:04}"), Source(Channel.WEB))
        for n in range(first, first + tasks)
    ))
    await core.close()

asyncio.run(guess(int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_fifty_tasks_over_two_processes_get_five_tries(house: House) -> None:
    settings = house.settings.model_copy(update={"failure_floor": 0.0})
    content = json.dumps(settings.model_dump(mode="json"))
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", GUESSER, content, str(first), str(TASKS)),
            stdin=PIPE,
            stdout=PIPE,
        )
        for first in (0, TASKS)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0, 0]
    core = await house.open()
    story = await core.show(PIN_HOLDER, "tester")
    reasons = [e.detail["reason"] for e in story.entries if e.act == Act.LOGIN_REFUSED]
    assert story.failures == 5
    assert reasons.count("wrong") <= 5
    # A story has fifty entries, its own being the last of them.
    assert reasons.count("wrong") + reasons.count("locked") == 2 * TASKS - 1
    assert await core.verify_audit() is None
    house.now = max(end for _, end in story.locked_until)
    assert await is_in(core, PIN_HOLDER, "4821")
    await core.close()

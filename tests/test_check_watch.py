"""`ivr check --watch`: what was just written is judged at once."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from tests.running import PROJECT, command

pytestmark = pytest.mark.socket


async def line_with(stream: asyncio.StreamReader, text: str) -> str:
    """The next line that holds `text`."""
    async with asyncio.timeout(30):
        while text not in (line := (await stream.readline()).decode()):
            assert line
    return line


async def test_each_change_is_checked_until_it_is_told_to_stop(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    shutil.copy(PROJECT / "config.yaml", config)
    shutil.copytree(PROJECT / "dialplans", tmp_path / "dialplans")
    (tmp_path / "prompts").symlink_to(PROJECT / "prompts")
    flow = tmp_path / "dialplans" / "caller.yaml"
    good, sound = flow.read_text(encoding="utf-8"), config.read_text(encoding="utf-8")
    watch = await asyncio.create_subprocess_exec(
        *(command("ivr"), "check", "--watch", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONUNBUFFERED": "1"},
        # As from a terminal: who runs the tests in the background has SIGINT ignored for all below.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watch.stdout is not None
    try:
        first = await line_with(watch.stdout, "in order: version")
        flow.write_text(good.replace("which_line", "wich_line", 1), encoding="utf-8")
        assert "caller.yaml:33:" in await line_with(watch.stdout, "did you mean which_line?")
        config.write_text("sip: [", encoding="utf-8")
        assert "config.yaml:1:" in await line_with(watch.stdout, "mend the YAML here")
        config.write_text(sound, encoding="utf-8")
        await line_with(watch.stdout, "did you mean which_line?")
        flow.write_text(good, encoding="utf-8")
        assert await line_with(watch.stdout, "in order: version") == first
        watch.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await watch.wait() == 0
    finally:
        if watch.returncode is None:
            watch.kill()
            await watch.wait()

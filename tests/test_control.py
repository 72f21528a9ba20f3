"""Commands to a running server by its socket: what is answered, and what is cleared away."""

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from ivr import control
from ivr.control import NobodyThere, ask, listening

pytestmark = pytest.mark.socket


async def reload() -> control.Answer:
    return {"version": "3fa9c1d2"}


async def test_a_command_gets_its_answer_and_another_is_none(tmp_path: Path) -> None:
    file = tmp_path / "var" / "control.sock"
    async with listening(file, {"reload": reload}):
        assert await asyncio.to_thread(ask, file, "reload") == {"version": "3fa9c1d2"}
        refused = await asyncio.to_thread(ask, file, "dance")
        assert refused == {"error": "no such command; there are reload"}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()
    with pytest.raises(NobodyThere):
        ask(file, "reload")


async def test_a_folder_may_be_deeper_than_the_name_of_a_socket_is_long(tmp_path: Path) -> None:
    file = tmp_path.joinpath(*["a_long_name_of_a_folder"] * 8, "control.sock")
    assert len(str(file)) > 108
    async with listening(file, {"reload": reload}):
        assert await asyncio.to_thread(ask, file, "reload") == {"version": "3fa9c1d2"}


async def test_what_a_dead_server_left_is_cleared_away_and_a_live_one_s_is_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(file))
    async with listening(file, {"reload": reload}):
        with pytest.raises(OSError, match="in use"):
            async with listening(file, {}):
                pass
        assert await asyncio.to_thread(ask, file, "reload") == {"version": "3fa9c1d2"}


async def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    file = tmp_path / "control.sock"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match="in use"):
        async with listening(file, {"reload": reload}):
            pass
    assert file.read_text(encoding="utf-8") == "mine"


async def test_what_is_no_line_is_no_command(tmp_path: Path) -> None:
    file = tmp_path / "control.sock"
    async with listening(file, {"reload": reload}):
        for said in (b"x" * 100_000, b"\xff\n", b""):
            reader, writer = await asyncio.open_unix_connection(str(file))
            writer.write(said)
            writer.write_eof()
            answer = await reader.read()
            assert b"version" not in answer
            writer.close()
        assert await asyncio.to_thread(ask, file, "reload") == {"version": "3fa9c1d2"}

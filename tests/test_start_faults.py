"""`ivr serve` that cannot start: one line that says what, where and how to mend it, and exit 2."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.running import PROJECT, command, run, write_config

pytestmark = pytest.mark.socket


async def refused(config: Path, status: int = 2, verb: str = "serve") -> str:
    """The one line that the server says instead of starting."""
    code, out, err = await run(command("ivr"), verb, "--config", str(config))
    said = (out + err).strip()
    assert code == status, said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    return said


@pytest.fixture
def folder(prepared: Callable[[Path], None], tmp_path: Path) -> Path:
    """A folder in which a server would start."""
    prepared(tmp_path)
    return tmp_path


async def test_a_key_that_does_not_exist(folder: Path) -> None:
    config = write_config(folder, {"sip.prot": 5070})
    said = await refused(config)
    assert said.startswith(f"{config}:")
    assert "sip.prot: unknown key" in said


async def test_no_configuration_at_all(tmp_path: Path) -> None:
    said = await refused(tmp_path / "none.yaml")
    assert "none.yaml" in said
    assert "--config" in said


async def test_a_dialplan_with_a_target_that_is_nowhere(folder: Path) -> None:
    dialplans = folder / "dialplans"
    shutil.copytree(PROJECT / "dialplans", dialplans)
    file = dialplans / "caller.yaml"
    text = file.read_text(encoding="utf-8").replace("next: which_line", "next: wich_line")
    file.write_text(text, encoding="utf-8")
    config = write_config(folder, {"dialplans": str(dialplans)})
    said = await refused(config)
    assert f"{file}:" in said
    assert "which_line" in said


async def test_a_recording_that_is_missing(folder: Path) -> None:
    prompts = folder / "prompts"
    shutil.copytree(PROJECT / "prompts", prompts)
    (prompts / "fr" / "goodbye.wav").unlink()
    said = await refused(write_config(folder, {"prompts": str(prompts)}))
    assert "goodbye.wav" in said
    assert "ivr prompts build" in said


async def test_a_port_that_another_program_has(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = await refused(write_config(folder, {"sip.port": port}))
    assert f"127.0.0.1:{port}" in said
    assert "sip.port" in said


async def test_an_address_that_is_not_ours(folder: Path) -> None:
    said = await refused(write_config(folder, {"sip.host": "192.0.2.1"}))
    assert "sip.host" in said


async def test_a_folder_for_records_that_cannot_be_written(folder: Path) -> None:
    (folder / "blocked").write_text("a file, not a folder", encoding="utf-8")
    config = write_config(folder, {"records": str(folder / "blocked" / "records.jsonl")})
    said = await refused(config)
    assert "records" in said
    assert "writable" in said


async def test_a_missing_pepper(folder: Path) -> None:
    (pepper,) = (folder / "var").glob("pepper*")
    pepper.unlink()
    said = await refused(write_config(folder))
    assert "pepper" in said


async def test_a_different_pepper(folder: Path) -> None:
    (pepper,) = (folder / "var").glob("pepper*")
    other = os.urandom(32).hex()
    text = pepper.read_text(encoding="ascii")
    longest = max(text.replace(":", " ").replace('"', " ").split(), key=len)
    pepper.write_text(text.replace(longest, other[: len(longest)]), encoding="ascii")
    said = await refused(write_config(folder))
    assert "pepper" in said
    assert longest not in said


async def test_a_database_that_was_never_made(tmp_path: Path) -> None:
    said = await refused(write_config(tmp_path))
    assert "auth-core migrate" in said


async def test_a_sip_password_that_is_nowhere(folder: Path) -> None:
    users = [{"user": "branch", "password_file": "branch.password"}]
    trunk = {"name": "branches", "digest": {"users": users}}
    said = await refused(write_config(folder, {"sip.trunks": [trunk]}))
    assert "branch" in said
    assert str(folder / "branch.password") in said


async def test_check_tells_every_fault_and_exits_1(folder: Path) -> None:
    prompts = folder / "prompts"
    shutil.copytree(PROJECT / "prompts", prompts)
    (prompts / "fr" / "goodbye.wav").unlink()
    config = write_config(folder, {"prompts": str(prompts)})
    assert "goodbye.wav" in await refused(config, status=1, verb="check")


async def test_check_of_the_project_s_own_files_finds_nothing() -> None:
    code, out, err = await run(command("ivr"), "check", "--config", str(PROJECT / "config.yaml"))
    assert (code, err) == (0, ""), out + err


async def test_a_certificate_that_is_missing(folder: Path) -> None:
    authority = Authority(folder)
    pair = authority.sign("ivr.example")
    tls = {"port": 0, "certificate": str(pair.certificate), "key": str(folder / "none.key")}
    config = write_config(folder, {"sip.transports": ["udp", "tls"], "sip.tls": tls})
    for verb, status in (("serve", 2), ("check", 1)):
        said = await refused(config, status, verb)
        assert said.startswith(f"{config}:")
        assert f": sip.tls.key: {folder / 'none.key'}: No such file or directory;" in said

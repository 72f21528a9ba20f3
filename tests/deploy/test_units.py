"""The units of `deploy/` are what systemd takes, shut in as they say, and fit the server."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from ivr.config import load
from tests.running import PROJECT, command

UNITS = PROJECT / "deploy" / "systemd"
SERVICES = ("voice-server.service", "voice-server-portal.service", "voice-server-daily.service")
INSTALLED = "/opt/voice-server/venv/bin"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be had the server been installed where the tests run."""
    here = str(Path(command("ivr")).parent)
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8").replace(INSTALLED, here)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def analysed(*arguments: str) -> str:
    """What systemd-analyze said, after asserting that it was content."""
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_systemd_has_nothing_to_say_against_the_units(units: Path) -> None:
    assert analysed("verify", *map(str, sorted(units.iterdir()))) == ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_little_beside_its_work(units: Path, service: str) -> None:
    analysed("security", "--offline=true", "--threshold=20", str(units / service))


def settings_of(unit: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / unit)
    return parser["Service"]


def test_the_end_may_take_as_long_as_calls_may_and_reaches_the_front_alone() -> None:
    service, config = settings_of(SERVICES[0]), load(PROJECT / "config.yaml")
    assert float(service["TimeoutStopSec"]) >= config.sip.drain_seconds + 30
    assert service["KillMode"] == "mixed"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["User"] == "voice-server"


def test_what_the_operator_changes_is_read_and_never_written() -> None:
    service = settings_of(SERVICES[0])
    assert service["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in service
    assert service["StateDirectory"] == "voice-server"


def test_the_installer_is_a_script_that_a_plain_shell_reads_and_names_what_there_is() -> None:
    script = PROJECT / "deploy" / "install.sh"
    shell = shutil.which("dash") or "sh"
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    (copied,) = (line for line in text.splitlines() if line.startswith("for each in config"))
    for each in copied.removeprefix("for each in ").partition(";")[0].split():
        assert (PROJECT / each).exists()


def test_the_container_is_made_of_what_there_is_and_starts_what_is_installed() -> None:
    text = (PROJECT / "deploy" / "Containerfile").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines()]
    for line in lines:
        if line[:1] == ["COPY"] and not line[1].startswith("--"):
            assert [each for each in line[1:-1] if not (PROJECT / each).exists()] == []
    (start,) = (line for line in text.splitlines() if line.startswith("CMD"))
    for name in ("auth-core migrate", "ivr serve"):
        assert name in start
        assert Path(command(name.split()[0])).exists()
    assert ["USER", "voice-server"] in lines


def test_the_installer_leaves_out_what_another_version_left_behind() -> None:
    text = (PROJECT / "deploy" / "install.sh").read_text(encoding="utf-8")
    assert text.index('rm -rf "$source/build"') < text.index('/bin/pip" install')

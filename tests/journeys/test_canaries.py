"""The search for secrets finds what it is meant to find."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.canaries import arguments_with, places_of


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        ("0471", b'{"pin": "0471"}'),
        ("0471", b"\x00\x01\x040471\x80"),
        ("59314726", b"key 59314726 pressed"),
        ("59314726", b"5, 9, 3, 1, 4, 7, 2, 6"),
        ("59314726", b"digit=5\ndigit=9\ndigit=3\ndigit=1\ndigit=4\ndigit=7\ndigit=2\ndigit=6\n"),
    ],
)
def test_a_secret_is_found_whole_or_spelled_out(
    tmp_path: Path, secret: str, written: bytes
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "auth.db-wal").write_bytes(written)
    assert places_of(secret, tmp_path) == ["var/auth.db-wal"]


@pytest.mark.parametrize(
    ("secret", "written"),
    [("0471", b"port 10471"), ("0471", b"04711"), ("59314726", b"5931.472"), ("0471", b"")],
)
def test_a_part_of_another_number_is_no_trace(tmp_path: Path, secret: str, written: bytes) -> None:
    (tmp_path / "log").write_bytes(written)
    assert places_of(secret, tmp_path) == []


def test_a_secret_among_the_arguments_of_a_process_is_found() -> None:
    script = "print(flush=True); input()"
    arguments = [sys.executable, "-c", script, "59314726"]
    with subprocess.Popen(arguments, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it runs
        assert arguments_with("59314726", [process.pid]) == [process.pid]
        assert arguments_with("59314727", [process.pid]) == []
        process.communicate(b"\n")

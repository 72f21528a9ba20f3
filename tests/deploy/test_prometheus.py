"""The rules and alerts of `deploy/` are what Prometheus takes, and tell what they are named for."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import PROJECT

FILES = PROJECT / "deploy" / "prometheus"


def promtool(*arguments: str, folder: Path = FILES) -> str:
    """Run promtool; what it said, after asserting that it was content."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize(
    ("what", "file"),
    [("rules", "ratios.yml"), ("rules", "alerts.yml"), ("config", "prometheus.yml")],
)
def test_the_file_is_right(what: str, file: str) -> None:
    assert "SUCCESS" in promtool("check", what, file)


def test_the_counters_of_a_quarter_of_an_hour_give_the_ratios_of_rfc_6076_and_the_alerts(
    tmp_path: Path,
) -> None:
    for file in (*FILES.glob("*.yml"), Path(__file__).with_name("ratios_test.yml")):
        shutil.copy(file, tmp_path)
    assert "SUCCESS" in promtool("test", "rules", "ratios_test.yml", folder=tmp_path)

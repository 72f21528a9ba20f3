"""`ivr simulate`, `schema` and `dialplan list`, as an operator types them."""

import re
import shlex
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ivr.cli import app
from ivr.dialplan.simulator import SECONDS_PER_CHARACTER
from ivr.prompts import catalogue
from ivr.schemas import SCHEMAS
from tests.journeys.canaries import places_of
from tests.running import PROJECT, command, run, write_config

LINE = "0810257510"
SAID = catalogue(PROJECT / "prompts", "fr")
TIMERS = re.compile(r"^… (\d+) s for the first key, \d+ s between keys$")


@pytest.fixture
def config(prepared: Callable[[Path], None], tmp_path: Path) -> Path:
    """In a folder with the demo; logs are at their most talkative."""
    prepared(tmp_path)
    return write_config(tmp_path, {"log.level": "debug"})


async def simulated(config: Path, keys: str, *arguments: str) -> tuple[int, str, str]:
    """`ivr simulate` with keys on its standard input; what it printed is left beside the rest that
    it wrote, to be searched."""
    done = await run(command("ivr"), "simulate", "--config", str(config), *arguments, stdin=keys)
    _, out, err = done
    (config.parent / "printed").write_text(out + err, encoding="utf-8")
    return done


def words(printed: str) -> str:
    """What was printed, in one line however a terminal broke it; without the ids of prompts."""
    lines = (line.strip().rpartition("  ")[2] for line in printed.splitlines())
    return " ".join(lines)


@pytest.mark.socket
@pytest.mark.parametrize(
    ("matricule", "secret", "kind"),
    [("0123456", "4821", "pin"), ("0234567", "49205817", "password")],
)
async def test_who_keys_the_secret_of_the_demo_is_in_and_it_is_seen_nowhere(
    config: Path, matricule: str, secret: str, kind: str
) -> None:
    keys = f"{matricule} {secret}{'#' if len(secret) < 8 else ''} 4"
    code, out, log = await simulated(config, keys, "--fast", "--line", LINE)
    assert code == 0
    assert f"outcome=granted secret={kind}" in log
    assert SAID["main_menu"] in words(out)
    assert SAID["password_help"] in words(out)
    assert out.splitlines()[-1] == "The call is over: completed."
    assert places_of(secret, config.parent) == []
    assert matricule not in out + log
    assert not (config.parent / "var" / "records.jsonl").exists(), "it was no call"


@pytest.mark.socket
async def test_a_wrong_secret_lets_nobody_in_and_is_seen_nowhere(config: Path) -> None:
    code, out, log = await simulated(config, "0234567 27182818 q", "--fast", "--line", LINE)
    assert code == 0
    assert "outcome=refused" in log
    assert SAID["main_menu"] not in words(out)
    assert out.splitlines()[-1] == "You hung up."
    assert places_of("27182818", config.parent) == []


@pytest.mark.socket
async def test_fast_takes_far_less_than_the_call_that_it_shows(config: Path) -> None:
    """Its saying takes no time, and a patient caller's silences are over at once."""
    begun = time.monotonic()
    code, out, _ = await simulated(config, ",,0123456,4821#,,1,,q", "--fast", "--line", LINE)
    took = time.monotonic() - begun
    lines = out.splitlines()
    assert (code, lines[-1]) == (0, "You hung up.")
    silences = [
        int(timers[1])
        for line, after in pairwise(lines)
        if (timers := TIMERS.match(line)) and after == "→ nothing was keyed in time"
    ]
    assert silences == [7] * 7, "a comma each"
    assert took < (sum(silences) + len(words(out)) * SECONDS_PER_CHARACTER) / 3


@pytest.mark.socket
async def test_the_example_of_the_guide_gets_in(config: Path) -> None:
    guide = (PROJECT / "docs" / "changing.md").read_text(encoding="utf-8")
    example = re.search(r'^\$ echo "([^"]+)" \| ivr simulate([^#\n]*)', guide, re.MULTILINE)
    assert example
    code, out, log = await simulated(config, f"{example[1]}\n", *shlex.split(example[2]))
    assert code == 0
    assert "outcome=granted" in log
    assert SAID["payments_intro"] in words(out)
    assert "is no answer here" not in out


@pytest.mark.socket
async def test_a_line_that_there_is_not_is_told_with_those_there_are(config: Path) -> None:
    code, out, err = await simulated(config, "1", "--line", "0899000000")
    assert (code, out) == (2, "")
    assert err == (
        f"--line 0899000000: no such line in {config}; those there are: 0810292929, 0810257510\n"
    )


@pytest.mark.socket
@pytest.mark.parametrize("kind", SCHEMAS)
async def test_a_schema_is_printed_as_the_file_that_editors_read(kind: str) -> None:
    code, out, err = await run(command("ivr"), "schema", kind)
    assert (code, err) == (0, "")
    assert out == (PROJECT / "schemas" / f"{kind}.json").read_text(encoding="utf-8")


def dialplan_list(config: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["dialplan", "list", "--config", str(config)])
    return done.exit_code, done.output


def test_a_list_names_each_dialplan_and_the_lines_that_run_it(tmp_path: Path) -> None:
    plans = tmp_path / "dialplans"
    plans.mkdir()
    for name in ("evening", "caller", "no_plan.txt", "draft"):
        (plans / (name if "." in name else f"{name}.yaml")).touch()
    lines = [
        {"number": "1", "dialplan": "caller"},
        {"number": "2", "dialplan": "evening"},
        {"number": "3", "dialplan": "caller"},
    ]
    config = write_config(tmp_path, {"dialplans": "dialplans", "lines": lines})
    assert dialplan_list(config) == (0, "caller  1, 3\ndraft  no line\nevening  2\n")


def test_the_project_s_own_list_is_that_of_its_folder() -> None:
    lines = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))["lines"]
    numbers = ", ".join(line["number"] for line in lines)
    assert dialplan_list(PROJECT / "config.yaml") == (0, f"caller  {numbers}\n")


def test_a_folder_without_dialplans_is_told_in_one_line(tmp_path: Path) -> None:
    config = write_config(tmp_path, {"dialplans": "nowhere"})
    told = f"{tmp_path / 'nowhere'}: no dialplan is there; name their folder under dialplans\n"
    assert dialplan_list(config) == (2, told)

"""`ivr prompts …`, as an operator types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ivr import prompt_list
from ivr.cli import app
from ivr.prompts import LANGUAGES, RATE, read_recording
from tests.running import PROJECT, write_config
from tests.test_recordings import write


def prompts(*arguments: str, of: Path = PROJECT / "config.yaml") -> Result:
    config = ("--config", str(of))
    return CliRunner().invoke(app, ["prompts", *arguments, *config], env={"COLUMNS": "160"})


def test_a_list_has_what_is_looked_for_with_its_age() -> None:
    done = prompts("list", "ask_matricule")
    assert done.exit_code == 0
    assert done.output.count("ask_matricule") == 2  # in French and in English
    assert done.output.count(" day") + done.output.count("today") >= 2


@pytest.mark.parametrize("verb", ["list", "play", "page"])
def test_what_no_prompt_has_is_told_in_one_line(verb: str, tmp_path: Path) -> None:
    more = ["-o", str(tmp_path / "page.html")] if verb == "page" else []
    done = prompts(verb, "nothing_like_it", *more)
    assert done.exit_code == 2
    assert done.output == "nothing_like_it: no prompt has this in its id or text\n"


def test_play_says_the_text_and_why_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_list, "PLAYERS", ())
    done = prompts("play", "ask_matricule")
    assert done.exit_code == 1
    text, why = done.output.splitlines()
    assert text.startswith("fr/ask_matricule  Tapez les sept chiffres")
    assert why.startswith("no program here plays sound")


def test_a_page_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    assert prompts("page", "-o", str(file)).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert page.count("<audio") == page.count('<th scope="row">') > 600
    done = prompts("page", "-o", str(tmp_path / "nowhere" / "page.html"))
    assert done.exit_code == 2
    assert "No such file or directory" in done.output


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A configuration with three prompts of its own in two languages, none of them recorded."""
    write(tmp_path / "prompts", "one: {text: Un.}\ntwo: {text: Deux.}\n", "fr")
    write(tmp_path / "prompts", "one: {text: One.}\n", "en")
    return write_config(tmp_path, {"prompts": "prompts"})


def told(folder: Path, file: str, what: str) -> str:
    return f"{folder / 'prompts' / file}: {what}"


MISSING = "missing; make it with: ivr prompts build"


def test_what_is_not_recorded_is_told_made_and_in_order_then(own: Path, tmp_path: Path) -> None:
    done = prompts("check", of=own)
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        told(tmp_path, file, MISSING) for file in ("fr/one.wav", "fr/two.wav", "en/one.wav")
    ]
    built = prompts("build", of=own)
    assert built.exit_code == 0, built.output
    assert built.output.splitlines()[-1] == "3 made, 0 kept, 0 of a studio"
    for language in LANGUAGES:
        file = tmp_path / "prompts" / language / "one.wav"
        assert 0.3 < read_recording(file).size / RATE < 3, "seconds"
    done = prompts("check", of=own)
    assert (done.exit_code, done.output) == (0, "The recordings are in order.\n")
    assert prompts("build", of=own).output == "0 made, 3 kept, 0 of a studio\n"


def test_the_one_that_is_missing_is_told_and_the_others_are_left(own: Path, tmp_path: Path) -> None:
    prompts("build", of=own)
    folder = tmp_path / "prompts" / "fr"
    kept = (folder / "one.wav").stat().st_mtime_ns
    (folder / "two.wav").unlink()
    done = prompts("check", of=own)
    assert (done.exit_code, done.output) == (1, told(tmp_path, "fr/two.wav", MISSING) + "\n")
    assert prompts("build", of=own).output.splitlines()[-1] == "1 made, 2 kept, 0 of a studio"
    assert (folder / "one.wav").stat().st_mtime_ns == kept
    assert prompts("check", of=own).exit_code == 0


def test_what_a_build_can_not_mend_is_told_after_what_it_did(own: Path, tmp_path: Path) -> None:
    stray = tmp_path / "prompts" / "en" / "stray.wav"
    stray.touch()
    done = prompts("build", of=own)
    assert done.exit_code == 1
    assert done.output.splitlines()[-2:] == [
        "3 made, 0 kept, 0 of a studio",
        f"{stray}: catalogue.yaml does not name it; add its text there or delete it",
    ]


def test_without_espeak_a_build_says_what_to_install(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = prompts("build", of=own)
    assert done.exit_code == 2
    last = done.output.splitlines()[-1]
    assert last == told(tmp_path, "fr", "espeak-ng is not installed: apt-get install espeak-ng")
    assert not list((tmp_path / "prompts").rglob("*.wav"))

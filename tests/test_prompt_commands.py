"""`ivr prompts list|play|page`, as an operator types them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ivr import prompt_list
from ivr.cli import app
from tests.running import PROJECT


def prompts(*arguments: str) -> Result:
    config = ("--config", str(PROJECT / "config.yaml"))
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

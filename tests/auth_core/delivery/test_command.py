"""`auth-core deliver`, as an operator and a printer's script use it."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import structlog

from auth_core.cli import main
from auth_core.delivery.outbox import Message, MessageState
from tests.auth_core.conftest import PIN_HOLDER, House
from tests.auth_core.delivery.conftest import HOME, Post

pytestmark = pytest.mark.sqlite_only("what the command does is test_worker's, on both")


@pytest.fixture
def config(house: House) -> Path:
    file = house.folder / "config.yaml"
    file.write_text("auth: {argon2: {memory_kib: 8, iterations: 1}}\n")
    return file


def put_letter(post: Post) -> str:
    """Its message's id."""
    asyncio.run(post.put(to=HOME))
    return last(post).id


def last(post: Post) -> Message:
    return asyncio.run(post.house.outbox(PIN_HOLDER))[-1][0]


class Deliver(Protocol):
    """Run `auth-core deliver` on a configuration."""

    def __call__(self, config: Path, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""


@pytest.fixture
def deliver(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Deliver]:
    def run(config: Path, *arguments: str) -> tuple[int, str, str]:
        command = ["auth-core", "deliver", "--config", str(config), *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    yield run
    structlog.reset_defaults()


def pdf_of(post: Post) -> Path:
    (file,) = post.settings.letter_folder.glob("*/*/*.pdf")
    return file


def test_once_delivers_and_tells_what_it_did(post: Post, config: Path, deliver: Deliver) -> None:
    message_id = put_letter(post)
    code, out, log = deliver(config, "--once", "--json")
    assert code == 0
    assert json.loads(out) == {
        "sms": 0,
        "letters": 1,
        "retried": 0,
        "dead": 0,
        "replaced": 0,
        "capped": 0,
        "late": 0,
    }
    assert message_id in log
    assert pdf_of(post).stem == message_id
    code, out, _ = deliver(config, "--once")
    assert (code, out) == (
        0,
        "sms 0, letters 0, retried 0, dead 0, replaced 0, capped 0, late 0\n",
    )


def test_a_printed_letter_goes_away(post: Post, config: Path, deliver: Deliver) -> None:
    put_letter(post)
    deliver(config, "--once")
    letter = pdf_of(post)
    code, out, _ = deliver(config, "--json", "--acknowledge", str(letter))
    assert (code, json.loads(out)) == (0, {"acknowledged": 1, "unknown": 0})
    assert not letter.exists()
    assert letter.name not in letter.with_name("index.csv").read_text()
    assert last(post).state is MessageState.ACKNOWLEDGED
    code, out, _ = deliver(config, "--acknowledge", str(letter))
    assert (code, out) == (0, "0 letters acknowledged, 1 not known\n")


def test_a_printer_gives_back_the_index_that_it_printed(
    post: Post, config: Path, deliver: Deliver, tmp_path: Path
) -> None:
    put_letter(post)
    deliver(config, "--once")
    printed = tmp_path / "printed.csv"
    printed.write_text(pdf_of(post).with_name("index.csv").read_text())
    later = "0" * 32
    pdf_of(post).with_name(f"{later}.pdf").touch()
    assert deliver(config, "--acknowledge", str(printed))[0] == 0
    assert pdf_of(post).stem == later, "what was not printed stays"


def test_a_letter_that_waits_in_the_outbox_cannot_be_acknowledged(
    post: Post, config: Path, deliver: Deliver
) -> None:
    message_id = put_letter(post)
    _, out, _ = deliver(config, "--json", "--acknowledge", f"{message_id}.pdf")
    assert json.loads(out) == {"acknowledged": 0, "unknown": 1}
    assert last(post).state is MessageState.QUEUED


@pytest.mark.parametrize(
    ("content", "arguments", "what"),
    [
        ("delivery: {speed: 3}\n", (), "config.yaml:1: delivery.speed: unknown key"),
        ("auth: {pepper_file: nowhere}\n", ("--once",), "the pepper is missing"),
        ("{}\n", ("--acknowledge", "missing.csv"), "missing.csv: cannot be read"),
        ("{}\n", ("--acknowledge", "letter.pdf"), "no letter of ours"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    config: Path, deliver: Deliver, content: str, arguments: tuple[str, ...], what: str
) -> None:
    config.write_text(content)
    code, out, err = deliver(config, *arguments)
    assert (code, out) == (2, "")
    assert what in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1

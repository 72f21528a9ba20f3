"""Users of the console: how they are made, and what the configuration takes."""

from pathlib import Path

import pytest
import yaml

from auth_core.yamlfile import YamlFaults
from ivr.config import load
from ivr.users import ConsoleUser, hashed, is_password
from tests.running import command, run, write_config


def made(password: str) -> ConsoleUser:
    return ConsoleUser.model_validate({"name": "anna", "password": hashed(password)})


def test_a_password_is_known_again_however_its_accents_were_typed() -> None:
    user = made("é" * 12)
    assert is_password("e\u0301" * 12, user)
    assert not is_password("e" * 12, user)
    assert not is_password("é" * 12, None)


@pytest.mark.parametrize("password", ["", "eleven char", "a" * 257])
def test_a_password_too_short_or_too_long_is_not_taken(password: str) -> None:
    with pytest.raises(ValueError, match="12 to 256"):
        hashed(password)


def test_the_hash_shows_nowhere() -> None:
    assert "argon2" not in repr(made("correct horse battery"))


async def test_the_command_prints_a_line_that_the_configuration_takes(tmp_path: Path) -> None:
    code, out, err = await run(
        command("ivr"),
        "console",
        "user",
        "anna",
        "--role",
        "operator",
        stdin="correct horse battery\n",
    )
    assert (code, err) == (0, "")
    users = yaml.safe_load(out)
    config = load(write_config(tmp_path, {"console.users": users}))
    (user,) = config.console.users
    assert (user.name, user.role) == ("anna", "operator")
    assert is_password("correct horse battery", user)


@pytest.mark.parametrize(
    ("name", "password", "told"), [("anna", "short", "12 to 256"), ("a b", "x" * 12, "no name")]
)
async def test_the_command_says_what_is_wrong(name: str, password: str, told: str) -> None:
    code, out, err = await run(command("ivr"), "console", "user", name, stdin=password)
    assert (code, out) == (2, "")
    assert told in err
    assert password not in err


@pytest.mark.parametrize(
    ("users", "told"),
    [
        ([{"name": "anna", "password": "correct horse battery"}], "no argon2 hash"),
        ([{"name": "anna", "role": "root", "password": "x"}], "role"),
    ],
)
def test_the_configuration_takes_no_plain_password(
    tmp_path: Path, users: list[dict[str, str]], told: str
) -> None:
    with pytest.raises(YamlFaults) as caught:
        load(write_config(tmp_path, {"console.users": users}))
    assert told in str(caught.value)
    assert "correct horse" not in str(caught.value)


def test_each_name_is_given_once(tmp_path: Path) -> None:
    user = {"name": "anna", "password": hashed("correct horse battery")}
    with pytest.raises(YamlFaults, match="anna is given twice"):
        load(write_config(tmp_path, {"console.users": [user, user]}))

"""What the commands of `auth-core` share: their options, and how they read, answer and fail."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from auth_core.credentials import MAX_KEYED, Secret
from auth_core.errors import AuthError
from auth_core.service import AuthService
from auth_core.settings import AuthSettings, load_settings
from auth_core.yamlfile import YamlFaults

BAD_INPUT = 2
REFUSED = 1

Result = TypeVar("Result")


def _digits(length: int, text: str) -> str:
    if len(text) != length or not (text.isascii() and text.isdigit()):
        raise typer.BadParameter(f"give {length} digits")
    return text


def checked_caf(text: str) -> str:
    return _digits(3, text)


def checked_matricule(text: str) -> str:
    return _digits(7, text)


def _name(text: str | None) -> str | None:
    if text is None:
        return None
    if not text.strip() or not text.isprintable():
        raise typer.BadParameter("give the name of the agent who acts")
    return text.strip()


ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; its `auth` section is read.")
]
CafOption = Annotated[
    str, typer.Option("--caf", callback=checked_caf, help="The Caf of the file, 3 digits.")
]
MatriculeOption = Annotated[
    str,
    typer.Option("--matricule", callback=checked_matricule, help="The file's number, 7 digits."),
]
AgentOption = Annotated[
    str, typer.Option("--agent", callback=_name, help="Who acts; kept in the audit trail.")
]
OptionalAgentOption = Annotated[
    str | None, typer.Option("--agent", callback=_name, help="Who acts, if it is an agent.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
DEFAULT_CONFIG = Path("config.yaml")


def tell(content: dict[str, Any], words: str, as_json: bool) -> None:
    """Answer: `content` for programs, `words` for people."""
    typer.echo(json.dumps(content, ensure_ascii=False) if as_json else words)


def line(what: str) -> str:
    """One line of standard input."""
    # A shell that closed standard input leaves None here.
    text = sys.stdin.readline(MAX_KEYED + 2) if sys.stdin else ""
    if not text.strip():
        raise fail(f"standard input ended before {what}; give it as one line")
    if len(text.strip()) > MAX_KEYED:
        raise fail(f"{what}: the line is too long")
    if not text.strip().isascii():
        raise fail(f"{what}: only the characters of a keypad are expected; give digits")
    return text.strip()


def secret_line(what: str) -> Secret:
    return Secret(line(what))


def settings_of(file: Path) -> AuthSettings:
    return read_config(file, load_settings)


def read_config(file: Path, read: Callable[[Path], Result]) -> Result:
    """What `read` makes of the configuration; every fault of it ends the command."""
    try:
        return read(file)
    except YamlFaults as error:
        raise fail(str(error)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise fail(f"{file}: {reason}; name the configuration with --config") from error


def serve(
    settings: AuthSettings, act: Callable[[AuthService], Coroutine[Any, Any, Result]]
) -> Result:
    """Do something with the service, opened for it alone."""

    async def served() -> Result:
        service = await AuthService.open(settings)
        try:
            return await act(service)
        finally:
            await service.close()

    return run(served())


def run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except AuthError as error:
        raise fail(str(error)) from error


def fail(message: str) -> typer.Exit:
    """Say what is wrong on standard error; the caller raises what is returned."""
    typer.echo(message, err=True)
    return typer.Exit(BAD_INPUT)

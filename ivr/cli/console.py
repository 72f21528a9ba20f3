"""`ivr console …`: who may open the operator's page."""

import sys
from typing import Annotated

import typer
from pydantic import SecretStr, ValidationError

from ivr.cli.common import fail
from ivr.users import ConsoleUser, Role, hashed

app = typer.Typer(help="The operator's console.", no_args_is_help=True)


@app.command("user")
def console_user(
    name: Annotated[str, typer.Argument(help="The user's name.")],
    role: Annotated[Role, typer.Option(help="See only, or act too.")] = Role.VIEWER,
) -> None:
    """Make a user of the console: reads a password, prints the line for console.users."""
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        user = ConsoleUser(name=name, role=role, password=SecretStr(hashed(password)))
    except ValidationError:
        raise fail(f"{name}: no name; use letters, digits and . _ @ -, 64 at most") from None
    except ValueError as error:
        raise fail(f"the password: {error}") from None
    kept = user.password.get_secret_value()
    typer.echo(f'- {{name: {user.name}, role: {user.role}, password: "{kept}"}}')

"""`portal …`: the operator's commands. Bad input gets one clear line and exit 2."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from auth_core import AuthError
from auth_core.yamlfile import YamlFaults
from portal import server
from portal.settings import load

BAD_INPUT = 2

app = typer.Typer(
    help="The portal: login, kiosk and account pages, and the app's API, over HTTP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _portal() -> None:
    """Commands have names of their own, even where there is but one."""


@app.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path(
        "config.yaml"
    ),
) -> None:
    """Serve pages until SIGTERM or SIGINT."""
    try:
        asyncio.run(server.serve(load(config), _say))
    except (AuthError, YamlFaults, server.StartError) as error:
        raise _fail(str(error)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _fail(f"{config}: {reason}; name the configuration with --config") from error


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _fail(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(BAD_INPUT)


def main() -> None:
    """The entry point of `portal`."""
    app()


if __name__ == "__main__":
    main()

"""What all commands share: the configuration they take, and how they say no."""

from pathlib import Path
from typing import Annotated

import typer

from auth_core.yamlfile import YamlFaults
from ivr.config import Config, load

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)
]
DEFAULT_CONFIG = Path("config.yaml")
BAD_INPUT = 2
FAULTS = 1


def fail(message: str, status: int = BAD_INPUT) -> typer.Exit:
    """Say what is wrong on standard error; the caller raises what is returned."""
    typer.echo(message, err=True)
    return typer.Exit(status)


def load_config(file: Path) -> Config:
    """The checked configuration, or one line for each fault and exit 2."""
    try:
        return load(file)
    except YamlFaults as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(unreadable(file, error)) from error


def unreadable(file: Path, error: OSError) -> str:
    """A configuration that can't be read, in one line."""
    reason = error.strerror or type(error).__name__
    return f"{file}: {reason}; name the configuration with --config"

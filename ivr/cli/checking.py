"""`ivr check`, `ivr schema`: what is wrong with the operator's files, before a caller finds out."""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auth_core.yamlfile import YamlFaults
from ivr.cli.common import DEFAULT_CONFIG, FAULTS, ConfigOption, unreadable
from ivr.config import Config, load
from ivr.operator_files import StartError, faults, read_files
from ivr.other_channels import faults_of_others
from ivr.prompts import LANGUAGES
from ivr.schemas import SCHEMAS

LOOK = 0.5
"""Seconds between two looks at the files while they are watched."""


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again at each change, until ctrl-C.")
    ] = False,
) -> None:
    """Tell every fault of the configuration (the portal's section too), the dialplans and the
    prompts; exit 1 if any."""
    if not watch:
        if _check(config):
            raise typer.Exit(FAULTS)
        return
    with contextlib.suppress(KeyboardInterrupt):
        for _ in _states(config):
            typer.echo(f"{datetime.now():%H:%M:%S}")
            _check(config)


def _check(config: Path) -> bool:
    """Tell every fault; whether there was one."""
    found, version = _found(config)
    for fault in found:
        typer.echo(fault)
    if not found:
        typer.echo(f"{config}, its dialplans and its prompts are in order: version {version}.")
    return bool(found)


def _found(config: Path) -> tuple[list[str], str]:
    """Every fault, and the version that the files are without one."""
    found, version = [], ""
    try:
        try:
            settings = load(config)
            found = faults(settings)
            if not found:
                version = read_files(config, settings).version
        except (YamlFaults, StartError) as error:
            found = str(error).splitlines()
        # What is wrong for the core is wrong for every channel, and told once.
        found += [each for each in faults_of_others(config) if each not in found]
    except OSError as error:
        return [unreadable(config, error)], ""
    return found, version


def _states(config: Path) -> Iterator[None]:
    """Once, and again whenever something of the operator's files has changed."""
    named: tuple[Path, ...] = ()
    seen: list[object] = []
    while True:
        with contextlib.suppress(YamlFaults, OSError):
            named = _named_by(load(config))
        now = [_stamp(file) for place in (config, *named) for file in _within(place)]
        if now != seen:
            seen = now
            yield
        time.sleep(LOOK)


def _named_by(settings: Config) -> tuple[Path, ...]:
    """The folders and files that a configuration names."""
    tls = settings.sip.tls
    users = [each for trunk in settings.sip.trunks for each in (*trunk.users, trunk.register_)]
    passwords = [user.password_file for user in users if user is not None]
    folders = [settings.dialplans, *(settings.prompts / language for language in LANGUAGES)]
    files = [tls.certificate, tls.key, tls.client_ca, *passwords]
    return (*folders, *filter(None, files))


def _within(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else [place]


def _stamp(file: Path) -> object:
    """Something that differs once the file has changed."""
    try:
        status = file.stat()
    except OSError:
        return file, None
    return file, status.st_mtime_ns, status.st_size, status.st_ino


class Kind(StrEnum):
    """What there is a schema of."""

    CONFIG = "config"
    DIALPLAN = "dialplan"


def schema(of: Annotated[Kind, typer.Argument(help="Of which kind of file.")]) -> None:
    """Print the JSON Schema of config.yaml or of a dialplan, by which editors complete and
    underline; the project's own are in schemas/."""
    typer.echo(json.dumps(SCHEMAS[of.value](), indent=2, ensure_ascii=False))

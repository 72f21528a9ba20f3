"""`ivr prompts …`: the recordings of what is said."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from auth_core.yamlfile import Fault
from ivr import recordings
from ivr.cli.common import DEFAULT_CONFIG, FAULTS, ConfigOption, fail, load_config
from ivr.config import Config
from ivr.prompt_list import NoPlayer, chosen, page, play, table
from ivr.prompts import PromptError
from ivr.recordings import Recording

app = typer.Typer(help="The recordings of what is said.", no_args_is_help=True)


@app.command("build")
def prompts_build(
    config: ConfigOption = DEFAULT_CONFIG,
    everything: Annotated[bool, typer.Option(help="All again, but a studio's.")] = False,
) -> None:
    """Make the recordings that are missing or older than their text, with espeak-ng."""
    settings = load_config(config)
    try:
        report = recordings.build(settings.prompts, console=Console(), everything=everything)
    except PromptError as error:
        raise fail(str(error)) from error
    typer.echo(f"{report.made} made, {report.kept} kept, {report.studio} of a studio")
    _tell_faults(report.faults)


@app.command("check")
def prompts_check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Tell what is missing, too long, clipped, too quiet or older than its text; exit 1 if any."""
    settings = load_config(config)
    _tell_faults(recordings.check(settings.prompts))
    typer.echo("The recordings are in order.")


Which = Annotated[str, typer.Argument(help="Part of an id or of a text; default: all.")]


@app.command("list")
def prompts_list(which: Which = "", config: ConfigOption = DEFAULT_CONFIG) -> None:
    """List prompts with length, text, age, and where the recording comes from."""
    settings = load_config(config)
    try:
        Console().print(table(_chosen(settings, which), date.today()))
    except PromptError as error:
        raise fail(str(error)) from error


@app.command("page")
def prompts_page(
    which: Which = "",
    config: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file.")] = Path(
        "prompts.html"
    ),
) -> None:
    """Write a page for a browser: each text beside its sound."""
    settings = load_config(config)
    try:
        text = page(_chosen(settings, which), output.resolve().parent, date.today())
        output.write_text(text, encoding="utf-8")
    except PromptError as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(f"--output {output}: {error.strerror}") from error
    typer.echo(f"{output} is written; open it in a browser.")


@app.command("play")
def prompts_play(
    which: Annotated[str, typer.Argument(help="Part of an id or of a text.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Play prompts as callers hear them, each after its text."""
    settings = load_config(config)
    try:
        for recording in _chosen(settings, which):
            typer.echo(f"{recording.language}/{recording.prompt}  {recording.text}")
            play(recording)
    except (NoPlayer, PromptError) as error:
        raise fail(str(error), FAULTS) from error


def _chosen(settings: Config, which: str) -> list[Recording]:
    """Raises `PromptError`."""
    found = chosen(settings.prompts, which)
    if not found:
        raise fail(f"{which}: no prompt has this in its id or text")
    return found


def _tell_faults(faults: Sequence[Fault]) -> None:
    for fault in faults:
        typer.echo(str(fault))
    if faults:
        raise typer.Exit(FAULTS)

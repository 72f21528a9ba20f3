"""`ivr dialplan …`: the flows, seen."""

from pathlib import Path
from typing import Annotated

import typer

from ivr.cli.common import DEFAULT_CONFIG, FAULTS, ConfigOption, fail, load_config
from ivr.config import Config
from ivr.dialplan.check import inspect
from ivr.dialplan.drawing import draw
from ivr.dialplan.graph import flow_graph
from ivr.dialplan.schema import parse
from ivr.prompts import LANGUAGES, PromptError, catalogue

app = typer.Typer(help="What callers live through.", no_args_is_help=True)


@app.command("list")
def dialplan_list(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Name the dialplans, and the lines that run each."""
    settings = load_config(config)
    files = sorted(settings.dialplans.glob("*.yaml"))
    if not files:
        raise fail(f"{settings.dialplans}: no dialplan is there; name their folder under dialplans")
    for file in files:
        lines = [line.number for line in settings.lines if line.dialplan == file.stem]
        typer.echo(f"{file.stem}  {', '.join(lines) or 'no line'}")


@app.command("graph")
def dialplan_graph(
    name: Annotated[str | None, typer.Argument(help="Which; default: the first line's.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SVG file; default: standard output.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the words shown: fr or en.")] = LANGUAGES[0],
) -> None:
    """Draw a dialplan as SVG. One with faults is drawn too, what is wrong in red, and exits 1."""
    settings = load_config(config)
    file = settings.dialplans / f"{name or settings.lines[0].dialplan}.yaml"
    try:
        texts = {spoken: catalogue(settings.prompts, spoken) for spoken in LANGUAGES}
        plan, faults = parse(file)
    except PromptError as error:
        raise fail(str(error)) from error
    except OSError as error:
        raise fail(f"{file}: {error.strerror}; those there are: {_known(settings)}") from error
    if language not in texts:
        raise fail(f"--language {language}: no such language; there are {', '.join(LANGUAGES)}")
    if plan is not None:
        picture = draw(flow_graph(plan, language), texts[language], file.stem)
        if output is None:
            typer.echo(picture, nl=False)
        else:
            _write(output, picture)
        faults = inspect(file, {spoken: frozenset(ids) for spoken, ids in texts.items()})
    for fault in faults:
        typer.echo(str(fault), err=True)
    if faults:
        raise typer.Exit(FAULTS)


def _known(settings: Config) -> str:
    return ", ".join(sorted(each.stem for each in settings.dialplans.glob("*.yaml"))) or "none"


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise fail(f"--output {file}: {error.strerror}") from error

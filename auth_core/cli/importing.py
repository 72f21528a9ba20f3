"""Commands that bring in what other systems know."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from auth_core.cli.console import (
    DEFAULT_CONFIG,
    REFUSED,
    AgentOption,
    ConfigOption,
    JsonOption,
    fail,
    run,
    settings_of,
    tell,
)
from auth_core.importing.rows import RowFault
from auth_core.importing.run import import_files
from auth_core.service import utc_now

SHOWN_FAULTS = 100


def import_csv(
    file: Annotated[Path, typer.Argument(help="The CSV (docs/import.md); UTF-8.")],
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Import case files, without secrets; those that are there are brought up to date. A case file
    with a fault is left out whole, and told with its line."""
    settings = settings_of(config)
    faults: list[RowFault] = []
    try:
        with file.open("rb") as stream, _bar(as_json) as bar:
            lines = _decoded(stream, bar, file.stat().st_size)
            total = run(import_files(settings, lines, agent, utc_now, faults.append))
    except OSError as error:
        raise fail(f"{file}: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise fail(f"{file}: not UTF-8; save it as such. What came before is imported") from error
    for fault in faults[:SHOWN_FAULTS]:
        typer.echo(f"{file}:{fault}", err=True)
    if len(faults) > SHOWN_FAULTS:
        typer.echo(f"{file}: {len(faults) - SHOWN_FAULTS} more faults", err=True)
    content = {
        "ok": not faults,
        "created": total.created,
        "updated": total.updated,
        "refused": total.refused,
        "faults": [{"line": f.line, "column": f.column, "what": f.what} for f in faults],
    }
    words = f"{total.created} case files created, {total.updated} updated, {total.refused} refused."
    tell(content, words, as_json)
    if faults:
        raise typer.Exit(REFUSED)


def _bar(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not sys.stderr.isatty(),
    )


def _decoded(stream: BinaryIO, bar: Progress, size: int) -> Iterator[str]:
    """The lines, the bar following."""
    task = bar.add_task("import", total=size)
    for line in io.TextIOWrapper(stream, encoding="utf-8", newline=""):
        bar.advance(task, len(line))
        yield line

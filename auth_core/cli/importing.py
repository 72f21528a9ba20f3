"""Commands that bring in what other systems know."""

import io
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

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
from auth_core.errors import AuthError
from auth_core.importing import sealed
from auth_core.importing.pins import import_pins as import_sealed_pins
from auth_core.importing.rows import RowFault
from auth_core.importing.run import import_files
from auth_core.keys import ensure_key_file, read_key_file
from auth_core.service import utc_now

SHOWN_FAULTS = 100
PinKeyOption = Annotated[
    Path, typer.Option("--key", help="The key of sealed PINs; the same file on both systems.")
]
DEFAULT_PIN_KEY = Path("var/pins.key")


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


def import_pins(
    file: Annotated[Path, typer.Argument(help="The sealed PINs (docs/import.md).")],
    agent: AgentOption,
    key: PinKeyOption = DEFAULT_PIN_KEY,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not wipe the file when all of it is imported.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Give the PINs of a sealed file to case files that hold no secret. Killed and run again, it
    goes on where it was; at its end the file is wiped."""
    settings = settings_of(config)

    def tell_fault(fault: RowFault) -> None:
        typer.echo(f"{file}:{fault}", err=True)

    try:
        with _bar(as_json, TextColumn("{task.fields[rate]}")) as bar:
            task = bar.add_task("import-pins", total=None, rate="")

            def move(done: int, of: int) -> None:
                speed = bar.tasks[task].speed
                rate = "" if speed is None else f"{speed:.0f} PINs/s"
                bar.update(task, completed=done, total=of, rate=rate)

            report = run(
                import_sealed_pins(
                    settings,
                    file,
                    key,
                    agent,
                    utc_now,
                    on_fault=tell_fault,
                    on_progress=move,
                    keep=keep,
                )
            )
    except OSError as error:
        raise fail(f"{file}: {error.strerror or type(error).__name__}") from error
    counts = report.counts
    content = {"ok": counts.refused == 0, **asdict(counts), "rate": round(report.rate, 1)}
    words = (
        f"{counts.imported} PINs imported ({report.rate:.0f}/s), {counts.kept} files kept the "
        f"secret they hold, {counts.refused} records refused."
    )
    tell(content, words, as_json)
    if counts.refused:
        raise typer.Exit(REFUSED)


def seal_pins(
    target: Annotated[Path, typer.Argument(help="The sealed file to make.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The CSV caf;matricule;pin; standard input unless given."),
    ] = None,
    key: PinKeyOption = DEFAULT_PIN_KEY,
    as_json: JsonOption = False,
) -> None:
    """Seal PINs for import-pins, on the system that they come from. They are read from standard
    input or a file, never from arguments; a key that is not there is made."""
    try:
        ensure_key_file(key)
        keyring = read_key_file(key, sealed.PURPOSE)
        if source is None:
            count = sealed.seal(sealed.lines_of(_standard_input()), target, keyring)
        else:
            with source.open("rb") as stream:
                count = sealed.seal(sealed.lines_of(stream), target, keyring)
    except AuthError as error:
        raise fail(str(error)) from error
    except OSError as error:
        name = error.filename or target
        raise fail(f"{name}: {error.strerror or type(error).__name__}") from error
    tell({"ok": True, "records": count}, f"{count} records sealed into {target}.", as_json)


def _standard_input() -> BinaryIO:
    """Its bytes; empty where a shell closed it."""
    if sys.stdin is None:
        return io.BytesIO()
    return getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())


def _bar(quiet: bool, *more: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        *more,
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

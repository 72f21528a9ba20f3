"""Commands on the database as a whole."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from auth_core import demo as demo_files
from auth_core import retention, rotation
from auth_core.cli.console import (
    DEFAULT_CONFIG,
    AgentOption,
    ConfigOption,
    JsonOption,
    fail,
    read_config,
    run,
    settings_of,
    tell,
)
from auth_core.installation import migrate as migrate_database
from auth_core.retention import load_holdings
from auth_core.service import utc_now


def migrate(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Bring the database to the newest version; a new one gets its keys."""
    settings = settings_of(config)
    run(migrate_database(settings))
    tell({"ok": True}, "The database is up to date.", as_json)


def rotate_pepper(
    agent: AgentOption,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only write the new key, to be taken to other nodes.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a rotation was interrupted.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Put every stored secret under a new pepper, around the old one. Nobody needs a new secret,
    and servers that run go on; save the pepper file anew. Where several nodes share the database,
    run it with --prepare first, and copy the pepper file to each."""
    if prepare and resume:
        raise fail("--prepare and --resume: give one of them, or none")
    settings = settings_of(config)
    if prepare:
        version = run(rotation.prepare(settings))
        words = f"Version {version} is in {settings.pepper_file}, and not used yet."
        tell({"ok": True, "version": version}, words, as_json)
        return
    version, wrapped = run(rotation.rotate(settings, agent, utc_now, resume=resume))
    words = f"{wrapped} stored secrets are under version {version} now. Save the pepper file anew."
    tell({"ok": True, "version": version, "secrets": wrapped}, words, as_json)


def purge(
    agent: AgentOption, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Remove what has been kept for long enough, as `retention` says: the audit trail's beginning,
    throttles, messages, letters, call records. For a daily task."""
    holdings = read_config(config, load_holdings)
    try:
        report = run(retention.purge(holdings, agent, utc_now))
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}; make its folder writable") from error
    counts = asdict(report)
    words = ", ".join(f"{name} {count}" for name, count in counts.items())
    tell({"ok": True, **counts}, f"Removed: {words}.", as_json)


def demo(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Lay the demo files down as on the first day; other files are not touched."""
    settings = settings_of(config)
    run(demo_files.lay_down(settings, utc_now))
    if as_json:
        rows = [
            {"matricule": row.matricule, "postal_code": row.postal_code, "caf": row.caf}
            for row in demo_files.DEMO_FILES
        ]
        tell({"ok": True, "files": rows}, "", as_json)
        return
    table = Table("matricule", "postal code", "Caf", "secret", "what is special", title="Demo")
    for row in demo_files.DEMO_FILES:
        secret = f"{row.kind.value} {row.secret}"
        table.add_row(row.matricule, row.postal_code, row.caf, secret, row.special)
    Console(width=None if sys.stdout.isatty() else 100).print(table)

"""Commands on the database as a whole."""

import sys

from rich.console import Console
from rich.table import Table

from auth_core import demo as demo_files
from auth_core.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    run,
    settings_of,
    tell,
)
from auth_core.installation import migrate as migrate_database
from auth_core.service import utc_now


def migrate(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Bring the database to the newest version; a new one gets its keys."""
    settings = settings_of(config)
    run(migrate_database(settings))
    tell({"ok": True}, "The database is up to date.", as_json)


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

"""Commands that read: a file's story, the audit trail."""

import sys
from typing import Any

import typer
from rich.console import Console

from auth_core.cli.console import (
    DEFAULT_CONFIG,
    REFUSED,
    AgentOption,
    CafOption,
    ConfigOption,
    JsonOption,
    MatriculeOption,
    serve,
    settings_of,
    tell,
)
from auth_core.model import Identity

SHOWN = (
    "closed_at",
    "last_login",
    "failures",
    "locked_until",
    "secrets",
    "persons",
    "phones",
    "tasks",
)


def show(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Print a file's state and story; what must be masked is."""
    story = serve(
        settings_of(config), lambda service: service.show(Identity(caf, matricule), agent)
    )
    content = story.masked()
    if as_json:
        tell(content, "", as_json)
        return
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(f"File {content['matricule']} of Caf {caf}: {content['status']}")
    for key in (
        "closed_at",
        "last_login",
        "failures",
        "locked_until",
        "secrets",
        "persons",
        "phones",
        "tasks",
    ):
        console.print(f"  {key.replace('_', ' ')}: {_plain(content[key])}", markup=False)
    for entry in content["entries"]:
        who = entry["agent"] or entry["channel"]
        detail = f"  {_plain(entry['detail'])}" if entry["detail"] else ""
        console.print(f"  {entry['at']}  {entry['act']}  {who}{detail}", markup=False)


def verify_audit(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Check that every entry of the audit trail is as it was written, and none is missing."""
    broken = serve(settings_of(config), lambda service: service.verify_audit())
    words = "The trail is whole." if broken is None else f"Entry {broken} is not as it was written."
    tell({"ok": broken is None, "first_broken": broken}, words, as_json)
    if broken is not None:
        raise typer.Exit(REFUSED)


def _plain(value: Any) -> str:
    """A value of the story in words: no brackets, "none" for nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value) or "none"
    return "none" if value is None else str(value)

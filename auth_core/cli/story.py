"""Commands that read: a file's story, the audit trail."""

import sys
from datetime import datetime
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
from auth_core.model import Identity, masked
from auth_core.story import FileStory
from auth_core.validity import PARIS

SHOWN_DIGITS = 2
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
    content = _story(story)
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


def _story(story: FileStory) -> dict[str, Any]:
    case_file = story.case_file
    return {
        "caf": case_file.identity.caf,
        "matricule": masked(case_file.identity.matricule),
        "status": case_file.status.value,
        "closed_at": _moment(case_file.closed_at),
        "last_login": _moment(case_file.last_login),
        "failures": story.failures,
        "locked_until": {bucket.value: _moment(end) for bucket, end in story.locked_until},
        "secrets": [
            {
                "slot": secret.slot.value,
                "kind": secret.kind.value,
                "created_at": _moment(secret.created_at),
                "expires_at": _moment(secret.expires_at),
            }
            for secret in story.secrets
        ],
        "persons": [person.role.value for person in case_file.persons],
        "phones": [f"…{phone.number[-SHOWN_DIGITS:]}" for phone in case_file.phones],
        "tasks": [
            {"kind": task.kind.value, "created_at": _moment(task.created_at)}
            for task in story.tasks
        ],
        "entries": [
            {
                "at": _moment(entry.at),
                "act": entry.act,
                "channel": entry.channel,
                "agent": entry.agent,
                "reference": entry.reference,
                "detail": dict(entry.detail),
            }
            for entry in story.entries
        ],
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(PARIS).isoformat(timespec="seconds")


def _plain(value: Any) -> str:
    """A value of the story in words: no brackets, "none" for nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value) or "none"
    return "none" if value is None else str(value)

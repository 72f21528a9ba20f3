"""Commands for the programs of the back office that may use the API."""

from datetime import timedelta
from typing import Annotated

import typer

from auth_core.cli.console import (
    DEFAULT_CONFIG,
    AgentOption,
    ConfigOption,
    JsonOption,
    serve,
    settings_of,
    tell,
)
from auth_core.clients import MAX_DAYS, Client, Scope
from auth_core.model import Channel, Source

NameOption = Annotated[str, typer.Option("--name", help="The program; kept in the audit trail.")]


def add_client(
    name: NameOption,
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be given again.")],
    agent: AgentOption,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="For so many days.")] = MAX_DAYS
    - 1,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Let a program of the back office use the API. Its token is printed, this once; the one that
    it had is good for nothing any more."""
    source = Source(Channel.BACK_OFFICE, agent=agent)
    token = serve(
        settings_of(config),
        lambda service: service.clients.add(name, scope, timedelta(days=days), source),
    )
    tell({"ok": True, "token": token}, token, as_json)


def remove_client(
    name: NameOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Shut the API to a program, at once."""
    source = Source(Channel.BACK_OFFICE, agent=agent)
    serve(settings_of(config), lambda service: service.clients.remove(name, source))
    tell({"ok": True}, f"{name} has no token any more.", as_json)


def clients(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the programs that may use the API, and what each may do."""
    found = serve(settings_of(config), lambda service: service.clients.all())
    content = {"ok": True, "clients": [_told(client) for client in found]}
    words = "\n".join(
        f"{client.name}: {', '.join(sorted(client.scopes))}, until {client.expires_at:%Y-%m-%d}"
        for client in found
    )
    tell(content, words or "No program may use the API.", as_json)


def _told(client: Client) -> dict[str, object]:
    return {
        "name": client.name,
        "scopes": sorted(client.scopes),
        "created_at": client.created_at.isoformat(),
        "expires_at": client.expires_at.isoformat(),
    }

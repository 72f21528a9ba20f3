"""`auth-core …`: the database, its demo, and back-office acts.

Secrets come on standard input, never as arguments. Bad input gets one clear line and exit 2; what
was asked but is refused gets exit 1.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from typer.exceptions import TyperException

from auth_core import demo as demo_files
from auth_core.credentials import MAX_KEYED, Secret
from auth_core.delivery.cli import deliver
from auth_core.errors import AuthError
from auth_core.installation import migrate as migrate_database
from auth_core.lifecycle.creation import Creation, CreationResult
from auth_core.model import Channel, DeliveryChoice, Identity, Source, masked
from auth_core.service import AuthService, utc_now
from auth_core.settings import AuthSettings, load_settings
from auth_core.story import FileStory
from auth_core.validity import PARIS
from auth_core.yamlfile import YamlFaults

BAD_INPUT = 2
REFUSED = 1
SHOWN_DIGITS = 2

Result = TypeVar("Result")

app = typer.Typer(
    help="The authentication core: its database, its demo, back-office acts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _digits(length: int, text: str) -> str:
    if len(text) != length or not (text.isascii() and text.isdigit()):
        raise typer.BadParameter(f"give {length} digits")
    return text


def _caf(text: str) -> str:
    return _digits(3, text)


def _matricule(text: str) -> str:
    return _digits(7, text)


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise typer.BadParameter("give the name of the agent who acts")
    return text.strip()


ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; its `auth` section is read.")
]
CafOption = Annotated[
    str, typer.Option("--caf", callback=_caf, help="The Caf of the file, 3 digits.")
]
MatriculeOption = Annotated[
    str, typer.Option("--matricule", callback=_matricule, help="The file's number, 7 digits.")
]
AgentOption = Annotated[
    str, typer.Option("--agent", callback=_name, help="Who acts; kept in the audit trail.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
DEFAULT_CONFIG = Path("config.yaml")


@app.command()
def migrate(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Bring the database to the newest version; a new one gets its keys."""
    settings = _settings(config)
    _run(migrate_database(settings))
    _tell({"ok": True}, "The database is up to date.", as_json)


@app.command()
def demo(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Lay the demo files down as on the first day; other files are not touched."""
    settings = _settings(config)
    _run(demo_files.lay_down(settings, utc_now))
    if as_json:
        rows = [
            {"matricule": row.matricule, "postal_code": row.postal_code, "caf": row.caf}
            for row in demo_files.DEMO_FILES
        ]
        _tell({"ok": True, "files": rows}, "", as_json)
        return
    table = Table("matricule", "postal code", "Caf", "secret", "what is special", title="Demo")
    for row in demo_files.DEMO_FILES:
        secret = f"{row.kind.value} {row.secret}"
        table.add_row(row.matricule, row.postal_code, row.caf, secret, row.special)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


@app.command()
def show(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Print a file's state and story; what must be masked is."""
    story = _serve(_settings(config), lambda service: service.show(Identity(caf, matricule), agent))
    content = _story(story)
    if as_json:
        _tell(content, "", as_json)
        return
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(f"File {content['matricule']} of Caf {caf}: {content['status']}")
    for key in ("closed_at", "last_login", "failures", "locked_until", "secrets", "phones"):
        console.print(f"  {key.replace('_', ' ')}: {_plain(content[key])}", markup=False)
    for entry in content["entries"]:
        who = entry["agent"] or entry["channel"]
        detail = f"  {_plain(entry['detail'])}" if entry["detail"] else ""
        console.print(f"  {entry['at']}  {entry['act']}  {who}{detail}", markup=False)


@app.command()
def unlock(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End the locks of a file. A secret shut by too many failures in a row stays shut."""
    _serve(_settings(config), lambda service: service.unlock(Identity(caf, matricule), agent))
    _tell({"ok": True}, f"File {masked(matricule)} of Caf {caf} is unlocked.", as_json)


@app.command()
def redeem(
    agent: AgentOption, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Tell whose file a transferred call is about. Its reference is one line on standard input, and
    good for once."""
    settings = _settings(config)
    reference = _line("the reference of the call")
    identity = _serve(settings, lambda service: service.redeem_reference(reference, agent))
    if identity is None:
        _tell({"ok": False}, "This reference is unknown, used, or too old.", as_json)
        raise typer.Exit(REFUSED)
    content = {"ok": True, "caf": identity.caf, "matricule": identity.matricule}
    _tell(content, f"Caf {identity.caf}, file {identity.matricule}", as_json)


@app.command()
def create_password(
    caf: CafOption,
    matricule: MatriculeOption,
    channel: Annotated[
        Literal["web", "app", "kiosk"], typer.Option(help="The channel it is created on.")
    ] = "web",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Replace a secret by a password. The present one and the new one are two lines on standard
    input."""
    settings = _settings(config)
    present = _secret_line("the present secret")
    new = _secret_line("the new password")
    source = Source(Channel(channel), reference="auth-core")
    result = _serve(
        settings,
        lambda service: service.create_password(Identity(caf, matricule), present, new, source),
    )
    _tell(_reasons(result), _words(result), as_json)
    if result.outcome is not Creation.CREATED:
        raise typer.Exit(REFUSED)


@app.command()
def lost_password(
    caf: CafOption,
    matricule: MatriculeOption,
    by: Annotated[DeliveryChoice, typer.Option(help="How the owner gets it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Ask for a provisional password, as caf.fr does; day and month of birth (JJMM) are one line on
    standard input. The answer is the same whatever happened."""
    settings = _settings(config)
    day_month = _line("the day and month of birth, JJMM")
    source = Source(Channel.WEB, reference="auth-core")
    _serve(
        settings,
        lambda service: service.request_lost_password(
            Identity(caf, matricule), day_month, by, source
        ),
    )
    words = "If this file exists and may have one, a provisional password is on its way."
    _tell({"ok": True}, words, as_json)


app.command()(deliver)


def _reasons(result: CreationResult) -> dict[str, Any]:
    return {
        "ok": result.outcome is Creation.CREATED,
        "outcome": result.outcome.value,
        "reasons": [{"code": r.code.value, "message": r.message} for r in result.reasons],
    }


def _words(result: CreationResult) -> str:
    match result.outcome:
        case Creation.CREATED:
            return "The password is created; what came before opens nothing any more."
        case Creation.REFUSED:
            return "The present secret does not open this file."
        case Creation.UNACCEPTABLE:
            return "\n".join(reason.message for reason in result.reasons)


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
        "phones": [f"…{phone.number[-SHOWN_DIGITS:]}" for phone in case_file.phones],
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


def _tell(content: dict[str, Any], words: str, as_json: bool) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False) if as_json else words)


def _line(what: str) -> str:
    line = sys.stdin.readline(MAX_KEYED + 2)
    if not line.strip():
        raise _fail(f"standard input ended before {what}; give it as one line")
    if len(line.strip()) > MAX_KEYED:
        raise _fail(f"{what}: the line is too long")
    return line.strip()


def _secret_line(what: str) -> Secret:
    return Secret(_line(what))


def _settings(file: Path) -> AuthSettings:
    try:
        return load_settings(file)
    except YamlFaults as error:
        raise _fail(str(error)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _fail(f"{file}: {reason}; name the configuration with --config") from error


def _serve(
    settings: AuthSettings, act: Callable[[AuthService], Coroutine[Any, Any, Result]]
) -> Result:
    async def served() -> Result:
        service = await AuthService.open(settings)
        try:
            return await act(service)
        finally:
            await service.close()

    return _run(served())


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except AuthError as error:
        raise _fail(str(error)) from error


def _fail(message: str) -> typer.Exit:
    """Say what is wrong on standard error; the caller raises what is returned."""
    typer.echo(message, err=True)
    return typer.Exit(BAD_INPUT)


def main() -> None:
    """The entry point of `auth-core`."""
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        # Empty when the help has just been printed instead.
        if message := error.format_message():
            typer.echo(f"auth-core: {message}", err=True)
        status = BAD_INPUT
    sys.exit(status)


if __name__ == "__main__":
    main()

"""Commands of who holds a file, as a channel gives them."""

import secrets
from typing import Annotated, Any, Literal

import typer

from auth_core.cli.console import (
    DEFAULT_CONFIG,
    REFUSED,
    CafOption,
    ConfigOption,
    JsonOption,
    MatriculeOption,
    OptionalAgentOption,
    line,
    secret_line,
    serve,
    settings_of,
    tell,
)
from auth_core.lifecycle.creation import Creation, CreationResult
from auth_core.model import Channel, DeliveryChoice, Identity, Source
from auth_core.rules import Reason


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
    settings = settings_of(config)
    present = secret_line("the present secret")
    new = secret_line("the new password")
    source = Source(Channel(channel), reference=_session())
    result = serve(
        settings,
        lambda service: service.create_password(Identity(caf, matricule), present, new, source),
    )
    content = {"outcome": result.outcome.value, **_judgement(result.reasons)}
    content["ok"] = result.outcome is Creation.CREATED
    tell(content, _words(result), as_json)
    if result.outcome is not Creation.CREATED:
        raise typer.Exit(REFUSED)


def check_password(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: OptionalAgentOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say every rule that a password would break. It is one line on standard input; what is refused
    counts, as when it is created, and is kept in the audit trail."""
    settings = settings_of(config)
    candidate = secret_line("the password")
    channel = Channel.WEB if agent is None else Channel.BACK_OFFICE
    source = Source(channel, reference=_session(), agent=agent)
    reasons = serve(
        settings,
        lambda service: service.check_password(Identity(caf, matricule), candidate, source),
    )
    words = "\n".join(reason.message for reason in reasons) or "No rule refuses this password."
    tell(_judgement(reasons), words, as_json)
    if reasons:
        raise typer.Exit(REFUSED)


def lost_password(
    caf: CafOption,
    matricule: MatriculeOption,
    by: Annotated[DeliveryChoice, typer.Option(help="How the owner gets it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Ask for a provisional password, as caf.fr does; day and month of birth (JJMM) are one line on
    standard input. The answer is the same whatever happened."""
    settings = settings_of(config)
    day_month = line("the day and month of birth, JJMM")
    source = Source(Channel.WEB, reference="auth-core")
    serve(
        settings,
        lambda service: service.request_lost_password(
            Identity(caf, matricule), day_month, by, source
        ),
    )
    words = "If this file exists and may have one, a provisional password is on its way."
    tell({"ok": True}, words, as_json)


def _session() -> str:
    """The reference of this run: what is refused in it counts as one session's."""
    return f"auth-core-{secrets.token_hex(4)}"


def _judgement(reasons: tuple[Reason, ...]) -> dict[str, Any]:
    return {
        "ok": not reasons,
        "reasons": [{"code": r.code.value, "message": r.message} for r in reasons],
    }


def _words(result: CreationResult) -> str:
    match result.outcome:
        case Creation.CREATED:
            return "The password is created; what came before opens nothing any more."
        case Creation.REFUSED:
            return "The present secret does not open this file."
        case Creation.UNACCEPTABLE:
            return "\n".join(reason.message for reason in result.reasons)

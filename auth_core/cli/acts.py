"""Commands of the back office. None takes a destination: messages go to who holds the file."""

import sys
from dataclasses import asdict
from datetime import date
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from auth_core.cli.console import (
    DEFAULT_CONFIG,
    REFUSED,
    AgentOption,
    CafOption,
    ConfigOption,
    JsonOption,
    MatriculeOption,
    OptionalAgentOption,
    checked_caf,
    checked_matricule,
    fail,
    line,
    serve,
    settings_of,
    tell,
)
from auth_core.model import (
    Application,
    BirthDate,
    Channel,
    Identity,
    RequestKind,
    Role,
    Source,
    masked,
)

MAX_FORM = 10_000
"""Characters of an application."""


def _optional_matricule(text: str | None) -> str | None:
    return None if text is None else checked_matricule(text)


def unlock(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End the locks of a file. A secret shut by too many failures in a row stays shut."""
    serve(settings_of(config), lambda service: service.unlock(Identity(caf, matricule), agent))
    tell({"ok": True}, f"File {masked(matricule)} of Caf {caf} is unlocked.", as_json)


def nims(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Replace the secret of a file at once by a provisional, sent to its owner."""
    serve(settings_of(config), lambda service: service.nims(Identity(caf, matricule), agent))
    tell({"ok": True}, "A provisional password is on its way; the old secret is revoked.", as_json)


def separation(
    caf: CafOption,
    matricule: MatriculeOption,
    keeper: Annotated[Literal["beneficiary", "spouse"], typer.Option(help="Who keeps the file.")],
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The couple of a file separates. Its secret is replaced at once by a provisional, which goes
    to who keeps the file and to nobody else."""
    serve(
        settings_of(config),
        lambda service: service.separate(Identity(caf, matricule), Role(keeper), agent),
    )
    tell({"ok": True}, "The file is separated; a provisional password is on its way.", as_json)


def transfer(
    caf: CafOption,
    matricule: MatriculeOption,
    to_caf: Annotated[str, typer.Option(callback=checked_caf, help="The new Caf, 3 digits.")],
    agent: AgentOption,
    to_matricule: Annotated[
        str | None,
        typer.Option(callback=_optional_matricule, help="Its number there; drawn unless given."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Move a file to another Caf. The new matricule and a provisional password go to its owner, in
    two messages."""
    moved = serve(
        settings_of(config),
        lambda service: service.transfer(Identity(caf, matricule), to_caf, agent, to_matricule),
    )
    content = {"ok": True, "caf": moved.caf, "matricule": masked(moved.matricule)}
    tell(content, f"The file is {masked(moved.matricule)} at Caf {moved.caf} now.", as_json)


def affiliate(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Open every service to an applicant; the secret stays."""
    serve(settings_of(config), lambda service: service.affiliate(Identity(caf, matricule), agent))
    tell({"ok": True}, "The file is affiliated.", as_json)


def close(
    caf: CafOption,
    matricule: MatriculeOption,
    agent: AgentOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Close a file: every secret is revoked and none can be asked for."""
    serve(settings_of(config), lambda service: service.close_file(Identity(caf, matricule), agent))
    tell({"ok": True}, "The file is closed.", as_json)


def register(
    agent: OptionalAgentOption = None,
    channel: Annotated[
        Literal["web", "app", "kiosk"], typer.Option(help="Where the application was made.")
    ] = "web",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Register a first applicant. The application is one JSON object on standard input: caf, name,
    birth_date (1990-07-02), kind (housing_aid or birth_grant), and where known nir, mobile, lines
    (of the address), postal_code, city. With --agent it was made on paper: the answers are two
    letters. The answer here is the same whether or not the applicant is known."""
    settings = settings_of(config)
    try:
        form = _Form.model_validate_json(sys.stdin.read(MAX_FORM))
    except ValidationError as error:
        raise fail(f"the application: {_first_fault(error)}") from None
    source = Source(Channel(channel), reference="auth-core")
    if agent is not None:
        source = Source(Channel.BACK_OFFICE, reference="auth-core", agent=agent)
    serve(settings, lambda service: service.register(form.application(), source))
    words = "The application is taken in; what the applicant needs is on its way to them."
    tell({"ok": True}, words, as_json)


def redeem(
    agent: AgentOption, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Tell whose file a transferred call is about. Its reference is one line on standard input, and
    good for once."""
    settings = settings_of(config)
    reference = line("the reference of the call")
    identity = serve(settings, lambda service: service.redeem_reference(reference, agent))
    if identity is None:
        tell({"ok": False}, "This reference is unknown, used, or too old.", as_json)
        raise typer.Exit(REFUSED)
    content = {"ok": True, "caf": identity.caf, "matricule": identity.matricule}
    tell(content, f"Caf {identity.caf}, file {identity.matricule}", as_json)


def expire(
    agent: AgentOption, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Tell owners whose password ends soon; erase what has passed its date. For a daily task."""
    report = serve(settings_of(config), lambda service: service.expire(agent))
    words = f"{report.told} owners told, {report.erased} provisional passwords erased"
    tell({"ok": True, **asdict(report)}, words, as_json)


class _Form(BaseModel):
    """An application as `register` reads it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    caf: str
    name: str
    birth_date: date
    kind: RequestKind
    nir: str | None = None
    mobile: str | None = None
    lines: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""

    def application(self) -> Application:
        born = BirthDate(self.birth_date.year, self.birth_date.month, self.birth_date.day)
        return Application(**{**self.model_dump(), "birth_date": born})


def _first_fault(error: ValidationError) -> str:
    """What is wrong first, without what was given."""
    fault = error.errors(include_input=False, include_context=False, include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]

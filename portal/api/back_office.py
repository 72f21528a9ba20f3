"""What programs of the back office ask for: acts on one file, each by a named agent.

None takes a destination. A file is named in the body, so that no matricule stands in a URL.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from auth_core import (
    Application,
    AuthError,
    BirthDate,
    Channel,
    Client,
    Identity,
    RequestKind,
    Role,
    Scope,
    Source,
    masked,
)
from portal.api import problems
from portal.api.access import Core, Errand, client_for, errand_for
from portal.api.fields import Agent, Body, CafCode, Line, Matricule, PostalCode
from portal.api.problems import documented

router = APIRouter(prefix="/back-office", tags=["back office"])

_NOT_ALLOWED = (problems.UNKNOWN_CLIENT, problems.SCOPE)
_ACTS = documented(
    *_NOT_ALLOWED,
    problems.UNKNOWN_FILE,
    problems.NOT_POSSIBLE,
    problems.KEY_REUSED,
    problems.KEY_IN_USE,
)


class File(Body):
    """Which file, and who acts on it."""

    caf: CafCode
    matricule: Matricule
    agent: Agent

    @property
    def identity(self) -> Identity:
        return Identity(self.caf, self.matricule)


class Separation(File):
    """`keeper` keeps the file, and alone gets its new secret."""

    keeper: Literal[Role.BENEFICIARY, Role.SPOUSE]


class Transfer(File):
    """`to_matricule`: the file's number there; without it one is drawn."""

    to_caf: CafCode
    to_matricule: Matricule | None = None


class Registration(Body):
    """A first application. With `agent` it was made on paper and keyed by them: its answers are two
    letters; without, it was made on line, and they leave at once."""

    postal_code: PostalCode
    name: Line
    birth_date: date
    kind: Literal[RequestKind.HOUSING_AID, RequestKind.BIRTH_GRANT]
    nir: Annotated[str, Field(max_length=30)] | None = None
    mobile: Annotated[str, Field(max_length=30)] | None = None
    lines: Annotated[tuple[Line, ...], Field(max_length=4)] = ()
    city: Line | None = None
    agent: Agent | None = None

    def application(self, caf: str) -> Application:
        born = self.birth_date
        return Application(
            caf=caf,
            name=self.name,
            birth_date=BirthDate(born.year, born.month, born.day),
            kind=self.kind,
            nir=self.nir,
            mobile=self.mobile,
            lines=self.lines,
            postal_code=self.postal_code,
            city=self.city or "",
        )


class Moved(BaseModel):
    """Where a file is now. `matricule`: its last three digits."""

    caf: str
    matricule: str


class Story(BaseModel):
    """A file's state and what was done to it, masked; moments are of Europe/Paris."""

    caf: str
    matricule: str
    status: str
    closed_at: str | None
    last_login: str | None
    failures: int
    locked_until: dict[str, str]
    secrets: list[dict[str, str | None]]
    persons: list[str]
    phones: list[str]
    tasks: list[dict[str, str]]
    entries: list[dict[str, Any]]


@router.post(
    "/show",
    responses=documented(*_NOT_ALLOWED, problems.UNKNOWN_FILE),
)
async def show(
    body: File, core: Core, client: Annotated[Client, Depends(client_for(Scope.SHOW))]
) -> Story:
    """A file's state and story; that it was shown is part of it from then on."""
    story = await core.show(body.identity, f"{body.agent} ({client.name})")
    return Story.model_validate(story.masked())


def _act(scope: Scope, does: Callable[[Errand, File], Awaitable[None]], told: str) -> None:
    """A route for an act that takes a file and answers nothing."""

    async def act(body: File, errand: Annotated[Errand, Depends(errand_for(scope))]) -> None:
        async def serve() -> str:
            await does(errand, body)
            return ""

        await errand.once(body, serve)

    router.add_api_route(
        f"/{scope.value}",
        act,
        methods=["POST"],
        status_code=204,
        responses=_ACTS,
        name=scope.value,
        description=told,
    )


_act(
    Scope.NIMS,
    lambda errand, file: errand.core.nims(file.identity, errand.agent(file.agent)),
    "Replace the secret at once by a provisional, sent to its owner.",
)
_act(
    Scope.AFFILIATE,
    lambda errand, file: errand.core.affiliate(file.identity, errand.agent(file.agent)),
    "Open every service to an applicant; the secret stays.",
)
_act(
    Scope.CLOSE,
    lambda errand, file: errand.core.close_file(file.identity, errand.agent(file.agent)),
    "Close the file: every secret is revoked, and none can be asked for.",
)
_act(
    Scope.UNLOCK,
    lambda errand, file: errand.core.unlock(file.identity, errand.agent(file.agent)),
    "End the locks of the file.",
)


@router.post("/separation", status_code=204, responses=_ACTS)
async def separation(
    body: Separation, errand: Annotated[Errand, Depends(errand_for(Scope.SEPARATION))]
) -> None:
    """The couple separates: the secret is replaced at once by a provisional, which goes to who
    keeps the file."""

    async def serve() -> str:
        await errand.core.separate(body.identity, body.keeper, errand.agent(body.agent))
        return ""

    await errand.once(body, serve)


@router.post("/transfer", response_model=Moved, responses=_ACTS)
async def transfer(
    body: Transfer, errand: Annotated[Errand, Depends(errand_for(Scope.TRANSFER))]
) -> Response:
    """Move the file to another Caf: its new matricule and a provisional go to its owner, in two
    messages."""

    async def serve() -> str:
        moved = await errand.core.transfer(
            body.identity, body.to_caf, errand.agent(body.agent), body.to_matricule
        )
        return Moved(caf=moved.caf, matricule=masked(moved.matricule)).model_dump_json()

    return Response(await errand.once(body, serve), media_type="application/json")


@router.post("/register", status_code=202, response_class=Response, responses=_ACTS)
async def register(
    body: Registration, errand: Annotated[Errand, Depends(errand_for(Scope.REGISTER))]
) -> Response:
    """Take a first application in. The answer is the same, in time too, whether or not the
    applicant is known."""
    core = errand.core
    caf = core.caf_of(body.postal_code)
    if caf is None:
        raise AuthError("postal_code: there is no Caf for it")
    source = Source(Channel.WEB, reference=errand.client.name)
    if body.agent is not None:
        source = Source(Channel.BACK_OFFICE, agent=errand.agent(body.agent))

    async def serve() -> str:
        await core.register(body.application(caf), source)
        return ""

    await errand.once(body, serve)
    return Response(status_code=202)

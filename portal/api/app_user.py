"""What an app asks for: to log in, a password, a lost one, the account of who is in."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from auth_core import (
    AuthService,
    Availability,
    Benefit,
    Creation,
    CreationResult,
    DeliveryChoice,
    FileStatus,
    Identity,
    Outcome,
    RequestKind,
    RequestState,
    Service,
    Session,
    masked,
)
from portal.api import problems
from portal.api.access import (
    Core,
    IdempotencyKey,
    SomebodyAtHome,
    SomebodyIn,
    new_device,
    source_of,
)
from portal.api.fields import (
    Body,
    DayMonth,
    Device,
    Matricule,
    PasswordField,
    PostalCode,
    SecretField,
)
from portal.api.problems import Objection, ProblemError, documented

router = APIRouter(tags=["app"])

MAX_PAYMENTS = 24


class Identification(Body):
    """Whose file: what the login page asks for."""

    postal_code: PostalCode
    matricule: Matricule
    birth_day_month: DayMonth

    def identity(self, core: AuthService) -> Identity:
        return core.identity_of(self.postal_code, self.matricule)


class Login(Identification):
    """Who wants to be let in. `secret`: code or password."""

    secret: SecretField
    device: Device | None = None


class NewPassword(Login):
    """Who wants a password in place of the secret they have, were it an expired password."""

    new_password: PasswordField


class Change(Body):
    """A password in place of the secret that let this session in."""

    secret: SecretField
    new_password: PasswordField
    device: Device | None = None


class Lost(Identification):
    """Who has lost their secret. `by`: an SMS to nobody's mobile becomes a letter."""

    by: DeliveryChoice


class Token(BaseModel):
    """Somebody is in. `expires_in`: seconds, at most; sooner without a request for half an hour.
    `last_login`, `failures_since`: the login before this one, and the failures between."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a type of tokens
    expires_in: int
    device: str
    must_create_password: bool = Field(description="Nothing else is open until then.")
    last_login: datetime | None
    failures_since: int


class ServiceState(BaseModel):
    """What comes of asking for a service."""

    service: Service
    availability: Availability


class Account(BaseModel):
    """The account of who is in."""

    caf: str
    matricule: str = Field(description="Its last three digits.")
    status: FileStatus
    services: list[ServiceState]


class PaymentMade(BaseModel):
    """A payment made, in euros."""

    date: date
    benefit: Benefit
    amount: Decimal


class Payments(BaseModel):
    """The last payments, newest first; `no_information` where there cannot be any yet."""

    availability: Availability
    payments: list[PaymentMade]


class RequestMade(BaseModel):
    """A request, and how far it has come since `date`."""

    kind: RequestKind
    state: RequestState
    date: date


class Requests(BaseModel):
    """The requests of the file, newest first."""

    requests: list[RequestMade]


@router.post(
    "/login",
    responses=documented(problems.REFUSED, problems.EXPIRED, problems.BUSY, problems.OVERLOADED),
)
async def log_in(request: Request, body: Login, core: Core) -> Token:
    """Log in. Every refusal is the same, in time too, whatever was wrong."""
    device = body.device or new_device()
    source = source_of(request, device=device)
    verdict = await core.authenticate(
        body.identity(core), body.secret, source, body.birth_day_month
    )
    if verdict.busy:
        raise ProblemError(problems.BUSY)
    if verdict.outcome is Outcome.EXPIRED and verdict.kind is not None:
        raise ProblemError(problems.EXPIRED, secret=verdict.kind.value)
    if verdict.session is None:
        raise ProblemError(problems.REFUSED)
    return await _token(core, verdict.session, device)


@router.post("/logout", status_code=204, responses=documented(problems.SESSION_ENDED))
async def log_out(core: Core, visitor: SomebodyIn) -> None:
    """End this session."""
    await core.app_tokens.revoke(visitor.token)


@router.post(
    "/passwords",
    status_code=201,
    responses=documented(
        problems.REFUSED,
        problems.UNACCEPTABLE,
        problems.TOO_MANY_REFUSALS,
        problems.OVERLOADED,
    ),
)
async def create_password(request: Request, body: NewPassword, core: Core) -> Token:
    """Create a password, also in place of an expired one, and be in. Every other session of the
    file ends."""
    device = body.device or new_device()
    result = await core.create_password(
        body.identity(core),
        body.secret,
        body.new_password,
        source_of(request, device=device),
        body.birth_day_month,
    )
    return await _created(core, result, device)


@router.put(
    "/account/password",
    responses=documented(
        problems.REFUSED,
        problems.SESSION_ENDED,
        problems.UNACCEPTABLE,
        problems.TOO_MANY_REFUSALS,
        problems.OVERLOADED,
    ),
)
async def change_password(request: Request, body: Change, core: Core, visitor: SomebodyIn) -> Token:
    """Create or change the password of who is in. Every session of the file ends but the one that
    the answer is for."""
    session, device = visitor.session, body.device or new_device()
    result = await core.create_password(
        Identity(session.caf, session.matricule),
        body.secret,
        body.new_password,
        source_of(request, visitor.reference, device),
    )
    return await _created(core, result, device)


@router.post(
    "/lost-passwords",
    status_code=202,
    response_class=Response,
    responses=documented(problems.OVERLOADED),
)
async def lost_password(request: Request, body: Lost, core: Core) -> Response:
    """Ask for a provisional password. The answer is the same, in time too, whatever happened."""
    await core.request_lost_password(
        body.identity(core), body.birth_day_month, body.by, source_of(request)
    )
    return Response(status_code=202)


@router.get("/account", responses=documented(problems.SESSION_ENDED, problems.MUST_CREATE))
async def account(core: Core, visitor: SomebodyAtHome) -> Account:
    """The account, and which services are open to it."""
    session = visitor.session
    return Account(
        caf=session.caf,
        matricule=masked(session.matricule),
        status=session.status,
        services=[
            ServiceState(service=service, availability=core.availability(session, service))
            for service in Service
        ],
    )


@router.get(
    "/account/payments",
    responses=documented(problems.SESSION_ENDED, problems.MUST_CREATE, problems.NOT_ACCESSIBLE),
)
async def payments(
    core: Core,
    visitor: SomebodyAtHome,
    limit: Annotated[int, Query(ge=1, le=MAX_PAYMENTS)] = 3,
) -> Payments:
    """The last payments."""
    availability = core.availability(visitor.session, Service.PAYMENTS)
    if availability is Availability.NOT_ACCESSIBLE:
        raise ProblemError(problems.NOT_ACCESSIBLE)
    made = await core.payments(visitor.session, limit)
    return Payments(
        availability=availability,
        payments=[PaymentMade(date=p.date, benefit=p.benefit, amount=p.amount) for p in made],
    )


@router.get(
    "/account/requests",
    responses=documented(problems.SESSION_ENDED, problems.MUST_CREATE, problems.NOT_ACCESSIBLE),
)
async def requests(core: Core, visitor: SomebodyAtHome) -> Requests:
    """The requests of the file and how far they have come."""
    made = await core.requests(visitor.session)
    return Requests(requests=[RequestMade(kind=r.kind, state=r.state, date=r.date) for r in made])


@router.post(
    "/account/certificates",
    status_code=202,
    response_class=Response,
    responses=documented(
        problems.SESSION_ENDED,
        problems.MUST_CREATE,
        problems.NOT_ACCESSIBLE,
        problems.KEY_REUSED,
        problems.KEY_IN_USE,
    ),
)
async def request_certificate(core: Core, visitor: SomebodyAtHome, key: IdempotencyKey) -> Response:
    """Ask for a certificate by letter."""

    async def ask() -> str:
        await core.request_certificate(visitor.session)
        return ""

    await core.idempotency.once(f"file {visitor.session.file_id}", key, b"certificate", ask)
    return Response(status_code=202)


async def _created(core: AuthService, result: CreationResult, device: str) -> Token:
    if result.outcome is Creation.UNACCEPTABLE:
        reasons = [Objection(code=r.code.value, message=r.message) for r in result.reasons]
        raise ProblemError(problems.UNACCEPTABLE, reasons=reasons)
    if result.session is None:
        raise ProblemError(problems.REFUSED)
    return await _token(core, result.session, device)


async def _token(core: AuthService, session: Session, device: str) -> Token:
    return Token(
        access_token=await core.app_tokens.issue(session),
        expires_in=int(core.app_tokens.longest.total_seconds()),
        device=device,
        must_create_password=core.must_create_password(session),
        last_login=session.last_login,
        failures_since=session.failures_since,
    )

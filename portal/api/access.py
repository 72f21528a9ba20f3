"""Who asks: an app with somebody who is in, or a program of the back office; each by its token."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from auth_core import (
    AuthService,
    Channel,
    Client,
    Scope,
    Session,
    SessionEnded,
    Source,
    UnknownClient,
)
from portal.api.problems import MUST_CREATE, SCOPE, ProblemError

log = structlog.get_logger(__name__)

_app_bearer = HTTPBearer(scheme_name="app", description="What a login answered.", auto_error=False)
_client_bearer = HTTPBearer(
    scheme_name="client", description="What `auth-core add-client` printed.", auto_error=False
)
Credentials = HTTPAuthorizationCredentials | None
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,64}$",
        description="The same for each try of one request; for a day it is done once.",
    ),
]


def service_of(request: Request) -> AuthService:
    service: AuthService = request.app.state.service
    return service


Core = Annotated[AuthService, Depends(service_of)]


def new_device() -> str:
    """What an app will be known again by, once it has logged in."""
    return secrets.token_urlsafe(32)


def source_of(request: Request, reference: str = "", device: str | None = None) -> Source:
    """Where an app's request comes from. The address is the one that the server was told by a
    proxy that it trusts, or the peer's."""
    address = None if request.client is None else request.client.host
    return Source(
        Channel.APP,
        reference=reference or secrets.token_hex(8),
        address=address,
        device=device,
    )


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is in, in an app. `reference`: tells their session from others, and nothing
    else."""

    session: Session
    reference: str
    token: str = field(repr=False)


async def _visitor(
    core: Core, credentials: Annotated[Credentials, Security(_app_bearer)]
) -> Visitor:
    if credentials is None:
        raise SessionEnded("give the token of a login")
    token = credentials.credentials
    session = await core.app_tokens.session_of(token)
    return Visitor(session, hashlib.sha256(token.encode()).hexdigest()[:16], token)


SomebodyIn = Annotated[Visitor, Depends(_visitor)]


async def _at_home(core: Core, visitor: SomebodyIn) -> Visitor:
    if core.must_create_password(visitor.session):
        raise ProblemError(MUST_CREATE)
    return visitor


SomebodyAtHome = Annotated[Visitor, Depends(_at_home)]
"""Somebody who is in, with a password: nothing of the account is shown before there is one."""


@dataclass(frozen=True, slots=True)
class Errand:
    """An act that a program of the back office asks for, under a key."""

    core: AuthService
    client: Client
    name: str
    key: str

    def agent(self, named: str) -> str:
        """Who acts, as the audit trail keeps it: a person, by a program."""
        return f"{named} ({self.client.name})"

    async def once(self, body: BaseModel, serve: Callable[[], Awaitable[str]]) -> str:
        """What `serve` answers, or answered when the same came before."""
        asked = f"{self.name}\n{body.model_dump_json()}".encode()
        return await self.core.idempotency.once(
            f"client {self.client.name}", self.key, asked, serve
        )


def client_for(scope: Scope) -> Callable[..., Awaitable[Client]]:
    """A dependency: the program whose token came, when it may do what `scope` names."""

    async def client(
        request: Request, core: Core, credentials: Annotated[Credentials, Security(_client_bearer)]
    ) -> Client:
        if credentials is None:
            raise UnknownClient("give a token of the back office")
        try:
            found = await core.clients.of_token(credentials.credentials)
        except UnknownClient:
            log.warning("unknown client", scope=scope.value, address=source_of(request).address)
            raise
        if scope not in found.scopes:
            log.warning("scope refused", scope=scope.value, client=found.name)
            raise ProblemError(SCOPE, detail=f"it lacks the scope {scope.value}")
        return found

    return client


def errand_for(scope: Scope) -> Callable[..., Awaitable[Errand]]:
    """A dependency: an act of a program that may do it."""

    async def errand(
        core: Core,
        client: Annotated[Client, Depends(client_for(scope))],
        key: IdempotencyKey,
    ) -> Errand:
        return Errand(core, client, scope.value, key)

    return errand

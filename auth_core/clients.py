"""Programs of the back office: what each may do, and the token that it is known by.

A token is given out once, by an operator's command, and kept as a keyed hash.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from auth_core.errors import AuthError, UnknownClient
from auth_core.keys import Keyring
from auth_core.model import Source
from auth_core.store import clients as store
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

TOKEN_BYTES = 32
MAX_NAME = 64
MAX_DAYS = 366
_USE = "clients"


class Scope(StrEnum):
    """What a program of the back office may be allowed to do."""

    SHOW = "show"
    NIMS = "nims"
    SEPARATION = "separation"
    TRANSFER = "transfer"
    REGISTER = "register"
    AFFILIATE = "affiliate"
    CLOSE = "close"
    UNLOCK = "unlock"


@dataclass(frozen=True, slots=True)
class Client:
    """A program of the back office. `expires_at`: its token is good for nothing from then on."""

    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime


class Clients:
    """Gives tokens out, takes them back, and knows whose they are."""

    def __init__(
        self, database: Database, pepper: Keyring, trail: AuditTrail, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._trail = trail
        self._clock = clock

    async def add(
        self, name: str, scopes: Collection[Scope], validity: timedelta, source: Source
    ) -> str:
        """Its token, which is told this once. One that had the name has a token no more: this is
        also how a token is renewed. Raises AuthError."""
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
            raise AuthError(f"name: give it in one line, of at most {MAX_NAME} characters")
        if not scopes:
            raise AuthError("scope: give one at least")
        if not timedelta() < validity <= timedelta(days=MAX_DAYS):
            raise AuthError(f"days: give 1 to {MAX_DAYS}")
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        allowed = " ".join(sorted(scopes))
        async with self._database.begin() as connection:
            await store.remove(connection, name)
            await store.add(
                connection,
                name,
                self._pepper.digest(_USE, token.encode()),
                allowed,
                now,
                now + validity,
            )
            detail = {"name": name, "scopes": allowed}
            await self._trail.append(connection, Act.CLIENT_ADDED, source, now, detail=detail)
        return token

    async def remove(self, name: str, source: Source) -> None:
        """Its token is good for nothing from now on. Raises UnknownClient."""
        async with self._database.begin() as connection:
            if not await store.remove(connection, name):
                raise UnknownClient(f"there is no client {name!r}; auth-core clients lists them")
            await self._trail.append(
                connection, Act.CLIENT_REMOVED, source, self._clock(), detail={"name": name}
            )

    async def all(self) -> list[Client]:
        """Every client, by name."""
        async with self._database.begin() as connection:
            return [_client(row) for row in await store.everybody(connection)]

    async def of_token(self, token: str) -> Client:
        """Whose token this is. Raises UnknownClient."""
        digests = self._pepper.digests(_USE, token.encode())
        async with self._database.begin() as connection:
            row = await store.find(connection, digests)
        if row is None or row.expires_at <= self._clock():
            raise UnknownClient("this token is unknown, or its time is over")
        return _client(row)


def _client(row: store.ClientRow) -> Client:
    scopes = frozenset(map(Scope, row.scopes.split()))
    return Client(row.name, scopes, row.created_at, row.expires_at)

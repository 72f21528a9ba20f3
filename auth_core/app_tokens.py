"""What an app holds for somebody who is in: a token, good for some hours.

It is random and kept as a keyed hash. It ends when nothing was asked for a while, after its longest
time, and at the next request once the secret of its file has been replaced or the file closed.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from auth_core.errors import SessionEnded
from auth_core.keys import Keyring
from auth_core.model import Session
from auth_core.settings import AppTokenSettings
from auth_core.store import app_tokens as store
from auth_core.store.database import Database

TOKEN_BYTES = 32
_USE = "app_tokens"
_TOUCHES = 10
"""That a token is in use is written so many times within its idle time at most."""


class AppTokens:
    """Gives tokens for sessions, sessions for tokens, and ends them."""

    def __init__(
        self,
        settings: AppTokenSettings,
        database: Database,
        pepper: Keyring,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._pepper = pepper
        self._clock = clock

    @property
    def longest(self) -> timedelta:
        """After how long a token ends, however busy."""
        return self._settings.longest

    async def issue(self, session: Session) -> str:
        """A token for a session that has just begun: 43 letters, digits, - and _."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._clock()
        digest = self._pepper.digest(_USE, token.encode())
        async with self._database.begin() as connection:
            await store.forget(connection, now - self._settings.longest)
            await store.add(connection, digest, session, now)
        return token

    async def session_of(self, token: str) -> Session:
        """The session of a token, with the status that its file has now. Raises SessionEnded."""
        now, idle = self._clock(), self._settings.idle
        async with self._database.begin() as connection:
            found = await store.find(connection, self._digests(token))
            if found is None:
                raise SessionEnded("there is no such session, or the secret was replaced since")
            unused = now - found.used_at
            if unused >= idle or now - found.began_at >= self._settings.longest:
                raise SessionEnded("the session has not been used for too long, or is too old")
            if unused >= idle / _TOUCHES:
                await store.touch(connection, found.digest, now)
        return found.session

    async def revoke(self, token: str) -> None:
        """Log out; nothing happens when the session is over already."""
        async with self._database.begin() as connection:
            await store.remove(connection, self._digests(token))

    def _digests(self, token: str) -> list[bytes]:
        return self._pepper.digests(_USE, token.encode())

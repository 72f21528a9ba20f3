"""Requests that may come twice and are done once (the Idempotency-Key header, IETF
draft-ietf-httpapi-idempotency-key-header).

A key is written down before the request is served, and its answer after. One that was interrupted
between the two is never served again: who asked must look at what became of it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.errors import AuthError, KeyInUse, KeyReused
from auth_core.keys import Keyring, length_prefixed
from auth_core.store import idempotency as store
from auth_core.store.database import Database

VALIDITY = timedelta(hours=24)
_KEYS, _REQUESTS = "idempotency keys", "idempotent requests"


class Idempotency:
    """Serves a request for the first time that it comes, and answers it again after that."""

    def __init__(self, database: Database, pepper: Keyring, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._pepper = pepper
        self._clock = clock

    async def once(
        self, owner: str, key: str, request: bytes, serve: Callable[[], Awaitable[str]]
    ) -> str:
        """What `serve` answered to the first request of `owner` with `key`, for a day.

        `request`: all that makes it what it is; only a keyed hash of it is kept. When `serve`
        raises AuthError nothing was done, and the key is free again. Raises KeyReused when `key`
        came with another request, KeyInUse when that has no answer yet.
        """
        name = length_prefixed(owner.encode(), key.encode())
        digest = self._pepper.digest(_KEYS, name)
        earlier = await self._database.run(
            lambda connection: self._begin(connection, name, request)
        )
        if earlier is not None:
            if earlier.fingerprint not in self._pepper.digests(_REQUESTS, request):
                raise KeyReused("this idempotency key came with another request before")
            if earlier.answer is None:
                raise KeyInUse(
                    "the request with this idempotency key is under way, or was interrupted"
                )
            return earlier.answer
        try:
            answer = await serve()
        except AuthError:
            async with self._database.begin() as connection:
                await store.remove(connection, digest)
            raise
        async with self._database.begin() as connection:
            await store.answer(connection, digest, answer)
        return answer

    async def _begin(
        self, connection: AsyncConnection, name: bytes, request: bytes
    ) -> store.Earlier | None:
        """Write the key down; the request that has it when there is one already."""
        now = self._clock()
        await store.forget(connection, now - VALIDITY)
        earlier = await store.find(connection, self._pepper.digests(_KEYS, name))
        if earlier is None:
            digest = self._pepper.digest(_KEYS, name)
            await store.begin(connection, digest, self._pepper.digest(_REQUESTS, request), now)
        return earlier

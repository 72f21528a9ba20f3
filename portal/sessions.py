"""Who is in. Sessions live in this process only: what a browser holds is a random name.

A session ends when it is idle or old, when it is closed, and (asked at each request) when the
secret that opened it is replaced on any channel.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from auth_core import Identity, Secret, SecretKind, Session, Source

MAX_SESSIONS = 100_000
"""Then the one that was idle for the longest goes."""


@dataclass(slots=True)
class SignedIn:
    """Somebody who gave the right secret.

    `session`: None while an expired password is being replaced: nothing else is open then.
    `present`: the secret in force, kept until a password has taken its place, which it must do
    when it is given. `source`: with a reference for what auth_core counts, never the cookie.
    """

    identity: Identity
    source: Source
    kiosk: bool
    session: Session | None
    kind: SecretKind
    present: Secret | None = None
    last_login: datetime | None = None
    failures_since: int = 0

    @property
    def must_create(self) -> bool:
        """Whether nothing but creating a password is open."""
        return self.present is not None


@dataclass(slots=True)
class _Kept:
    signed_in: SignedIn
    begun: float
    seen: float


class Sessions:
    """The sessions of this process, by what their browsers hold."""

    def __init__(
        self,
        idle_limit: Callable[[bool], timedelta],
        longest: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._idle_limit = idle_limit
        self._longest = longest.total_seconds()
        self._monotonic = monotonic
        self._kept: dict[bytes, _Kept] = {}  # the longest idle first

    def __len__(self) -> int:
        """How many are kept; those that ended count until they are wiped."""
        return len(self._kept)

    def open(self, signed_in: SignedIn) -> str:
        """Keep a session; what is returned goes into the browser's cookie and nowhere else."""
        name, now = secrets.token_urlsafe(32), self._monotonic()
        while len(self._kept) >= MAX_SESSIONS:
            del self._kept[next(iter(self._kept))]
        self._kept[_key(name)] = _Kept(signed_in, now, now)
        return name

    def find(self, name: str) -> SignedIn | None:
        """The session that a cookie names, which this is a sign of life of; None when it is over
        or never was."""
        key, now = _key(name), self._monotonic()
        kept = self._kept.pop(key, None)
        if kept is None or self._is_over(kept, now):
            return None
        kept.seen = now
        self._kept[key] = kept
        return kept.signed_in

    def close(self, name: str) -> None:
        self._kept.pop(_key(name), None)

    def wipe(self) -> None:
        """Let go of those that are over; to be called every few seconds."""
        now = self._monotonic()
        for key in [key for key, kept in self._kept.items() if self._is_over(kept, now)]:
            del self._kept[key]

    def _is_over(self, kept: _Kept, now: float) -> bool:
        idle = self._idle_limit(kept.signed_in.kiosk).total_seconds()
        return now - kept.seen >= idle or now - kept.begun >= self._longest


def _key(name: str) -> bytes:
    """Sessions are found by a hash: neither a dump nor the time of a look-up tells a name."""
    return hashlib.sha256(name.encode()).digest()

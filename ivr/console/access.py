"""Who is logged in to the console, and how many wrong passwords are borne. Holds no clock."""

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass

from ivr.users import ConsoleUser, Role

SESSION_SECONDS = 12 * 3600
MAX_SESSIONS = 1000
MAX_WATCHED = 10_000
"""Addresses and names whose failures are remembered; the ones longest ago go first."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in, until `ends` (monotonic seconds)."""

    user: ConsoleUser
    ends: float

    @property
    def may_act(self) -> bool:
        return self.user.role is Role.OPERATOR


class Sessions:
    """By the token in the browser's cookie. Only a digest of it is kept."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, user: ConsoleUser, now: float) -> str:
        """The token of a new session."""
        token = new_token()
        self._sessions[_digest(token)] = Session(user, now + SESSION_SECONDS)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def of(self, token: str, now: float) -> Session | None:
        """The session of a token; None when there is none, or none any more."""
        session = self._sessions.get(_digest(token))
        if session is not None and session.ends <= now:
            self.end(token)
            return None
        return session

    def end(self, token: str) -> None:
        """Log out."""
        self._sessions.pop(_digest(token), None)

    def form_key(self, token: str) -> str:
        """What a form must bring back beside the cookie: another site can send the cookie, but
        cannot read this."""
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    def is_form_key(self, key: str, token: str) -> bool:
        return hmac.compare_digest(key.encode(), self.form_key(token).encode())


class Guesses:
    """Failed logins by address and by name, within a sliding time."""

    def __init__(self, allowed: int, seconds: float) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, whose: str, now: float) -> float:
        """Seconds until `whose` may try again; 0 when it may."""
        failures = self._failures.get(whose, ())
        recent = [at for at in failures if at > now - self._seconds]
        return 0.0 if len(recent) < self._allowed else recent[-self._allowed] + self._seconds - now

    def fail(self, whose: str, now: float) -> None:
        """Count a try. It is counted before the password is looked at, so that tries side by side
        gain nothing, and taken back by `forget` when it was right."""
        self._failures.setdefault(whose, deque(maxlen=self._allowed)).append(now)
        self._failures.move_to_end(whose)
        while len(self._failures) > MAX_WATCHED:
            self._failures.popitem(last=False)

    def forget(self, whose: str) -> None:
        """A right password: nothing is held against them."""
        self._failures.pop(whose, None)


def new_token() -> str:
    """256 bits from the system."""
    return secrets.token_urlsafe(32)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

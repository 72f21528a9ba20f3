"""Digest authentication in SIP (RFC 7616 as RFC 8760 has it): SHA-256 and MD5, qop auth."""

import hashlib
from collections.abc import Callable
from enum import Enum

from ivr.sip.grammar.scan import split, unquoted
from ivr.wire import WireError

QOP = "auth"


class Algorithm(Enum):
    """In our order of preference, which is the order that they are offered in."""

    SHA_256 = "SHA-256"
    MD5 = "MD5"

    @classmethod
    def named(cls, name: str) -> "Algorithm | None":
        """The one of that name, in any case; none named is MD5 (RFC 7616 §3.3)."""
        wanted = (name or cls.MD5.value).upper()
        return next((each for each in cls if each.value == wanted), None)

    @property
    def hash(self) -> Callable[[str], str]:
        """The hexadecimal digest of a text."""
        name = "sha256" if self is Algorithm.SHA_256 else "md5"
        return lambda text: hashlib.new(
            name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False
        ).hexdigest()


class UserKey:
    """What a password becomes for one user and realm (HA1). As good as the password: shows ***."""

    __slots__ = ("_by_algorithm",)

    def __init__(self, user: str, realm: str, password: str) -> None:
        self._by_algorithm = {
            algorithm: algorithm.hash(f"{user}:{realm}:{password}") for algorithm in Algorithm
        }

    def __repr__(self) -> str:
        return "***"

    def response(
        self, algorithm: Algorithm, method: str, uri: str, nonce: str, count: str, cnonce: str
    ) -> str:
        """The response that this user gives to a challenge with qop auth (RFC 7616 §3.4.1)."""
        key, request = self._by_algorithm[algorithm], algorithm.hash(f"{method}:{uri}")
        return algorithm.hash(f"{key}:{nonce}:{count}:{cnonce}:{QOP}:{request}")

    def response_without_qop(self, algorithm: Algorithm, method: str, uri: str, nonce: str) -> str:
        """The same to a challenge without qop, as RFC 2069 had it."""
        key, request = self._by_algorithm[algorithm], algorithm.hash(f"{method}:{uri}")
        return algorithm.hash(f"{key}:{nonce}:{request}")


def parse(text: str) -> dict[str, str]:
    """The parameters of a `Digest …` header value, unquoted, names in lower case; {} when it is of
    another scheme. Raises `WireError`."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    found: dict[str, str] = {}
    for part in split(rest, ","):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals or name in found:
            raise WireError("Malformed credentials")
        found[name] = unquoted(value.strip())
    return found

"""Who may open the console, and what each may do there; passwords are kept as argon2id hashes."""

import unicodedata
from enum import StrEnum
from typing import Annotated

import argon2
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from auth_core.shape import Shape

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256

_hasher = argon2.PasswordHasher()  # RFC 9106 §4, second choice: 64 MiB, 3 passes, 4 lanes
_NOBODY = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)
"""A hash that no password has: of 16 octets of salt and 32 of hash, all 0."""


class Role(StrEnum):
    """What a user may do: see, or act too."""

    VIEWER = "viewer"
    OPERATOR = "operator"


UserName = Annotated[
    str,
    Shape(
        r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}",
        "a name without spaces: letters, digits and . _ @ -, 64 of them at most",
    ),
]


class ConsoleUser(BaseModel):
    """One of `console.users`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: UserName
    """What is typed to log in."""
    role: Role = Role.VIEWER
    """viewer sees everything and changes nothing; operator may act."""
    password: SecretStr
    """The hash that `ivr console user` printed."""

    @field_validator("password")
    @classmethod
    def _is_a_hash(cls, value: SecretStr) -> SecretStr:
        try:
            argon2.extract_parameters(value.get_secret_value())
        except InvalidHashError:
            raise ValueError(
                "is no argon2 hash; have one made by `ivr console user NAME`"
            ) from None
        return value


def hashed(password: str) -> str:
    """What `console.users` keeps of a password. Raises ValueError: too short, or too long."""
    password = _normal(password)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"give {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return _hasher.hash(password)


def is_password(password: str, of: ConsoleUser | None) -> bool:
    """Whether it is the password of that user; as slow for a user that there is not. Takes tens of
    milliseconds and 64 MiB: call it in a thread."""
    kept = of.password.get_secret_value() if of else _NOBODY
    try:
        _hasher.verify(kept, _normal(password[: LONGEST_PASSWORD + 1]))
    except VerifyMismatchError:
        return False
    return of is not None


def _normal(password: str) -> str:
    """The same characters whatever keyboard they were typed on (RFC 8265 §4.2: NFC)."""
    return unicodedata.normalize("NFC", password)

"""Secrets: the masked type, and how one is kept so that a stolen row is of no use.

What is stored is `HMAC-SHA256(pepper[k], file id ‖ kind ‖ params ‖ salt ‖ raw argon2id)`, every
field length-prefixed: without the pepper a guess cannot be checked, and a row moved to another
file, or relabelled, never matches. This is the only module that looks inside a `Secret`.
"""

import functools
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Never

from argon2.low_level import Type, hash_secret_raw

from auth_core.hash_pool import HashPool
from auth_core.keys import Keyring, length_prefixed
from auth_core.model import BirthDate, CaseFile, SecretKind, Slot
from auth_core.rules import Reason, reasons, typed_reasons
from auth_core.settings import Argon2Settings

SALT_BYTES = 16
RAW_BYTES = 32
_OUTER = "outer"
UNBOUNDED = 2**31
"""As many may wait for a hash as like: where one task works through a list."""
MAX_KEYED = 64
"""Longer than anything that can be keyed; a `Secret` is never an unbounded input to a hash."""


class Secret:
    """What somebody keyed. It shows as *** and cannot be pickled, compared or hashed by accident.

    Any string is taken (a wrong one is refused later, in the same words as a wrong secret); only
    more than 64 characters raise ValueError.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        if len(digits) > MAX_KEYED:
            raise ValueError(f"a secret has at most {MAX_KEYED} characters")
        self._digits = digits

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Never:
        raise TypeError("secrets are not compared; ask a Hasher")

    def __reduce__(self) -> Never:
        raise TypeError("secrets are not pickled")

    def could_be(self, kind: SecretKind) -> bool:
        """Whether it has the length and digits of a `kind`."""
        digits = self._digits
        return len(digits) == kind.length and digits.isascii() and digits.isdigit()


@dataclass(frozen=True, slots=True)
class Params:
    """The cost that a secret was hashed at."""

    memory_kib: int
    iterations: int
    parallelism: int

    @classmethod
    def of(cls, settings: Argon2Settings) -> "Params":
        return cls(settings.memory_kib, settings.iterations, settings.parallelism)

    def __str__(self) -> str:
        return f"argon2id,m={self.memory_kib},t={self.iterations},p={self.parallelism}"

    @classmethod
    @functools.lru_cache(maxsize=16)  # a database holds a few, and each login reads two
    def parse(cls, text: str) -> "Params":
        """The inverse of `str`. Raises ValueError."""
        name, *fields = text.split(",")
        values = dict(field.split("=", 1) for field in fields)
        if name != "argon2id" or set(values) != {"m", "t", "p"}:
            raise ValueError(f"{text!r} are no argon2id parameters")
        return cls(int(values["m"]), int(values["t"]), int(values["p"]))

    def below(self, other: "Params") -> bool:
        """Whether hashing at `other` would cost a guesser more."""
        return (self.memory_kib, self.iterations) != (other.memory_kib, other.iterations) and (
            self.memory_kib <= other.memory_kib and self.iterations <= other.iterations
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """A stored secret. `id` stays the same when it changes slot or is hashed again.

    `expires_at`: the instant from which it opens nothing; None: no end. `outer_versions`: the
    peppers that a rotation put around that of `key_version`, from the inside out.
    """

    id: str
    file_id: str
    slot: Slot
    kind: SecretKind
    key_version: int
    params: Params
    salt: bytes = field(repr=False)
    tag: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None
    outer_versions: tuple[int, ...] = ()

    @property
    def newest_version(self) -> int:
        """The pepper that it was put under last."""
        return (self.key_version, *self.outer_versions)[-1]


class Hasher:
    """Makes and checks stored secrets in a few threads of its own, off the event loop."""

    def __init__(
        self,
        pepper: Keyring,
        settings: Argon2Settings,
        threads: int,
        most_waiting: int = UNBOUNDED,
    ) -> None:
        self._pepper = pepper
        self._params = Params.of(settings)
        self.pool = HashPool(threads, most_waiting)
        self._decoy_salt = secrets.token_bytes(SALT_BYTES)

    def close(self) -> None:
        self.pool.close()

    async def make(
        self,
        secret: Secret,
        *,
        file_id: str,
        slot: Slot,
        kind: SecretKind,
        created_at: datetime,
        expires_at: datetime | None,
        beside: Credential | None = None,
        credential_id: str | None = None,
    ) -> Credential:
        """Hash `secret` for storing. `beside`: share the salt and cost of this secret of the same
        file, so that one hash judges a try against both. `credential_id`: new unless given."""
        salt = secrets.token_bytes(SALT_BYTES) if beside is None else beside.salt
        params = self._params if beside is None else beside.params
        raw = await self._raw(secret, salt, params)
        version = self._pepper.current
        tag = self._tag(version, file_id, kind, params, salt, raw)
        return Credential(
            credential_id or secrets.token_hex(8),
            file_id,
            slot,
            kind,
            version,
            params,
            salt,
            tag,
            created_at,
            expires_at,
        )

    async def match(self, secret: Secret, candidates: Iterable[Credential]) -> Credential | None:
        """The candidate that `secret` is, if any. At least one hash is computed, whatever comes."""
        raws: dict[tuple[bytes, Params], bytes] = {}
        found: Credential | None = None
        for candidate in candidates:
            key = candidate.salt, candidate.params
            if key not in raws:
                raws[key] = await self._raw(secret, *key)
            tag = self._tag(
                candidate.key_version, candidate.file_id, candidate.kind, *key[::-1], raws[key]
            )
            for version in candidate.outer_versions:
                tag = self._outer_tag(version, candidate.file_id, tag)
            if hmac.compare_digest(tag, candidate.tag) and secret.could_be(candidate.kind):
                found = candidate
        if not raws:
            await self._raw(secret, self._decoy_salt, self._params)
        return found

    async def renew(self, secret: Secret, old: Credential) -> Credential:
        """The same secret, hashed again at today's cost and with the newest pepper."""
        return await self.make(
            secret,
            file_id=old.file_id,
            slot=old.slot,
            kind=old.kind,
            created_at=old.created_at,
            expires_at=old.expires_at,
            credential_id=old.id,
        )

    def outdated(self, credential: Credential) -> bool:
        """Whether a success should hash again: the cost has risen or the pepper is a newer one."""
        return (
            credential.params.below(self._params) or credential.key_version != self._pepper.current
        )

    def wrapped(self, credential: Credential) -> Credential:
        """The same secret with the newest pepper around what is stored of it, for which nobody
        needs to know it: to check a guess takes the old pepper and the new one."""
        version = self._pepper.current
        return replace(
            credential,
            tag=self._outer_tag(version, credential.file_id, credential.tag),
            outer_versions=(*credential.outer_versions, version),
        )

    async def _raw(self, secret: Secret, salt: bytes, params: Params) -> bytes:
        return await self.pool.run(lambda: _argon2id(secret, salt, params))

    def _tag(
        self,
        version: int,
        file_id: str,
        kind: SecretKind,
        params: Params,
        salt: bytes,
        raw: bytes,
    ) -> bytes:
        message = length_prefixed(
            file_id.encode(), kind.value.encode(), str(params).encode(), salt, raw
        )
        return hmac.digest(self._pepper.key(version), message, hashlib.sha256)

    def _outer_tag(self, version: int, file_id: str, tag: bytes) -> bytes:
        message = length_prefixed(file_id.encode(), tag)
        return hmac.digest(self._pepper.derived(_OUTER, version), message, hashlib.sha256)


def _argon2id(secret: Secret, salt: bytes, params: Params) -> bytes:
    return hash_secret_raw(
        secret._digits.encode(),
        salt,
        time_cost=params.iterations,
        memory_cost=params.memory_kib,
        parallelism=params.parallelism,
        hash_len=RAW_BYTES,
        type=Type.ID,
    )


def random_provisional() -> Secret:
    """Eight random digits; whether they may be used is for the rules to say (`reasons`)."""
    return Secret(f"{secrets.randbelow(10**8):08}")


def written_into(template: str, secret: Secret) -> bytes:
    """The one clear copy of a secret: the text of its message, `{secret}` filled in, UTF-8.

    It must be sealed at once and kept nowhere else.
    """
    return template.replace("{secret}", secret._digits).encode()


def objections(secret: Secret, case_file: CaseFile) -> tuple[Reason, ...]:
    """Every reason of the pure rules against `secret` as a password of `case_file`."""
    return reasons(secret._digits, case_file)


def objections_while_typing(secret: Secret) -> tuple[Reason, ...]:
    """Those that may be told before anything is submitted: they need no file."""
    return typed_reasons(secret._digits)


def is_day_month_of(keyed: str, birth_date: BirthDate | None) -> bool:
    """Whether `keyed` is the JJMM of `birth_date`; False when that is unknown."""
    expected = None if birth_date is None else birth_date.day_month
    return expected is not None and hmac.compare_digest(keyed.encode(), expected.encode())


def hidden_pins(secret: Secret, birth_date: BirthDate | None) -> tuple[Secret, ...]:
    """The PINs that would make `secret` a mere writing of the PIN: twice, or beside JJMM or 0000.

    Whether one of them is the PIN of the file, a hash must tell.
    """
    head, tail = secret._digits[:4], secret._digits[4:]
    fillers = {"0000", "" if birth_date is None else birth_date.day_month}
    guesses = []
    if tail in fillers or tail == head:
        guesses.append(Secret(head))
    if head in fillers:
        guesses.append(Secret(tail))
    return tuple(guesses)

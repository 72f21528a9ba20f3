"""The crypto attribute: keys for SRTP in a session description (RFC 4568, SDES).

A key must never be told: it is masked in every repr, and no error quotes what was read.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.sip.grammar.scan import number
from ivr.wire import WireError

PLAIN_PROFILES = ("RTP/AVP",)
SECURE_PROFILES = ("RTP/SAVP", "RTP/SAVPF")
MAX_OFFERED = 16
"""Crypto attributes of one stream that are read; the rest are left unread."""

_MAX_TAG = 999_999_999  # RFC 4568 §9.1: 1 to 9 digits
_MAX_LIFETIME = 48  # RFC 3711 §9.2: 2^48 packets a master key
_INLINE = "inline:"


class SecureSound(StrEnum):
    """Whether sound may, or must, be SRTP."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Suite(StrEnum):
    """The crypto-suites that we have, best first."""

    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"  # RFC 7714 §14.2
    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"  # RFC 4568 §6.2.1
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"  # RFC 4568 §6.2.2

    @property
    def key_size(self) -> int:
        """Bytes of a master key of 128 bits and the master salt after it."""
        return 28 if self is Suite.AEAD_AES_128_GCM else 30


@dataclass(frozen=True, slots=True)
class Crypto:
    """One crypto attribute: `key` is the master key and salt with which its author sends."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)

    @property
    def value(self) -> str:
        """What stands after `a=crypto:`; it holds the key."""
        return f"{self.tag} {self.suite} {_INLINE}{base64.b64encode(self.key).decode()}"


def fresh(tag: int, suite: Suite) -> Crypto:
    """An attribute with a key that nobody had before."""
    return Crypto(tag, suite, secrets.token_bytes(suite.key_size))


def fresh_offer() -> tuple[Crypto, ...]:
    """One attribute for each suite, the best first, each with a key of its own."""
    return tuple(fresh(tag, suite) for tag, suite in enumerate(Suite, 1))


def parse(value: str) -> Crypto:
    """Read one attribute. Raises `WireError` for what is malformed, and for what we cannot do:
    other suites, several keys, a master key identifier, parameters that weaken or change SRTP."""
    tag, _, rest = value.partition(" ")
    suite, _, rest = rest.strip(" ").partition(" ")
    keys, _, parameters = rest.strip(" ").partition(" ")
    if len(tag) > 9:
        raise WireError("Crypto tag too long")
    try:
        known = Suite(suite)
    except ValueError:
        raise WireError("Unknown crypto suite") from None
    crypto = Crypto(number(tag, _MAX_TAG), known, _key(keys, known))
    for parameter in parameters.split():
        _check_parameter(parameter)
    return crypto


def offered(attributes: Sequence[tuple[str, str]]) -> list[Crypto]:
    """The attributes of a stream that we can take, in its author's order. One that we cannot, or
    whose tag stands on an earlier one, is passed over (RFC 4568 §7.1.2)."""
    found: dict[int, Crypto] = {}
    values = [value for name, value in attributes if name == "crypto"]
    for value in values[:MAX_OFFERED]:
        try:
            crypto = parse(value)
        except WireError:
            continue
        found.setdefault(crypto.tag, crypto)
    return list(found.values())


def best(attributes: Sequence[tuple[str, str]]) -> Crypto | None:
    """Of an offer's attributes the one whose suite we like best; None when we can take none."""
    order = list(Suite)
    return min(offered(attributes), key=lambda crypto: order.index(crypto.suite), default=None)


def accepted(attributes: Sequence[tuple[str, str]], ours: Sequence[Crypto]) -> Crypto | None:
    """What an answer took of our offer: the attribute with tag and suite of one of `ours` (RFC 4568
    §7.1.3); None when there is none."""
    known = {(crypto.tag, crypto.suite) for crypto in ours}
    taken = [crypto for crypto in offered(attributes) if (crypto.tag, crypto.suite) in known]
    return taken[0] if taken else None


def _key(text: str, suite: Suite) -> bytes:
    """Master key and salt of the key parameters: one key, of the suite's length, no MKI."""
    if text[: len(_INLINE)].lower() != _INLINE:
        raise WireError("Crypto key not inline")
    encoded, *limits = text[len(_INLINE) :].split("|", 3)
    if ";" in text:
        raise WireError("More than one crypto key")
    if len(limits) > 1 or (limits and ":" in limits[0]):
        raise WireError("Master key identifier not supported")
    if limits:
        _check_lifetime(limits[0])
    digits = encoded.rstrip("=")
    if len(encoded) > 64 or len(digits) != -(-suite.key_size * 8 // 6):
        raise WireError("Crypto key of another length")
    try:
        key = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WireError("Malformed crypto key") from None
    if len(key) != suite.key_size:
        raise WireError("Crypto key of another length")
    return key


def _check_lifetime(text: str) -> None:
    """Packets that the key may protect: a number or a power of two, 1 to 2^48 (RFC 4568 §6.1)."""
    if text.startswith("2^"):
        number(text[2:], _MAX_LIFETIME)
    elif number(text, 1 << _MAX_LIFETIME) == 0:
        raise WireError("Crypto key without a life")


def _check_parameter(text: str) -> None:
    """Raise `WireError` for a session parameter that we cannot follow (RFC 4568 §6.3).

    WSH is a hint for a replay window and "-…" may be ignored; KDR=0 is what we do. The rest would
    leave sound open, unauthenticated or otherwise derived: with it the attribute is void.
    """
    name, _, value = text.partition("=")
    if name.startswith("-") and len(name) > 1:
        return
    if name == "WSH":
        number(value, 1 << 16)
    elif (name, value) != ("KDR", "0"):
        raise WireError("Crypto session parameter not supported")

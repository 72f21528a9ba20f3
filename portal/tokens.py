"""Form tokens: what a page carries so that only it can be sent back, once, by who was shown it.

A token is bound to a purpose and to the visitor's cookie; nothing is kept of those that are shown,
only of those that were used, until they would be too old anyway.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable

VALID_SECONDS = 30 * 60.0
_NONCE = 16
_TIME = 8
_TAG = 32


class StaleForm(Exception):  # noqa: N818 - a page is told, it is no fault of ours
    """A form that is not ours, not this visitor's, too old, or was sent before."""


class FormTokens:
    """Makes tokens and takes them back. The key is this process's own."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._key = secrets.token_bytes(32)
        self._monotonic = monotonic
        self._spent: dict[bytes, float] = {}  # by head, when it ends; oldest first

    def issue(self, purpose: str, visitor: str) -> str:
        """A token for a form of `purpose`, to be sent back by `visitor` within half an hour."""
        issued = int(self._monotonic() * 1000).to_bytes(_TIME, "big", signed=True)
        head = issued + secrets.token_bytes(_NONCE)
        return base64.urlsafe_b64encode(head + self._tag(head, purpose, visitor)).decode()

    def check(self, token: str, purpose: str, visitor: str) -> None:
        """Raises StaleForm."""
        self._read(token, purpose, visitor)

    def spend(self, token: str, purpose: str, visitor: str) -> None:
        """The same, and `token` is good for nothing afterwards."""
        head, end = self._read(token, purpose, visitor)
        self._spent[head] = end

    def secret_of(self, token: str, use: str) -> bytes:
        """32 bytes that belong to a token and cannot be told from it."""
        return hmac.digest(self._key, use.encode() + b"\0" + token.encode(), hashlib.sha256)

    def _read(self, token: str, purpose: str, visitor: str) -> tuple[bytes, float]:
        """Its head, which has one value where base64 has several writings, and when it ends."""
        now = self._monotonic()
        self._forget(now)
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise StaleForm from error
        head, tag = raw[:-_TAG], raw[-_TAG:]
        if not hmac.compare_digest(tag, self._tag(head, purpose, visitor)):
            raise StaleForm
        end = int.from_bytes(head[:_TIME], "big", signed=True) / 1000 + VALID_SECONDS
        if now >= end or head in self._spent:
            raise StaleForm
        return head, end

    def _tag(self, head: bytes, purpose: str, visitor: str) -> bytes:
        bound = f"token\0{purpose}\0{visitor}\0".encode()
        return hmac.digest(self._key, bound + head, hashlib.sha256)

    def _forget(self, now: float) -> None:
        """Those that are too old. Nearly in order: a token ends half an hour after it was shown."""
        while self._spent and next(iter(self._spent.values())) <= now:
            del self._spent[next(iter(self._spent))]

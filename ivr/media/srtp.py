"""SRTP and SRTCP (RFC 3711, RFC 7714) of one call: what stands between its sockets and the engine.

A secured call's readers and senders are wrapped once, when its keys come; those of a plain call
are the sockets' own, so that it pays nothing.
"""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from pylibsrtp import Error, Policy, Session

from ivr.media.stream import Address, SrtpKeys

MAX_SOURCES = 32
"""Sources (SSRC) that one key of a peer's may be used with: each costs a context."""

_PROFILES = {
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
_RTP_SSRC, _RTCP_SSRC = slice(8, 12), slice(4, 8)


class Drop(StrEnum):
    """Why a datagram of a secured call went no further."""

    UNAUTHENTIC = "unauthentic"
    REPLAYED = "replayed"
    TOO_MANY_SOURCES = "too_many_sources"
    MALFORMED = "malformed"


_DROPS = {
    "authentication failure": Drop.UNAUTHENTIC,
    "cipher failure": Drop.UNAUTHENTIC,
    "replay check failed (bad index)": Drop.REPLAYED,
    "replay check failed (index too old)": Drop.REPLAYED,
}


class Dropped(OSError):  # noqa: N818 - what a peer sent, not a fault
    """A datagram that went no further. For the loop around it, a socket that had none."""


class _Source:
    """What one key of the peer's opens: its contexts, and the sources that it was used with."""

    def __init__(self, suite: str, key: bytes) -> None:
        self._session = Session(_policy(suite, key, Policy.SSRC_ANY_INBOUND))
        self._last = b""
        self._known: set[bytes] = set()

    def rtp(self, data: bytes) -> bytes:
        plain = self._session.unprotect(data)
        if data[_RTP_SSRC] != self._last:
            self._meet(data[_RTP_SSRC])
        return plain

    def rtcp(self, data: bytes) -> bytes:
        plain = self._session.unprotect_rtcp(data)
        self._meet(data[_RTCP_SSRC])
        return plain

    def _meet(self, ssrc: bytes) -> None:
        if ssrc not in self._known and len(self._known) >= MAX_SOURCES:
            self._session.remove_stream(int.from_bytes(ssrc, "big"))
            raise Dropped(Drop.TOO_MANY_SOURCES)
        self._known.add(ssrc)
        self._last = ssrc


class Guard:
    """One call's keys. `drops` counts what went no further, for all the calls of a worker.

    Raises ValueError: no such suite, or keys too short for it.
    """

    def __init__(self, keys: SrtpKeys, drops: Counter[Drop]) -> None:
        self._drops = drops
        self._keys = keys
        self._ours, self._theirs = _ours(keys), _Source(keys.suite, keys.theirs)
        self._former: _Source | None = None

    def rekey(self, keys: SrtpKeys) -> None:
        """Take over what was negotiated anew. A key that stays keeps its rollover counter and
        replay window. What the peer sent with its former key is heard until the new one is."""
        before, self._keys = self._keys, keys
        if (keys.suite, keys.ours) != (before.suite, before.ours):
            self._ours = _ours(keys)
        if (keys.suite, keys.theirs) != (before.suite, before.theirs):
            self._former, self._theirs = self._theirs, _Source(keys.suite, keys.theirs)

    def sender(self, send: Callable[[bytes], int]) -> Callable[[bytes], int]:
        """`send` for plain RTP. It raises OSError as `send` does."""

        def protect_and_send(packet: bytes) -> int:
            try:
                secured = self._ours.protect(packet)
            except (Error, ValueError) as error:
                raise OSError("SRTP cannot protect") from error
            return send(secured)

        return protect_and_send

    def reader(self, receive: Callable[[memoryview], int]) -> Callable[[memoryview], int]:
        """`receive`, which reads into memory, for plain RTP. It raises `Dropped`."""

        def receive_and_open(row: memoryview) -> int:
            return self._open_in(row, receive(row))

        return receive_and_open

    def reader_from(
        self, receive: Callable[[memoryview], tuple[int, Address]]
    ) -> Callable[[memoryview], tuple[int, Address]]:
        """The same for a `receive` that tells who has sent."""

        def receive_and_open(row: memoryview) -> tuple[int, Address]:
            length, source = receive(row)
            return self._open_in(row, length), source

        return receive_and_open

    def _open_in(self, row: memoryview, length: int) -> int:
        plain = self._open(bytes(row[:length]), _Source.rtp)
        row[: len(plain)] = plain
        return len(plain)

    def open_rtcp(self, data: bytes) -> bytes:
        """What an SRTCP datagram holds. Raises `Dropped`."""
        return self._open(data, _Source.rtcp)

    def protect_rtcp(self, data: bytes) -> bytes:
        """An RTCP datagram as it goes out. Raises OSError."""
        try:
            secured: bytes = self._ours.protect_rtcp(data)
        except (Error, ValueError) as error:
            raise OSError("SRTCP cannot protect") from error
        return secured

    def _open(self, data: bytes, opening: Callable[[_Source, bytes], bytes]) -> bytes:
        try:
            plain = opening(self._theirs, data)
        except Dropped:
            self._drops[Drop.TOO_MANY_SOURCES] += 1
            raise
        except (Error, ValueError) as error:
            return self._open_with_former(data, opening, _reason(error))
        self._former = None
        return plain

    def _open_with_former(
        self, data: bytes, opening: Callable[[_Source, bytes], bytes], reason: Drop
    ) -> bytes:
        if self._former is not None and reason is not Drop.REPLAYED:
            try:
                return opening(self._former, data)
            except (Dropped, Error, ValueError):
                pass
        self._drops[reason] += 1
        raise Dropped(reason)


def _reason(error: Exception) -> Drop:
    return _DROPS.get(str(error), Drop.MALFORMED)


def _ours(keys: SrtpKeys) -> Session:
    policy = _policy(keys.suite, keys.ours, Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True  # the worker sends again what a socket refused
    return Session(policy)


def _policy(suite: str, key: bytes, direction: int) -> Policy:
    if suite not in _PROFILES:
        raise ValueError("no such crypto-suite")
    return Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[suite])

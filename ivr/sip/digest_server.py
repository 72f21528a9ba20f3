"""Digest authentication of who sends us requests. Sans-IO.

A nonce is a time and a keyed hash of it and of the address that it was given to, so a challenge
leaves nothing behind, and nobody can be accused of a wrong password from a forged address. What is
remembered, within bounds, is the last count of each nonce that was used, and how often an address
was wrong.
"""

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from ivr.sip.digest import QOP, Algorithm, UserKey, parse
from ivr.sip.message import Request
from ivr.sip.replies import HeaderLines
from ivr.wire import WireError

NONCE_LIFETIME = 300.0  # seconds
MAX_NONCES = 10_000
MAX_ADDRESSES = 10_000
_TIME_DIGITS = 12  # hexadecimal, of milliseconds
_COUNT_DIGITS = 8
_HEX = frozenset("0123456789abcdef")


class Outcome(Enum):
    PASSED = auto()
    MISSING = auto()  # no credentials for us: challenge
    STALE = auto()  # right, but for a nonce of ours that is over or a count that was used
    WRONG = auto()


@dataclass(slots=True)
class _Wrong:
    """The wrong answers of one address since `since` (seconds)."""

    since: float
    count: int = 0


@dataclass(slots=True)
class _Used:
    """The highest count that came with a nonce, and the request it came with."""

    count: int
    request: tuple[str, ...] = field(repr=False)


class DigestServer:
    """`guesses` wrong passwords from one address within `seconds`, then no more are looked at."""

    def __init__(
        self, realm: str, guesses: int, seconds: float, entropy: Callable[[int], bytes]
    ) -> None:
        self.realm = realm
        self._guesses = guesses
        self._seconds = seconds
        self._key = entropy(32)
        self._nobody = UserKey("", realm, entropy(16).hex())
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._oldest = 0.0
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()

    def challenges(
        self, host: str, algorithms: Sequence[Algorithm], now: float, *, stale: bool = False
    ) -> HeaderLines:
        """WWW-Authenticate, once for each algorithm, in their order (RFC 8760 §2.3)."""
        nonce, flag = self._nonce(host, now), ", stale=true" if stale else ""
        return [
            (
                "WWW-Authenticate",
                f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={algorithm.value}, '
                f'qop="{QOP}"{flag}',
            )
            for algorithm in algorithms
        ]

    def check(
        self,
        request: Request,
        host: str,
        users: Mapping[str, UserKey],
        algorithms: Sequence[Algorithm],
        now: float,
    ) -> tuple[Outcome, str]:
        """What the credentials of a request from `host` are worth, and whose they are.

        A user who is unknown costs what a wrong password costs. Raises `WireError`.
        """
        given = self._credentials(request)
        algorithm = Algorithm.named(given.get("algorithm", ""))
        issued = self._issued(given.get("nonce", ""), host)
        count_text = given.get("nc", "").lower()
        qop = given.get("qop", "").lower()
        if issued is None or algorithm is None or algorithm not in algorithms or qop != QOP:
            return Outcome.MISSING, ""
        if len(count_text) != _COUNT_DIGITS or not _HEX.issuperset(count_text):
            raise WireError("Malformed credentials")
        user = given.get("username", "")
        expected = users.get(user, self._nobody).response(
            algorithm,
            request.method,
            given.get("uri", ""),
            given["nonce"],
            given["nc"],
            given.get("cnonce", ""),
        )
        said = given.get("response", "").lower().encode("latin-1", "replace")
        right = hmac.compare_digest(expected.encode("ascii"), said)
        if not (right and user in users):
            self._note_wrong(host, now)
            return Outcome.WRONG, ""
        if issued < self._oldest or not 0 <= now - issued <= NONCE_LIFETIME:
            return Outcome.STALE, user
        fresh = self._is_fresh(given["nonce"], int(count_text, 16), request)
        return (Outcome.PASSED if fresh else Outcome.STALE), user

    def has_guessed_enough(self, host: str, now: float) -> bool:
        """Whether the address was wrong too often to be listened to now."""
        wrong = self._wrong.get(_network(host))
        if wrong is None or wrong.count < self._guesses:
            return False
        return now - wrong.since < self._seconds

    def _credentials(self, request: Request) -> dict[str, str]:
        for value in request.headers.fields("authorization"):
            given = parse(value)
            if given.get("realm") == self.realm:
                return given
        return {}

    def _nonce(self, host: str, now: float) -> str:
        stamp = f"{int(now * 1000):0{_TIME_DIGITS}x}"
        return stamp + self._mark(stamp, host)

    def _mark(self, stamp: str, host: str) -> str:
        text = f"{stamp} {host}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]

    def _issued(self, nonce: str, host: str) -> float | None:
        """When we gave that nonce to that address, None if we never did."""
        stamp, mark = nonce[:_TIME_DIGITS], nonce[_TIME_DIGITS:]
        if len(stamp) != _TIME_DIGITS or not _HEX.issuperset(stamp) or not mark.isascii():
            return None
        if not hmac.compare_digest(mark, self._mark(stamp, host)):
            return None
        return int(stamp, 16) / 1000

    def _is_fresh(self, nonce: str, count: int, request: Request) -> bool:
        """Whether the count goes forward. A copy of the request it came with is no replay."""
        identity = (request.call_id, str(request.cseq.number), request.method, request.via.branch)
        used = self._used.get(nonce)
        if used is not None and count <= used.count:
            return count == used.count and identity == used.request
        self._used[nonce] = _Used(count, identity)
        self._used.move_to_end(nonce)
        if len(self._used) > MAX_NONCES:
            # Forgotten, it could come again: so every nonce as old as that is over from now on.
            forgotten, _ = self._used.popitem(last=False)
            self._oldest = max(self._oldest, int(forgotten[:_TIME_DIGITS], 16) / 1000 + 0.001)
        return True

    def _note_wrong(self, host: str, now: float) -> None:
        network = _network(host)
        wrong = self._wrong.get(network)
        if wrong is None or now - wrong.since >= self._seconds:
            wrong = self._wrong[network] = _Wrong(now)
        wrong.count += 1
        self._wrong.move_to_end(network)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)


def _network(host: str) -> str:
    """Whom an address stands for: itself, or the /64 of IPv6, which one customer has."""
    if ":" not in host:
        return host
    return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))

"""How much of our attention each address gets: what is beyond it is dropped before it is read.

The socket's buffer is one queue for everybody, so a flood must be dropped faster than it comes.
Sans-IO: addresses, costs and `now` (monotonic seconds) go in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

MAX_SOURCES = 10_000  # addresses remembered; those that come beyond share what strangers have
SAVED_SECONDS = 2.0
INVITE_COST = 10.0  # a new call is the dearest thing to ask for
FAULT_COST = 20.0  # more for what can't be read: nobody honest sends much of it


@dataclass(frozen=True, slots=True)
class Shares:
    """Messages a second: from one known address, one stranger, and all strangers together.

    An address may save up two seconds of its share.
    """

    known: float = 5_000.0
    stranger: float = 100.0
    strangers: float = 1_000.0


class _Bucket:
    __slots__ = ("left", "limited", "rate", "updated")

    def __init__(self, rate: float, now: float, *, limited: bool) -> None:
        self.rate = rate
        self.left = SAVED_SECONDS * rate
        self.updated = now
        self.limited = limited  # by what all strangers have together

    def refill(self, now: float) -> float:
        self.left = min(SAVED_SECONDS * self.rate, self.left + (now - self.updated) * self.rate)
        self.updated = now
        return self.left


class FairShare:
    """The budget of each source. `is_known(host)` tells trunks and the like from strangers."""

    def __init__(self, shares: Shares, is_known: Callable[[str], bool]) -> None:
        self._shares = shares
        self._is_known = is_known
        self._buckets: dict[str | int, _Bucket] = {}
        self._strangers = _Bucket(shares.strangers, 0.0, limited=False)
        self._swept = float("-inf")

    def __len__(self) -> int:
        return len(self._buckets)

    def adopt(self, shares: Shares) -> None:
        """From now on; who is known is asked anew of everybody."""
        self._shares = shares
        self._buckets.clear()
        self._strangers = _Bucket(shares.strangers, 0.0, limited=False)

    def takes(self, host: str, data: bytes, now: float) -> bool:
        """Whether a message from `host` is to be read; it is then charged."""
        cost = INVITE_COST if data[:7] == b"INVITE " else 1.0
        bucket = self._bucket(host, now)
        if bucket.refill(now) < cost:
            return False
        if bucket.limited:
            if self._strangers.refill(now) < cost:
                return False
            self._strangers.left -= cost
        bucket.left -= cost
        return True

    def charge(self, host: str, cost: float, now: float) -> None:
        """Take from a source's share what something turned out to cost."""
        bucket = self._bucket(host, now)
        bucket.left -= cost
        if bucket.limited:
            self._strangers.left -= cost

    def _bucket(self, host: str, now: float) -> _Bucket:
        key = _key(host)
        bucket = self._buckets.get(key)
        if bucket is not None:
            return bucket
        known = self._is_known(host)
        if len(self._buckets) >= MAX_SOURCES and not self._make_room(now) and not known:
            return self._strangers
        if len(self._buckets) >= MAX_SOURCES:
            del self._buckets[next(iter(self._buckets))]  # a known one comes before the oldest
        rate = self._shares.known if known else self._shares.stranger
        bucket = self._buckets[key] = _Bucket(rate, now, limited=not known)
        return bucket

    def _make_room(self, now: float) -> bool:
        """Forget sources whose share is whole again; True when there were any. Once a second: a
        flood of made-up sources must not have the table searched for each."""
        if now - self._swept < 1.0:
            return False
        self._swept = now
        idle = [
            key for key, bucket in self._buckets.items() if now - bucket.updated > SAVED_SECONDS
        ]
        for key in idle:
            del self._buckets[key]
        return bool(idle)


def _key(host: str) -> str | int:
    """What counts as one source: an IPv4 address, or the /64 that an IPv6 host has to itself."""
    if ":" not in host:
        return host
    return int(IPv6Address(host.partition("%")[0])) >> 64

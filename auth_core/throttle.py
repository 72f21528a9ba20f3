"""How many tries anybody gets (DOMAIN: authentication). Pure: a state and a moment go in, the next
state comes out. The store keeps one row per state and replaces it by one conditional UPDATE,
committed before any hash is computed; only a success gives the try back.

A file has two allowances, so that strangers cannot lock its owner out for ever: one for tries from
its known sources (numbers on file, devices that logged in before), one for everybody else. Both
lock alike, and share one cap a day, of which strangers cannot take what is set apart for known
sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from auth_core.model import SecretKind
from auth_core.settings import DAY, AuthSettings, CallerSettings, LostPasswordSettings

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Bucket(StrEnum):
    """Whose allowance a try is charged to."""

    STRANGER = "stranger"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Try:
    """A try charged and not given back. `number` grows by one with each charge of the file."""

    number: int
    bucket: Bucket
    at: datetime


@dataclass(frozen=True, slots=True)
class FileThrottle:
    """What has been tried on one file since its last success or new secret.

    `charged`: the number of the last try. `tries`: those that still count, oldest first; bounded,
    since past the hard limits none is charged. `requests`: lost-password requests within a day.
    """

    charged: int = 0
    tries: tuple[Try, ...] = ()
    requests: tuple[datetime, ...] = ()

    def charge(self, bucket: Bucket, now: datetime) -> "FileThrottle":
        charged = self.charged + 1
        return replace(self, charged=charged, tries=(*self.tries, Try(charged, bucket, now)))

    def give_back(self, number: int) -> "FileThrottle":
        """Forget one try: it was right, and opened nothing (expired)."""
        return replace(self, tries=tuple(t for t in self.tries if t.number != number))

    def clear(self, number: int) -> "FileThrottle":
        """Forget a successful try and all charged before it; those charged since stay."""
        return replace(self, tries=tuple(t for t in self.tries if t.number > number))

    def reset(self) -> "FileThrottle":
        """Forget every try: the secret is a new one, or an agent unlocked the file."""
        return replace(self, tries=())

    def locked_until(self, bucket: Bucket, settings: AuthSettings) -> datetime | None:
        """The end of the lock that the bucket's last failure began, over or not; None: no lock."""
        own = [t for t in self.tries if t.bucket is bucket]
        level, rest = divmod(len(own), settings.max_failures)
        if level == 0 or rest:
            return None
        return own[-1].at + settings.lock.duration(level)

    def admits(
        self, bucket: Bucket, now: datetime, settings: AuthSettings, *, known_sources: bool
    ) -> bool:
        """Whether a try may be charged now. `known_sources`: the file has some, so that a part of
        the day's cap is theirs."""
        until = self.locked_until(bucket, settings)
        if until is not None and now < until:
            return False
        cap = settings.max_failures_per_day
        today = [t for t in self.tries if now - t.at < DAY]
        if bucket is Bucket.STRANGER and known_sources:
            reserve = settings.known_source_allowance
            strangers = sum(t.bucket is Bucket.STRANGER for t in today)
            if strangers >= cap - reserve:
                return False
        return len(today) < cap

    def refuses_live(self, kind: SecretKind, settings: AuthSettings) -> bool:
        """Whether too many failures in a row have shut a live secret of this kind for good."""
        limit = settings.max_consecutive_failures
        if kind is SecretKind.PIN:
            limit = min(limit, settings.max_consecutive_pin_failures)
        return len(self.tries) >= limit

    def refuses_pending(self, settings: AuthSettings) -> bool:
        """Whether a pending provisional is shut too: it has had as many tries of its own."""
        return len(self.tries) >= 2 * settings.max_consecutive_failures

    def admits_request(self, now: datetime, limits: LostPasswordSettings) -> bool:
        """Whether a lost-password request may be served now."""
        recent = [at for at in self.requests if now - at < DAY]
        if len(recent) >= limits.per_file_per_day:
            return False
        return not recent or now - recent[-1] >= timedelta(minutes=limits.minutes_apart)

    def request(self, now: datetime) -> "FileThrottle":
        return replace(self, requests=_within(self.requests, now, DAY, (now,)))


@dataclass(frozen=True, slots=True)
class CallerThrottle:
    """What one telephone number, or one address, has failed lately, on whatever files.

    `failures`: within the hour, those being judged included. `busy_until`: nothing is looked at
    before. `requests`: lost-password requests within a day.
    """

    failures: tuple[datetime, ...] = ()
    busy_until: datetime | None = None
    requests: tuple[datetime, ...] = ()

    def busy(self, now: datetime) -> bool:
        return self.busy_until is not None and now < self.busy_until

    def slow(self, now: datetime, settings: CallerSettings) -> bool:
        """Whether the next answer is delayed."""
        return sum(now - at < HOUR for at in self.failures) >= settings.slow_after

    def charge(
        self, now: datetime, settings: CallerSettings, *, withheld: bool
    ) -> "CallerThrottle":
        """One more try. `withheld`: callers without a number share a state that is never busy."""
        failures = _within(self.failures, now, HOUR, (now,))[-settings.busy_after :]
        full = len(failures) >= settings.busy_after and not withheld
        return replace(self, failures=failures, busy_until=now + HOUR if full else None)

    def give_back(self, at: datetime) -> "CallerThrottle":
        """Forget one try charged at `at`: it was right."""
        failures = list(self.failures)
        if at in failures:
            failures.remove(at)
        return replace(self, failures=tuple(failures), busy_until=None)

    def admits_request(self, now: datetime, per_day: int) -> bool:
        """Whether one more lost-password request, of `per_day`, may be served now."""
        return sum(now - at < DAY for at in self.requests) < per_day

    def request(self, now: datetime, per_day: int) -> "CallerThrottle":
        requests = _within(self.requests, now, DAY, (now,))[-per_day:]
        return replace(self, requests=requests)


@dataclass(frozen=True, slots=True)
class Surge:
    """Failures of all who come the same way: over one trunk, or in all; of the minute that began
    at `began`, and of the minute before it. It slows, and never refuses: one attacker must not
    close the line to everybody."""

    began: datetime
    failures: int = 0
    before: int = 0

    def at(self, now: datetime) -> "Surge":
        """The same, as of the minute of `now`."""
        if now < self.began + MINUTE:
            return self
        adjoining = now < self.began + 2 * MINUTE
        began = self.began + MINUTE if adjoining else now
        return Surge(began, before=self.failures if adjoining else 0)

    def charge(self, now: datetime) -> "Surge":
        """One more failure."""
        current = self.at(now)
        return replace(current, failures=current.failures + 1)

    def slow(self, now: datetime, limit: int) -> bool:
        """Whether answers are delayed."""
        current = self.at(now)
        return max(current.failures, current.before) >= limit


def _within(
    moments: Sequence[datetime], now: datetime, span: timedelta, more: Sequence[datetime]
) -> tuple[datetime, ...]:
    return (*(at for at in moments if now - at < span), *more)

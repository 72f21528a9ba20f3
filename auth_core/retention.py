"""How long things are kept, and their end (DOMAIN: personal data; the `retention:` section).

What a case file holds is not aged here: the import brings it up to date, and it is whoever keeps
the files who removes one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Table

from auth_core.delivery.retention import purge_files
from auth_core.delivery.settings import DeliverySettings
from auth_core.installation import PEPPER, checked_key
from auth_core.model import Channel, Source
from auth_core.settings import AuthSettings, OwnSections, load_sections
from auth_core.store import leftovers
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.validity import PARIS, months_later

BATCH = 1000
"""Rows to a transaction: others wait for it some hundredths of a second."""


class RetentionSettings(BaseModel):
    """`retention`: months and days are counted back from today in Paris. The longest that the
    domain allows are the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    records_months: int = Field(default=12, ge=1, le=12)
    """Call records; at most 12."""
    audit_months: int = Field(default=12, ge=1, le=12)
    """The audit trail, and devices that logged in; at most 12."""
    throttle_days: int = Field(default=30, ge=2, le=30)
    """What numbers and addresses failed, as keyed hashes; at most 30."""
    messages_days: int = Field(default=30, ge=2, le=365)
    """Rows of messages that have left, with where they went."""
    letters_days: int = Field(default=7, ge=1, le=60)
    """Letters that nobody acknowledged, and text messages in files."""


class _Kept(OwnSections):
    auth: AuthSettings = AuthSettings()
    delivery: DeliverySettings = DeliverySettings()
    retention: RetentionSettings = RetentionSettings()
    records: Path = Path("var/records.jsonl")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Where the things lie that are purged. `records`: the file of call records."""

    auth: AuthSettings
    delivery: DeliverySettings
    retention: RetentionSettings
    records: Path


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """How many of each are gone: entries of the audit trail, rows of throttles, messages, devices
    and imports, files of letters and text messages, months of call records."""

    audit: int
    throttles: int
    messages: int
    past: int
    letters: int
    records: int


def load_holdings(file: Path) -> Holdings:
    """Read what a purge needs of a config file. Raises `YamlFaults`, OSError."""
    kept, folder = load_sections(file, _Kept), file.resolve().parent
    return Holdings(
        kept.auth.relative_to(folder),
        kept.delivery.relative_to(folder),
        kept.retention,
        folder / kept.records,
    )


async def purge(holdings: Holdings, agent: str, clock: Callable[[], datetime]) -> PurgeReport:
    """Remove all that has been kept for long enough; again does no harm. For a daily task. Raises
    AuthError as `AuthService.open`, OSError."""
    keep, now = holdings.retention, clock()
    today = now.astimezone(PARIS).date()
    database = Database(holdings.auth.database_url)
    try:
        await database.check_schema()
        pepper = await checked_key(database, PEPPER, holdings.auth.pepper_file)
        trail = AuditTrail(pepper)
        old_audit = _months_ago(today, keep.audit_months)
        report = PurgeReport(
            audit=await _forget_audit(database, trail, old_audit),
            throttles=await _remove(
                database, leftovers.of_tries(now - timedelta(days=keep.throttle_days))
            ),
            messages=await _remove(
                database, leftovers.of_messages(now - timedelta(days=keep.messages_days))
            ),
            past=await _remove(database, leftovers.of_the_past(old_audit)),
            letters=purge_files(holdings.delivery, today - timedelta(days=keep.letters_days)),
            records=_remove_records(holdings.records, months_later(today, -keep.records_months)),
        )
        source = Source(Channel.BACK_OFFICE, agent=agent)
        detail = {name: getattr(report, name) for name in PurgeReport.__slots__}
        async with database.begin() as connection:
            await trail.append(connection, Act.PURGED, source, now, detail=detail)
    finally:
        await database.close()
    return report


def _months_ago(today: date, months: int) -> datetime:
    day = months_later(today, -months)
    return datetime(day.year, day.month, day.day, tzinfo=PARIS)


async def _forget_audit(database: Database, trail: AuditTrail, before: datetime) -> int:
    total = 0
    while True:
        async with database.begin() as connection:
            gone = await trail.forget(connection, before, BATCH)
        total += gone
        if gone < BATCH:
            return total


async def _remove(database: Database, what: dict[Table, ColumnElement[bool]]) -> int:
    total = 0
    for table, which in what.items():
        gone = BATCH
        while gone == BATCH:
            async with database.begin() as connection:
                gone = await leftovers.remove(connection, table, which, BATCH)
            total += gone
    return total


def _remove_records(current: Path, before: date) -> int:
    """Remove the files of whole months that ended before `before`; the server has set each aside
    beside `current` as NAME-YYYY-MM."""
    gone = 0
    for file in current.parent.glob(f"{current.stem}-????-??{current.suffix}"):
        try:
            first = date.fromisoformat(f"{file.stem[-7:]}-01")
        except ValueError:
            continue
        if months_later(first, 1) <= before:
            file.unlink()
            gone += 1
    return gone

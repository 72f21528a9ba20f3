"""The tables. The migrations make them; a test holds the two together.

Moments are UTC. Secrets are never here in clear: `credentials` holds tags that need the pepper,
`messages.sealed` needs the outbox's key, callers' numbers are keyed hashes.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, UTC in the database whatever that database knows of time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _file_id(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "file_id",
        String(64),
        ForeignKey("case_files.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=not primary_key,
    )


def _person_id() -> Column[str]:
    return Column(
        "person_id",
        String(64),
        ForeignKey("persons.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


case_files = Table(
    "case_files",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("generation", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("last_login", Moment),
    Column("closed_at", Moment),
)

# A row is never deleted while its file lives: a matricule that a transfer left behind is unknown
# from then on, and never given to anybody else.
identities = Table(
    "identities",
    metadata,
    Column("caf", String(3), primary_key=True),
    Column("matricule", String(7), primary_key=True),
    _file_id(),
    Column("retired_at", Moment),
)

persons = Table(
    "persons",
    metadata,
    Column("id", String(64), primary_key=True),
    _file_id(),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("birth_year", Integer),
    Column("birth_month", Integer),
    Column("birth_day", Integer),
    Column("nir_prefix", String(9), nullable=False, default=""),
    Column("nir_hash", LargeBinary, index=True),
)

phones = Table(
    "phones",
    metadata,
    Column("id", Integer, primary_key=True),
    _file_id(),
    _person_id(),
    Column("number", Text, nullable=False),
    # The number that this one took the place of, while the owner may still need to be told there.
    Column("previous", Text),
    Column("changed_at", Moment, nullable=False),
)

addresses = Table(
    "addresses",
    metadata,
    Column("id", Integer, primary_key=True),
    _file_id(),
    _person_id(),
    Column("lines", Text, nullable=False),
    Column("postal_code", String(10), nullable=False),
    Column("city", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Integer, primary_key=True),
    _file_id(),
    Column("date", Date, nullable=False),
    Column("benefit", String(16), nullable=False),
    Column("amount_cents", Integer, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    _file_id(),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("date", Date, nullable=False),
)

# The key makes "at most one live and one pending secret" a law of the database.
credentials = Table(
    "credentials",
    metadata,
    _file_id(primary_key=True),
    Column("slot", String(8), primary_key=True),
    Column("id", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("key_version", Integer, nullable=False),
    # The peppers around the first, from the inside out: "2,3".
    Column("outer_versions", String(64), nullable=False, server_default=""),
    Column("params", String(64), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("tag", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, index=True),
    # When its owner was told that it expires soon.
    Column("noticed_at", Moment),
)

# `revision` grows at each write: the condition of the one UPDATE that charges a try.
file_throttles = Table(
    "file_throttles",
    metadata,
    _file_id(primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("charged", Integer, nullable=False),
    Column("tries", Text, nullable=False),
    Column("requests", Text, nullable=False),
)

caller_throttles = Table(
    "caller_throttles",
    metadata,
    Column("caller", LargeBinary, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("failures", Text, nullable=False),
    Column("busy_until", Moment),
    Column("requests", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# `scope`: the keyed hash of a trunk's name, or of the word for all.
surges = Table(
    "surges",
    metadata,
    Column("scope", LargeBinary, primary_key=True),
    Column("began", Moment, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("before", Integer, nullable=False),
)

known_devices = Table(
    "known_devices",
    metadata,
    _file_id(primary_key=True),
    Column("device", LargeBinary, primary_key=True),
    Column("last_login", Moment, nullable=False, index=True),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String(32), primary_key=True),
    _file_id(),
    Column("kind", String(16), nullable=False),
    Column("way", String(8), nullable=False),
    Column("destination", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    # Who is sending it, until when nobody else may, and how often that was begun.
    Column("lease", String(32)),
    Column("leased_until", Moment),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("tried_at", Moment, index=True),
    Column("sent_at", Moment),
    Index("ix_messages_state_due_at", "state", "due_at"),
)

# What an advisor's desktop redeems for the file of a caller who was put through to it.
transfer_references = Table(
    "transfer_references",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _file_id(),
    Column("expires_at", Moment, nullable=False, index=True),
)

# Sessions of apps, by the keyed hash of their token; good while `generation` is the file's.
app_tokens = Table(
    "app_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    _file_id(),
    Column("generation", Integer, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("last_login", Moment),
    Column("failures_since", Integer, nullable=False),
    Column("began_at", Moment, nullable=False, index=True),
    Column("used_at", Moment, nullable=False),
)

# Programs of the back office; `digest`: the keyed hash of a client's token, `scopes`: "nims show".
clients = Table(
    "clients",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", LargeBinary, nullable=False, index=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

# Requests that may come twice, by the keyed hash of whose they are and their key. `answer`: null
# while they are under way.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", Text),
    Column("created_at", Moment, nullable=False, index=True),
)

# What somebody of the back office must look at.
tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    _file_id(),
    Column("kind", String(32), nullable=False),
    Column("created_at", Moment, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("act", String(32), nullable=False),
    Column("file_id", String(64), index=True),
    Column("channel", String(16), nullable=False),
    Column("agent", Text),
    Column("reference", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

# One row, made with the table: the end of the chain. Who appends locks it, so that entries have
# one order.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

# How far each import of a sealed file of PINs has come, by the file's id.
pin_imports = Table(
    "pin_imports",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("chunks", Integer, nullable=False),
    Column("imported", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("malformed", Integer, nullable=False),
    Column("duplicate", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
)

# One row, once entries were purged: the last of them, sealed so that nobody else moves it.
audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

key_checks = Table(
    "key_checks",
    metadata,
    Column("purpose", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("check_value", LargeBinary, nullable=False),
)

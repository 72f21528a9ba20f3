"""The words of the domain: case files, persons, secrets, verdicts. Frozen values, no behaviour
beyond masking.

A matricule shows its last three digits only, in every representation.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Channel(StrEnum):
    """Where somebody speaks to us."""

    TELEPHONE = "telephone"
    WEB = "web"
    APP = "app"
    KIOSK = "kiosk"
    BACK_OFFICE = "back_office"


class SecretKind(StrEnum):
    """What opens a file."""

    PIN = "pin"  # the legacy 4-digit code
    PASSWORD = "password"  # noqa: S105 - 8 digits that the beneficiary chose
    PROVISIONAL = "provisional"  # 8 digits that the system chose

    @property
    def length(self) -> int:
        """How many digits a secret of this kind has."""
        return 4 if self is SecretKind.PIN else 8


class Slot(StrEnum):
    """What a stored secret is good for. A file has at most one secret in each slot."""

    LIVE = "live"  # the one usable secret
    PENDING = "pending"  # a provisional asked for by somebody not authenticated, not used yet
    FORMER = "former"  # the last password: opens nothing, and may not be chosen again


class FileStatus(StrEnum):
    """How far a file has come."""

    APPLICANT = "applicant"
    AFFILIATED = "affiliated"


class Role(StrEnum):
    """A person's place in a file."""

    BENEFICIARY = "beneficiary"
    SPOUSE = "spouse"
    FORMER_SPOUSE = "former_spouse"
    CHILD = "child"
    OTHER = "other"


class Benefit(StrEnum):
    """What is paid."""

    AF = "af"
    APL = "apl"
    ALF = "alf"
    ALS = "als"
    RSA = "rsa"
    PPA = "ppa"
    AAH = "aah"
    AEEH = "aeeh"
    PAJE = "paje"
    CMG = "cmg"
    CF = "cf"
    ASF = "asf"
    ARS = "ars"
    BIRTH_GRANT = "birth_grant"
    OTHER = "other"


class RequestKind(StrEnum):
    """What a beneficiary asked for."""

    HOUSING_AID = "housing_aid"
    BIRTH_GRANT = "birth_grant"
    CHANGE_OF_SITUATION = "change_of_situation"
    INCOME_DECLARATION = "income_declaration"
    CERTIFICATE = "certificate"
    DOCUMENT = "document"
    OTHER = "other"


class RequestState(StrEnum):
    """How far a request has come."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    DOCUMENT_NEEDED = "document_needed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CLOSED = "closed"
    OTHER = "other"


class TaskKind(StrEnum):
    """What the back office must look at."""

    KNOWN_APPLICANT = "known_applicant"  # somebody applied as if new, under a NIR or name on file


class DeliveryChoice(StrEnum):
    """How a message travels."""

    SMS = "sms"
    LETTER = "letter"


class Outcome(StrEnum):
    """What a try to come in led to."""

    GRANTED = "granted"
    EXPIRED = "expired"  # the right secret, too old
    REFUSED = "refused"  # everything else: nothing tells one reason from another


def masked(digits: str) -> str:
    """A matricule as it may be shown: its last three digits."""
    return f"…{digits[-3:]}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file: a Caf (3 digits) and a matricule (7 digits, unique only within its Caf)."""

    caf: str
    matricule: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Identity(caf={self.caf!r}, matricule={masked(self.matricule)!r})"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a try or an act comes from.

    `caller`: the number that rings, None when withheld or not a telephone; `address`: the IP
    address of a browser or app; `device`: what a channel gave a device to be known again by
    (unguessable). They are clues for throttling, never factors of authentication. `reference`: the
    call's or request's id. `agent`: the named back-office agent, for `Channel.BACK_OFFICE` only.
    """

    channel: Channel
    caller: str | None = field(default=None, repr=False)
    trunk: str | None = None
    reference: str = ""
    agent: str | None = None
    address: str | None = field(default=None, repr=False)
    device: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A date of birth, in which year, month or day may be unknown (0)."""

    year: int
    month: int
    day: int

    @property
    def day_month(self) -> str | None:
        """JJMM, or None when the day or the month is unknown."""
        return f"{self.day:02}{self.month:02}" if self.day and self.month else None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a file. `nir_prefix`: the first 8 digits of the NIR, all that is kept of it in
    clear; 9 characters where one is Corsica's letter; "" when unknown."""

    id: str
    role: Role
    name: str = field(repr=False)
    birth_date: BirthDate | None = field(default=None, repr=False)
    nir_prefix: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone number of a file, as it was written down, and whose it is. `previous`: the
    number that it took the place of at `changed_at`; None when it took none's."""

    owner_id: str
    number: str = field(repr=False)
    changed_at: datetime
    previous: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address of a file and whose it is. `lines`: street and so on, without the town."""

    owner_id: str
    lines: tuple[str, ...] = field(repr=False)
    postal_code: str
    city: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment made. `amount` in euros."""

    date: date
    benefit: Benefit
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """A request and how far it has come since `date`."""

    kind: RequestKind
    state: RequestState
    date: date


@dataclass(frozen=True, slots=True)
class Task:
    """Something for the back office to look at, since `created_at`."""

    kind: TaskKind
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Application:
    """A first application, of somebody who has no file. `caf`: 3 digits, of the postal code; `nir`:
    with or without its key; `lines`: of the address, without the town; `kind`: housing aid or birth
    grant."""

    caf: str
    name: str = field(repr=False)
    birth_date: BirthDate = field(repr=False)
    kind: RequestKind
    nir: str | None = field(default=None, repr=False)
    mobile: str | None = field(default=None, repr=False)
    lines: tuple[str, ...] = field(default=(), repr=False)
    postal_code: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file as authentication sees it.

    `generation` grows at each act that ends every session of the file. `last_login`: of the last
    success on any channel.
    """

    id: str
    identity: Identity
    status: FileStatus
    generation: int = 0
    last_login: datetime | None = None
    closed_at: datetime | None = None
    persons: tuple[Person, ...] = ()
    phones: tuple[Phone, ...] = ()
    addresses: tuple[Address, ...] = ()

    @property
    def beneficiary(self) -> Person | None:
        """The person who holds the file; None in a file without one (an import gone wrong)."""
        return next((p for p in self.persons if p.role is Role.BENEFICIARY), None)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is in. `kind`: the secret that opened. `last_login`, `failures_since`: the
    login before this one, and the failures between the two."""

    file_id: str
    caf: str
    matricule: str = field(repr=False)
    status: FileStatus
    kind: SecretKind
    last_login: datetime | None
    failures_since: int
    channel: Channel = Channel.TELEPHONE
    generation: int = 0

    def __repr__(self) -> str:
        return (
            f"Session(file_id={self.file_id!r}, caf={self.caf!r}, "
            f"matricule={masked(self.matricule)!r}, kind={self.kind.value!r})"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a try. `session`: when granted. `kind`: when granted or expired. `generation`:
    the file's, when expired.

    `busy`: the caller's number has failed so often that nothing was looked at; it says nothing of
    any file, and a telephone may answer it with a busy line.
    """

    outcome: Outcome
    session: Session | None = None
    kind: SecretKind | None = None
    busy: bool = False
    generation: int | None = field(default=None, compare=False)

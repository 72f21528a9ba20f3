"""The demo file: seven beneficiaries to try the server with, and to test it.

Laid down again, they are as on the first day, and no other file is touched. Telephone numbers are
of the ranges that the regulator keeps for fiction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from auth_core.credentials import Hasher, Secret
from auth_core.errors import AuthError
from auth_core.installation import PEPPER, checked_key
from auth_core.model import (
    Address,
    Benefit,
    BirthDate,
    CaseFile,
    Channel,
    FileStatus,
    Identity,
    Payment,
    Person,
    Phone,
    RequestKind,
    RequestProgress,
    RequestState,
    Role,
    SecretKind,
    Slot,
    Source,
)
from auth_core.settings import AuthSettings
from auth_core.store import repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.validity import PARIS, months_later, validity_end

PHONE_AGE = timedelta(days=400)
"""How long the demo's numbers have been on file: longer than any quarantine."""


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One row of the demo. `months_old`: the age of the secret; `days_paid`: days back from today
    of its payments."""

    matricule: str = field(repr=False)
    postal_code: str
    caf: str
    city: str
    street: str
    name: str
    born: BirthDate
    nir_prefix: str
    kind: SecretKind
    secret: str = field(repr=False)
    special: str
    status: FileStatus = FileStatus.AFFILIATED
    months_old: int = 1
    mobile: str | None = None
    landline: str | None = None
    payments: Sequence[tuple[int, Benefit, str]] = ()
    requests: Sequence[tuple[int, RequestKind, RequestState]] = ()

    @property
    def identity(self) -> Identity:
        return Identity(self.caf, self.matricule)


DEMO_FILES: tuple[DemoFile, ...] = (
    DemoFile(
        matricule="0123456",
        postal_code="75011",
        caf="751",
        city="PARIS",
        street="12 rue de la Roquette",
        name="Camille Moreau",
        born=BirthDate(1985, 3, 14),
        nir_prefix="28503751",
        kind=SecretKind.PIN,
        secret="4821",  # noqa: S106 - the demo's secrets are public
        special="affiliated, mobile on file, born 14/03/1985",
        mobile="06 39 98 01 23",
        payments=((4, Benefit.AF, "148.52"), (35, Benefit.AF, "148.52")),
        requests=((9, RequestKind.CHANGE_OF_SITUATION, RequestState.IN_PROGRESS),),
    ),
    DemoFile(
        matricule="0234567",
        postal_code="75018",
        caf="751",
        city="PARIS",
        street="3 rue Lepic",
        name="Nadia Benali",
        born=BirthDate(1990, 7, 2),
        nir_prefix="29007751",
        kind=SecretKind.PASSWORD,
        secret="49205817",  # noqa: S106
        special="affiliated, three payments",
        mobile="06 39 98 02 34",
        payments=(
            (5, Benefit.APL, "312.40"),
            (6, Benefit.AF, "148.52"),
            (36, Benefit.RSA, "607.75"),
        ),
        requests=(
            (3, RequestKind.DOCUMENT, RequestState.RECEIVED),
            (40, RequestKind.INCOME_DECLARATION, RequestState.ACCEPTED),
        ),
    ),
    DemoFile(
        matricule="0345678",
        postal_code="13001",
        caf="131",
        city="MARSEILLE",
        street="27 rue Sainte",
        name="Lucas Ferri",
        born=BirthDate(2001, 11, 23),
        nir_prefix="10111130",
        kind=SecretKind.PROVISIONAL,
        secret="70316284",  # noqa: S106
        special="applicant, housing aid on line, mobile",
        status=FileStatus.APPLICANT,
        months_old=0,
        mobile="06 39 98 03 45",
        requests=((2, RequestKind.HOUSING_AID, RequestState.RECEIVED),),
    ),
    DemoFile(
        matricule="0456789",
        postal_code="69003",
        caf="691",
        city="LYON",
        street="88 cours Lafayette",
        name="Hélène Girard",
        born=BirthDate(1978, 1, 30),
        nir_prefix="27801690",
        kind=SecretKind.PASSWORD,
        secret="58147036",  # noqa: S106
        special="expired",
        months_old=26,
        mobile="06 39 98 04 56",
        payments=((5, Benefit.PPA, "221.10"),),
    ),
    DemoFile(
        matricule="0567890",
        postal_code="75011",
        caf="751",
        city="PARIS",
        street="5 passage de la Main d'Or",
        name="Robert Tessier",
        born=BirthDate(1949, 9, 8),
        nir_prefix="14909750",
        kind=SecretKind.PIN,
        secret="1593",  # noqa: S106
        special="no mobile: letters only",
        landline="01 99 00 56 78",
        payments=((7, Benefit.ALS, "189.00"), (37, Benefit.ALS, "189.00")),
    ),
    DemoFile(
        matricule="0678901",
        postal_code="97110",
        caf="971",
        city="POINTE-A-PITRE",
        street="14 rue Frébault",
        name="Marie-Ange Louison",
        born=BirthDate(1994, 5, 17),
        nir_prefix="29405971",
        kind=SecretKind.PROVISIONAL,
        secret="60418275",  # noqa: S106
        special="expired",
        months_old=4,
        requests=((120, RequestKind.BIRTH_GRANT, RequestState.DOCUMENT_NEEDED),),
    ),
    DemoFile(
        matricule="0123456",
        postal_code="13002",
        caf="131",
        city="MARSEILLE",
        street="41 quai du Port",
        name="Yann Le Goff",
        born=BirthDate(1982, 12, 6),
        nir_prefix="18212130",
        kind=SecretKind.PASSWORD,
        secret="83520641",  # noqa: S106
        special="same matricule, other Caf",
        mobile="06 39 98 07 89",
        payments=((8, Benefit.AF, "148.52"),),
    ),
)


async def lay_down(
    settings: AuthSettings,
    clock: Callable[[], datetime],
    files: Iterable[DemoFile] = DEMO_FILES,
) -> None:
    """Write the demo files as on the first day. Raises AuthError as `AuthService.open` does, and
    when a file that is not the demo's holds one of its matricules."""
    database = Database(settings.database_url)
    try:
        await database.check_schema()
        pepper = await checked_key(database, PEPPER, settings.pepper_file)
        hasher = Hasher(pepper, settings.argon2, settings.threads_for_hashes)
        try:
            for demo in files:
                await _lay_down(settings, database, hasher, AuditTrail(pepper), demo, clock())
        finally:
            hasher.close()
    finally:
        await database.close()


async def _lay_down(
    settings: AuthSettings,
    database: Database,
    hasher: Hasher,
    trail: AuditTrail,
    demo: DemoFile,
    now: datetime,
) -> None:
    case_file = case_file_of(demo, now)
    created_at = _months_back(now, demo.months_old)
    months = {
        SecretKind.PIN: None,
        SecretKind.PASSWORD: settings.password_validity_months,
        SecretKind.PROVISIONAL: settings.provisional_validity_months,
    }[demo.kind]
    credential = await hasher.make(
        Secret(demo.secret),
        file_id=case_file.id,
        slot=Slot.LIVE,
        kind=demo.kind,
        created_at=created_at,
        expires_at=None if months is None else validity_end(created_at, months),
    )
    today = now.astimezone(PARIS).date()
    async with database.begin() as connection:
        there = await repository.find_file(connection, demo.identity)
        if there is not None and there.id != case_file.id:
            raise AuthError(
                f"a file of yours is already {demo.identity!r}; "
                "lay the demo down in a database of its own"
            )
        await repository.delete_file(connection, case_file.id)
        await repository.add_file(
            connection,
            case_file,
            created_at,
            [Payment(today - timedelta(d), b, Decimal(a)) for d, b, a in demo.payments],
            [RequestProgress(k, s, today - timedelta(d)) for d, k, s in demo.requests],
        )
        await repository.put_credential(connection, credential)
        await trail.append(
            connection, Act.DEMO_RESET, Source(Channel.BACK_OFFICE), now, case_file.id
        )


def _months_back(now: datetime, months: int) -> datetime:
    local = now.astimezone(PARIS)
    day: date = months_later(local.date(), -months)
    return datetime.combine(day, local.timetz()).astimezone(now.tzinfo)


def case_file_of(demo: DemoFile, now: datetime) -> CaseFile:
    """The file that a row of the demo stands for, as it is laid down at `now`."""
    file_id = f"demo-{demo.caf}-{demo.matricule}"
    person = Person(f"{file_id}-1", Role.BENEFICIARY, demo.name, demo.born, demo.nir_prefix)
    since = now - PHONE_AGE
    return CaseFile(
        id=file_id,
        identity=demo.identity,
        status=demo.status,
        persons=(person,),
        phones=tuple(
            Phone(person.id, number, since) for number in (demo.mobile, demo.landline) if number
        ),
        addresses=(Address(person.id, (demo.street,), demo.postal_code, demo.city, since),),
    )

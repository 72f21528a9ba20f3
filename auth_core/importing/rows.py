"""The CSV of case files: one row a person, the rows of a file one after the other.

Nothing in it is a secret. What is wrong is told with its line and the name of its column, never
with its value; the whole case file of a faulty row is left out.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time

from auth_core import nir
from auth_core.model import BirthDate, FileStatus, Identity, Role
from auth_core.validity import PARIS

REQUIRED = ("caf", "matricule", "status", "role", "name")
OPTIONAL = ("birth_date", "nir", "phones", "phones_since", "address", "postal_code", "city")
MAX_TEXT = 500
MAX_PERSONS = 50
_DELIMITERS = (";", ",", "\t")
_OF_NUMBERS = frozenset("0123456789+-.() \u00a0\u202f")


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing wrong. `column` is empty when it is the row as a whole."""

    line: int
    column: str
    what: str

    def __str__(self) -> str:
        return (
            f"{self.line}: {self.column}: {self.what}"
            if self.column
            else f"{self.line}: {self.what}"
        )


@dataclass(frozen=True, slots=True)
class ImportedPerson:
    """One row. `nir`: the 13 characters, or None; `since`: when the numbers came on file, or None;
    `address`: lines, postal code, city."""

    role: Role
    name: str = field(repr=False)
    born: BirthDate | None = field(repr=False)
    nir: str | None = field(repr=False)
    phones: tuple[str, ...] = field(repr=False)
    since: datetime | None
    address: tuple[tuple[str, ...], str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The rows of one case file; `line` is its first."""

    line: int
    identity: Identity
    status: FileStatus
    persons: tuple[ImportedPerson, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row by column. `whole`: it has as many columns as the header."""

    line: int
    values: dict[str, str] = field(repr=False)
    whole: bool


def read_files(lines: Iterable[str]) -> Iterator[ImportedFile | list[RowFault]]:
    """Each case file, or what is wrong with it; a fault of the header ends the reading.

    Raises csv.Error for what is no CSV, UnicodeDecodeError as `lines` does.
    """
    lines = iter(lines)
    header = next(lines, "").removeprefix("\ufeff")
    delimiter = max(_DELIMITERS, key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    faults = _header_faults(names)
    if faults:
        yield faults
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    seen: set[tuple[str, str]] = set()
    group: list[_Row] = []
    key: tuple[str, str] | None = None
    for row in reader:
        line = reader.line_num + 1
        if not any(row):
            continue
        width = len(row)
        # A row of another width is whose its first columns say, so that their file is left out.
        row += [""] * (len(names) - width)
        values = {name: value.strip() for name, value in zip(names, row, strict=False)}
        of_row = values["caf"], values["matricule"]
        if of_row != key and group:
            yield _file(group)
            group = []
        if of_row != key and of_row in seen:
            what = "the rows of this file do not stand together; sort by caf and matricule"
            yield [RowFault(line, "matricule", what)]
            continue
        key = of_row
        seen.add(of_row)
        group.append(_Row(line, values, width == len(names)))
    if group:
        yield _file(group)


def _header_faults(names: list[str]) -> list[RowFault]:
    known = {*REQUIRED, *OPTIONAL}
    faults = [
        RowFault(1, name, "missing; add this column") for name in REQUIRED if name not in names
    ]
    faults += [
        RowFault(1, name, "unknown column; remove it") for name in names if name not in known
    ]
    faults += [
        RowFault(1, name, "given twice; keep one") for name in known if names.count(name) > 1
    ]
    return faults


def _file(group: list[_Row]) -> ImportedFile | list[RowFault]:
    faults = [
        RowFault(row.line, "", "not as many columns as the header has")
        for row in group
        if not row.whole
    ]
    first, values = group[0].line, group[0].values
    persons = [_person(row.line, row.values, faults) for row in group]
    identity = Identity(values["caf"], values["matricule"])
    for column, length in (("caf", 3), ("matricule", 7)):
        if not _is_digits(values[column], length):
            faults.append(RowFault(first, column, f"give {length} digits"))
    if any(row.values["status"] != values["status"] for row in group):
        faults.append(RowFault(first, "status", "differs among the rows of one file"))
    if [row.values["role"] for row in group].count(Role.BENEFICIARY.value) != 1:
        faults.append(RowFault(first, "role", "a file has one beneficiary, no more and no less"))
    if len(group) > MAX_PERSONS:
        faults.append(RowFault(first, "", f"a file has at most {MAX_PERSONS} persons"))
    if values["status"] not in set(FileStatus):
        faults.append(RowFault(first, "status", f"give {' or '.join(FileStatus)}"))
    if faults:
        return faults
    status = FileStatus(values["status"])
    return ImportedFile(first, identity, status, tuple(p for p in persons if p is not None))


def _person(line: int, row: Mapping[str, str], faults: list[RowFault]) -> ImportedPerson | None:
    """None, and one fault at least, when something is wrong."""
    before = len(faults)

    def fault(column: str, what: str) -> None:
        faults.append(RowFault(line, column, what))

    for column, text in row.items():
        if len(text) > MAX_TEXT or not text.isprintable():
            fault(column, f"more than {MAX_TEXT} characters, or some that cannot be printed")
    if row["role"] not in set(Role):
        fault("role", f"give {', '.join(Role)}")
    if not row["name"]:
        fault("name", "missing; add it")
    number = nir.normalised(row["nir"]) if row.get("nir") else None
    if row.get("nir") and number is None:
        fault("nir", "not one, or its key is wrong; correct it or leave it out")
    born = _birth_date(row.get("birth_date", ""))
    if row.get("birth_date") and born is None:
        fault("birth_date", "no date; write YYYY-MM-DD, 00 for what is unknown")
    numbers = tuple(piece.strip() for piece in row.get("phones", "").split("/") if piece.strip())
    if any(not _OF_NUMBERS.issuperset(n) or not any(map(str.isdigit, n)) for n in numbers):
        fault("phones", "not telephone numbers; write several with / between them")
    since = _moment(row.get("phones_since", ""))
    if row.get("phones_since") and since is None:
        fault("phones_since", "no date; write YYYY-MM-DD")
    place = [row.get(column, "") for column in ("address", "postal_code", "city")]
    if any(place) and not all(place):
        fault("address", "give address, postal_code and city, or none of them")
    if place[1] and not _is_digits(place[1], 5):
        fault("postal_code", "give 5 digits")
    if len(faults) > before:
        return None
    lines = tuple(part.strip() for part in place[0].split("|") if part.strip())
    address = (lines, place[1], place[2]) if lines else None
    return ImportedPerson(Role(row["role"]), row["name"], born, number, numbers, since, address)


def _is_digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()


def _birth_date(text: str) -> BirthDate | None:
    """A date of which year, month or day may be 0; None for what is none."""
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(_is_digits(p, len(p)) for p in parts):
        return None
    year, month, day = map(int, parts)
    try:
        date(year or 2000, month or 1, day or 1)
    except ValueError:
        return None
    return BirthDate(year, month, day)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min, tzinfo=PARIS)
    except ValueError:
        return None

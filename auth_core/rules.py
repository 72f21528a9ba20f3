"""What an 8-digit password may not be (DOMAIN: the password rules). Pure functions.

`reasons` gives every rule that refuses, in the order of the table: a stable code and a French
sentence that names the rule, never whose datum matched. Data that a file lacks skip only the
variants that need them. `reused` is judged by `lifecycle`: it needs hashes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from auth_core import phones
from auth_core.common import COMMON
from auth_core.model import BirthDate, CaseFile

LENGTH = 8
DIGITS = "0123456789"
_ASCENDING = DIGITS * 2
_DESCENDING = _ASCENDING[::-1]


class Rule(StrEnum):
    """The stable code of each rule."""

    FORMAT = "format"
    IDENTICAL = "identical"
    SUCCESSIVE = "successive"
    BIRTH_DATE = "birth_date"
    PHONE = "phone"
    NIR = "nir"
    MATRICULE = "matricule"
    REUSED = "reused"
    PATTERN = "pattern"
    COMMON = "common"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate is refused: `code` for programs, `message` for the person, in French."""

    code: Rule
    message: str

    @classmethod
    def of(cls, rule: Rule) -> "Reason":
        return cls(rule, MESSAGES[rule])


MESSAGES: Mapping[Rule, str] = {
    Rule.FORMAT: "Le mot de passe doit comporter exactement 8 chiffres.",
    Rule.IDENTICAL: "Le mot de passe ne peut pas être composé de 8 chiffres identiques.",
    Rule.SUCCESSIVE: "Le mot de passe ne peut pas être composé de 8 chiffres successifs.",
    Rule.BIRTH_DATE: "Le mot de passe ne peut pas être une date de naissance du dossier.",
    Rule.PHONE: "Le mot de passe ne peut pas être tiré d'un numéro de téléphone du dossier.",
    Rule.NIR: "Le mot de passe ne peut pas être le début d'un numéro de sécurité sociale.",
    Rule.MATRICULE: "Le mot de passe ne peut pas contenir le numéro d'allocataire.",
    Rule.REUSED: "Le mot de passe doit être différent de vos codes et mots de passe précédents.",
    Rule.PATTERN: "Le mot de passe ne peut pas répéter ou refléter ses propres chiffres.",
    Rule.COMMON: "Le mot de passe est trop courant : il fait partie des plus choisis.",
}


def is_identical(candidate: str) -> bool:
    """00000000 … 99999999."""
    return candidate == candidate[0] * LENGTH


def is_successive(candidate: str) -> bool:
    """By one, up or down, going on from 9 to 0."""
    return candidate in _ASCENDING or candidate in _DESCENDING


def is_pattern(candidate: str) -> bool:
    """A block of 4 twice, doubled pairs (11223344), or a palindrome."""
    return (
        candidate[:4] == candidate[4:]
        or candidate[0::2] == candidate[1::2]
        or candidate == candidate[::-1]
    )


def birth_dates(case_file: CaseFile) -> Iterator[str]:
    """Six writings of the date of birth of every person, where it is wholly known."""
    for person in case_file.persons:
        if person.birth_date is not None:
            yield from _writings(person.birth_date)


def _writings(born: BirthDate) -> Iterator[str]:
    if not (born.day and born.month and born.year):
        return
    day, month, year = f"{born.day:02}", f"{born.month:02}", f"{born.year:04}"
    yield from (
        day + month + year,
        year + month + day,
        month + day + year,
        year + day + month,
        day + year + month,
        month + year + day,
    )


def phone_windows(case_file: CaseFile) -> Iterator[str]:
    """Every 8 digits in a row of every writing of every number."""
    for phone in case_file.phones:
        for written in phones.writings(phone.number, case_file.identity.caf):
            for start in range(len(written) - LENGTH + 1):
                yield written[start : start + LENGTH]


def nir_beginnings(case_file: CaseFile) -> Iterator[str]:
    """The first 8 digits of every NIR.

    Corsica's départements are written 2A and 2B where others have digits: as 20, as the 19 (2A) and
    18 (2B) that the key is computed with, and with the letter dropped.
    """
    for person in case_file.persons:
        prefix = person.nir_prefix.upper()
        if len(prefix) >= LENGTH and prefix[:LENGTH].isascii() and prefix[:LENGTH].isdigit():
            yield prefix[:LENGTH]
            continue
        head, department, tail = prefix[:5], prefix[5:7], prefix[7:]
        if department not in ("2A", "2B") or not (head.isascii() and head.isdigit()):
            continue
        keyed = "19" if department == "2A" else "18"
        for written in (f"{head}20{tail}", f"{head}{keyed}{tail}", f"{head}2{tail}"):
            if len(written) >= LENGTH and written[:LENGTH].isascii() and written[:LENGTH].isdigit():
                yield written[:LENGTH]


def matricules(case_file: CaseFile) -> Iterator[str]:
    """The matricule with any one digit before or after it."""
    for digit in DIGITS:
        yield digit + case_file.identity.matricule
        yield case_file.identity.matricule + digit


SHAPES: Mapping[Rule, Callable[[str], bool]] = {
    Rule.IDENTICAL: is_identical,
    Rule.SUCCESSIVE: is_successive,
    Rule.PATTERN: is_pattern,
    Rule.COMMON: COMMON.__contains__,
}
"""Rules that need nothing but the candidate."""

TYPED: tuple[Rule, ...] = (Rule.IDENTICAL, Rule.SUCCESSIVE)
"""What is shown while somebody types; the others are judged on submit."""

ENUMERATIONS: Mapping[Rule, Callable[[CaseFile], Iterator[str]]] = {
    Rule.BIRTH_DATE: birth_dates,
    Rule.PHONE: phone_windows,
    Rule.NIR: nir_beginnings,
    Rule.MATRICULE: matricules,
}
"""Rules that refuse what can be told from a file: each gives all that it refuses."""


def typed_reasons(candidate: str) -> tuple[Reason, ...]:
    """The reasons against `candidate` that are shown while it is typed; none before 8 digits."""
    if len(candidate) != LENGTH or not (candidate.isascii() and candidate.isdigit()):
        return ()
    return tuple(Reason.of(rule) for rule in TYPED if SHAPES[rule](candidate))


def reasons(candidate: str, case_file: CaseFile) -> tuple[Reason, ...]:
    """Every reason against `candidate` as a password of `case_file`; empty when it will do."""
    if len(candidate) != LENGTH or not (candidate.isascii() and candidate.isdigit()):
        return (Reason.of(Rule.FORMAT),)
    refusing = {rule for rule, refuses in SHAPES.items() if refuses(candidate)}
    refusing |= {rule for rule, refused in ENUMERATIONS.items() if candidate in refused(case_file)}
    return tuple(Reason.of(rule) for rule in Rule if rule in refusing)

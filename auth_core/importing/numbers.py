"""Since when an imported number is on file, and which number it took the place of.

Who can change a number must not get the secret by it: a mobile that is new gets none for some days,
and its owner is told at the one before (`auth_core.delivery.addresses`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from auth_core import phones
from auth_core.importing.rows import ImportedPerson
from auth_core.model import BirthDate, Role


@dataclass(frozen=True, slots=True)
class OldNumber:
    """A number that a file had before this import, and whose it was."""

    number: str = field(repr=False)
    changed_at: datetime
    previous: str | None = field(repr=False)
    role: Role
    name: str = field(repr=False)
    born: BirthDate | None = field(repr=False)

    def is_of(self, person: ImportedPerson) -> bool:
        """Whether it was this person's. A name changes at a wedding, a birth date is corrected; of
        two people who changed places neither is to be told of the other's number."""
        known = self.born is not None and self.born == person.born
        return self.role is person.role and (known or self.name == person.name)


@dataclass(frozen=True, slots=True)
class Dated:
    """A number as it goes on file."""

    number: str = field(repr=False)
    since: datetime
    previous: str | None = field(repr=False)


def dated_numbers(
    person: ImportedPerson, old: Sequence[OldNumber], now: datetime, quarantine: timedelta
) -> list[Dated]:
    """The numbers of an imported person. `old`: all that the file had; `quarantine`: how long a
    number is new."""
    kept = [_same(number, old) for number in person.phones]
    replaced: list[OldNumber] = []
    if old and None in kept:
        replaced = [
            each
            for each in old
            if each.is_of(person) and each not in kept and phones.is_mobile(each.number)
        ]
    dated = []
    for number, before in zip(person.phones, kept, strict=True):
        if before is not None:
            dated.append(Dated(number, before.changed_at, before.previous))
        elif replaced and phones.is_mobile(number):
            taken = replaced.pop(0) if len(replaced) > 1 else replaced[0]
            # One date stands for all numbers of a row, and may be older than the change.
            believed = person.since is not None and person.since > taken.changed_at
            since = person.since if believed and person.since is not None else now
            # Changed twice within those days: the number that had settled is the owner's.
            new = taken.previous is not None and now - taken.changed_at < quarantine
            dated.append(Dated(number, since, taken.previous if new else taken.number))
        else:
            dated.append(Dated(number, person.since or now, None))
    return dated


def _same(number: str, old: Sequence[OldNumber]) -> OldNumber | None:
    """What the file had of this number, however it was written."""
    for each in old:
        if each.number == number:
            return each
    wanted = phones.e164(number) if old else None
    if wanted is None:
        return None
    return next((each for each in old if phones.same(each.number, wanted)), None)

"""Where somebody of a file is reached. Only their own mobile and their own address count.

A text message with a secret needs a mobile that has been on file for some days: who can change a
number must not get the secret by it. While a number is that new, notices go to the one before it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from auth_core import phones
from auth_core.delivery.outbox import Destination
from auth_core.model import CaseFile, DeliveryChoice, Person, Phone


def postal_address(case_file: CaseFile, person: Person) -> Destination | None:
    """Their address, name first; None when none of theirs is on file."""
    for address in case_file.addresses:
        if address.owner_id == person.id:
            town = f"{address.postal_code} {address.city}"
            lines = (person.name, *address.lines, town)
            return Destination(DeliveryChoice.LETTER, "\n".join(lines))
    return None


def for_secret(
    case_file: CaseFile, person: Person, by: DeliveryChoice, now: datetime, quarantine: timedelta
) -> Destination | None:
    """Where they get a secret; None when they cannot be reached. Without a mobile of theirs that
    has been on file for `quarantine`, it is a letter, whatever `by` says."""
    mobiles = list(_mobiles(case_file, person))
    settled = all(now - phone.changed_at >= quarantine for phone in mobiles)
    if by is DeliveryChoice.SMS and mobiles and settled:
        return text_message(mobiles[-1].number)
    return postal_address(case_file, person)


def for_notice(
    case_file: CaseFile, person: Person, now: datetime, quarantine: timedelta
) -> Destination | None:
    """Where they get a notice: the mobile that was theirs before it changed lately, else the one
    that is theirs, else a letter; None when they cannot be reached."""
    mobiles = list(_mobiles(case_file, person))
    if not mobiles:
        return postal_address(case_file, person)
    if (before := _before_change(mobiles, now, quarantine)) is not None:
        return before
    settled = all(now - phone.changed_at >= quarantine for phone in mobiles)
    return text_message(mobiles[-1].number) if settled else postal_address(case_file, person)


def before_change(
    case_file: CaseFile, person: Person, now: datetime, quarantine: timedelta
) -> Destination | None:
    """The mobile that was theirs before one changed within `quarantine`; None when none did."""
    return _before_change(list(_mobiles(case_file, person)), now, quarantine)


def _before_change(
    mobiles: list[Phone], now: datetime, quarantine: timedelta
) -> Destination | None:
    for phone in reversed(mobiles):
        recent = now - phone.changed_at < quarantine
        if recent and phone.previous is not None and phones.is_mobile(phone.previous):
            return text_message(phone.previous)
    return None


def _mobiles(case_file: CaseFile, person: Person) -> Iterator[Phone]:
    for phone in case_file.phones:
        if phone.owner_id == person.id and phones.is_mobile(phone.number):
            yield phone


def text_message(mobile: str) -> Destination | None:
    """A text message to a number, however it is written; None for what is no number."""
    number = phones.e164(mobile)
    return None if number is None else Destination(DeliveryChoice.SMS, number)

"""Where somebody of a file is reached. Only their own mobile and their own address count.

A text message with a secret needs a mobile that has been on file for some days: who can change a
number must not get the secret by it. While a number is that new, notices go to the one before it.
"""

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
    by_text = None
    if by is DeliveryChoice.SMS:
        by_text = _settled_mobile(case_file, person, now, quarantine)
    return by_text or postal_address(case_file, person)


def for_notice(
    case_file: CaseFile, person: Person, now: datetime, quarantine: timedelta
) -> Destination | None:
    """Where they get a notice: the mobile that was theirs before it changed lately, else the one
    that is theirs, else a letter; None when they cannot be reached."""
    return (
        before_change(case_file, person, now, quarantine)
        or _settled_mobile(case_file, person, now, quarantine)
        or postal_address(case_file, person)
    )


def before_change(
    case_file: CaseFile, person: Person, now: datetime, quarantine: timedelta
) -> Destination | None:
    """The mobile that was theirs before one changed within `quarantine`; None when none did."""
    for phone in _mobiles(case_file, person):
        recent = now - phone.changed_at < quarantine
        if recent and phone.previous is not None and phones.is_mobile(phone.previous):
            return text_message(phone.previous)
    return None


def _settled_mobile(
    case_file: CaseFile, person: Person, now: datetime, quarantine: timedelta
) -> Destination | None:
    """Their newest mobile, if none of theirs is newer than `quarantine`."""
    mobiles = _mobiles(case_file, person)
    if not mobiles or any(now - phone.changed_at < quarantine for phone in mobiles):
        return None
    return text_message(mobiles[-1].number)


def _mobiles(case_file: CaseFile, person: Person) -> list[Phone]:
    return [
        phone
        for phone in case_file.phones
        if phone.owner_id == person.id and phones.is_mobile(phone.number)
    ]


def text_message(mobile: str) -> Destination | None:
    """A text message to a number, however it is written; None for what is no number."""
    number = phones.e164(mobile)
    return None if number is None else Destination(DeliveryChoice.SMS, number)

"""Telephone numbers, in whatever way people write them, as one comparable form (E.164)."""

import phonenumbers

REGIONS = ("FR", "GP", "MQ", "GF", "RE", "YT")
"""Where a number written without its country may be: numbers overseas are invalid in "FR"."""
_METROPOLE = 33
_MOBILE_BEGINNINGS = ("6", "7")
_WRITTEN_WITH = frozenset("0123456789+-./() \u00a0")
MAX_WRITTEN = 40


def _parsed(written: str) -> phonenumbers.PhoneNumber | None:
    """The number where it is valid, else a number that France's plan has room for: ranges are
    opened before the library knows of them."""
    # What a caller's telephone claims is anything at all; the library is for numbers.
    if len(written) > MAX_WRITTEN or not _WRITTEN_WITH.issuperset(written):
        return None
    possible = None
    for region in REGIONS:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_valid_number(number):
            return number
        if possible is None and phonenumbers.is_possible_number(number):
            possible = number
    return possible


def e164(written: str) -> str | None:
    """The number as +33612345678; None for what is no number of any region."""
    number = _parsed(written)
    if number is None:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def caller_key(written: str) -> str:
    """One form for a caller's number, whether it is a public number or an extension."""
    return e164(written) or written


def is_mobile(written: str) -> bool:
    """Whether a text message can reach the number."""
    number = _parsed(written)
    if number is None:
        return False
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN and number.country_code == _METROPOLE:
        return str(number.national_number).startswith(_MOBILE_BEGINNINGS)
    return kind in (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )

"""Telephone numbers, in whatever way people write them, as one comparable form (E.164)."""

import phonenumbers

REGIONS = ("FR", "GP", "MQ", "GF", "RE", "YT")
"""Where a number written without its country may be: numbers overseas are invalid in "FR"."""


def _parsed(written: str) -> phonenumbers.PhoneNumber | None:
    for region in REGIONS:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_valid_number(number):
            return number
    return None


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
    return number is not None and phonenumbers.number_type(number) in (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )

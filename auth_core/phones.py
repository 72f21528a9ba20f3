"""Telephone numbers, in whatever way people write them, as one comparable form (E.164)."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import phonenumbers

REGIONS = ("FR", "GP", "MQ", "GF", "RE", "YT")
"""Where a number written without its country may be: numbers overseas are invalid in "FR"."""
FRENCH_CODES = frozenset({33, 262, 590, 594, 596})
"""Country codes within which a number is also written nationally, with a 0 before it."""
MAX_WRITTEN = 40
_REGION_OF_CAF: Mapping[str, str] = {
    "971": "GP",
    "972": "MQ",
    "973": "GF",
    "974": "RE",
    "976": "YT",
}
_METROPOLE = 33
_MOBILE_BEGINNINGS = ("6", "7")
_WRITTEN_WITH = frozenset("0123456789+-.() \u00a0\u202f")
_NATIONAL_LENGTH = 10
_ALIKE = 6
_LONGEST = 15  # digits of a number in E.164


def _parsed(written: str, caf: str = "") -> phonenumbers.PhoneNumber | None:
    """The number where it is valid, else a number that France's plan has room for: ranges are
    opened before the library knows of them. `caf`: whose region is tried first."""
    # What a caller's telephone claims is anything at all; the library is for numbers.
    if len(written) > MAX_WRITTEN or not _WRITTEN_WITH.issuperset(written):
        return None
    first = _REGION_OF_CAF.get(caf)
    possible = None
    for region in (first, *REGIONS) if first is not None else REGIONS:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_valid_number(number):
            return number
        if possible is None and phonenumbers.is_possible_number(number):
            possible = number
    return possible


# One try asks several times for the same caller's number, one call has several tries.
@lru_cache(maxsize=1024)
def e164(written: str) -> str | None:
    """The number as +33612345678; None for what is no number of any region."""
    number = _parsed(written)
    if number is None:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def caller_key(written: str) -> str:
    """One form for a caller's number, whether it is a public number or an extension."""
    return e164(written) or written


def same(written: str, number: str) -> bool:
    """Whether `written` is the `number` given in E.164."""
    # However it is written it ends alike: most need not be parsed.
    digits = "".join(char for char in written if char.isdigit())
    return digits[-_ALIKE:] == number[-_ALIKE:] and e164(written) == number


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


def writings(field: str, caf: str = "") -> Iterator[str]:
    """All digits by which the numbers of a field may be written: nationally, with the country's
    code, with 00 before it, and with the 0 kept after it. A field may hold several numbers."""
    for piece in _pieces(field):
        number = _parsed(piece, caf)
        if number is None:
            yield "".join(char for char in piece if char.isdigit())
            continue
        code, national = str(number.country_code), phonenumbers.national_significant_number(number)
        yield from (code + national, "00" + code + national)
        if number.country_code in FRENCH_CODES:
            yield from ("0" + national, code + "0" + national, "00" + code + "0" + national)


def _pieces(field: str) -> Iterator[str]:
    """The numbers that are written in one field: between signs that no number is written with, and
    national numbers that follow one another."""
    kept = "".join(char if char in _WRITTEN_WITH else "\n" for char in field)
    for piece in kept.splitlines():
        digits = "".join(char for char in piece if char.isdigit())
        if len(digits) > _LONGEST and len(digits) % _NATIONAL_LENGTH == 0:
            starts = range(0, len(digits), _NATIONAL_LENGTH)
            yield from (digits[start : start + _NATIONAL_LENGTH] for start in starts)
        elif digits:
            yield piece.strip()

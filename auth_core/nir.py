"""The number that social security knows a person by (NIR): how it is read and how it is kept.

Never refused for its first digit or its month: provisional numbers begin with 7 or 8, and months
above 12 exist. Only its first eight digits are kept in clear, for the password rules; a keyed hash
of the whole tells whether a person is known already.
"""

from stdnum.fr import nir as standard

from auth_core.keys import Keyring

LENGTH = 13
KEY_LENGTH = 2
CORSICA = ("2A", "2B")
_USE = "nir"
_WRITTEN_BETWEEN = " .-\u00a0\u202f"


def normalised(written: str) -> str | None:
    """The 13 characters, upper case, without spaces and key; None for what is no NIR or has a wrong
    key. A missing key is no fault."""
    plain = "".join(char for char in written if char not in _WRITTEN_BETWEEN).upper()
    number, key = plain[:LENGTH], plain[LENGTH:]
    digits = number[:5] + number[7:] if number[5:7] in CORSICA else number
    if len(number) != LENGTH or not (digits.isascii() and digits.isdigit()):
        return None
    return number if key in ("", standard.calc_check_digits(number)) else None


def prefix(number: str) -> str:
    """What is kept in clear: the first 8 digits, and Corsica's letter where there is one."""
    return number[: 9 if number[5:7] in CORSICA else 8]


def digest(pepper: Keyring, number: str, version: int | None = None) -> bytes:
    """The keyed hash of the 13 characters, with the newest pepper or `version` of it."""
    return pepper.digest(_USE, number.encode(), version)


def digests(pepper: Keyring, number: str) -> list[bytes]:
    """The hash with every version: a person may have been written down with an older one."""
    return pepper.digests(_USE, number.encode())

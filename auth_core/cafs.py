"""Which Caf serves a postal code: by département, through a table that the operator may override.

Most départements have one Caf, whose code is theirs followed by 1. Overseas the code is the three
digits of the département; Corsica's postal codes begin with 20 and split into 2A and 2B.
"""

from collections.abc import Mapping

_OVERSEAS: Mapping[str, str] = {
    "971": "971",
    "972": "972",
    "973": "973",
    "974": "974",
    "976": "976",
    # Saint-Barthélemy and Saint-Martin are served by Guadeloupe.
    "977": "971",
    "978": "971",
}
_SOUTHERN_CORSICA = frozenset({"200", "201"})
_NORTHERN_CORSICA = frozenset({"202", "203", "204", "205", "206"})
SOUTHERN_CORSICA_CAF = "201"
NORTHERN_CORSICA_CAF = "202"
NOWHERE = "000"
"""A code that no Caf has."""


def caf_of(postal_code: str, overrides: Mapping[str, str]) -> str | None:
    """The 3-digit code of the Caf, or None for what is no French postal code.

    `overrides`: Caf codes by the beginning of postal codes (1 to 5 digits); the longest that fits
    wins over the département.
    """
    if len(postal_code) != 5 or not (postal_code.isascii() and postal_code.isdigit()):
        return None
    for length in range(5, 0, -1):
        if (caf := overrides.get(postal_code[:length])) is not None:
            return caf
    return _of_departement(postal_code)


def _of_departement(postal_code: str) -> str | None:
    two, three = postal_code[:2], postal_code[:3]
    if two == "20":
        if three in _SOUTHERN_CORSICA:
            return SOUTHERN_CORSICA_CAF
        return NORTHERN_CORSICA_CAF if three in _NORTHERN_CORSICA else None
    if two == "97":
        return _OVERSEAS.get(three)
    return f"{two}1" if 1 <= int(two) <= 95 else None

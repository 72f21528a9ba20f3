"""Postal code, matricule, day and month of birth: the fields that say who somebody is."""

from dataclasses import dataclass, field

from auth_core import AuthService, Identity
from portal.portal import Form

_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Identification:
    """The fields as they were typed, blanks apart."""

    postal_code: str = field(default="", repr=False)
    matricule: str = field(default="", repr=False)
    birth_day_month: str = field(default="", repr=False)

    @classmethod
    def sent(cls, form: Form) -> "Identification":
        names = ("postal_code", "matricule", "birth_day_month")
        postal_code, matricule, birth_day_month = (
            "".join(form.get(name, "").replace("/", " ").split())[:20] for name in names
        )
        return cls(postal_code, matricule, birth_day_month)

    def faults(self) -> list[str]:
        """The names of the fields that cannot be right, whoever's they are."""
        faults = []
        if not _digits(self.postal_code, 5):
            faults.append("postal_code")
        if not _digits(self.matricule, 7):
            faults.append("matricule")
        if not _is_day_month(self.birth_day_month):
            faults.append("birth_day_month")
        return faults

    def identity(self, service: AuthService) -> Identity:
        return service.identity_of(self.postal_code, self.matricule)


def _digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()


def _is_day_month(text: str) -> bool:
    if not _digits(text, 4):
        return False
    day, month = int(text[:2]), int(text[2:])
    return 1 <= month <= 12 and 1 <= day <= _DAYS_OF_MONTH[month - 1]

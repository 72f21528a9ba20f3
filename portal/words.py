"""What the pages say: `words/<language>.yaml`, the same names in each language."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from auth_core import Reason
from auth_core.validity import PARIS

LANGUAGES = ("fr", "en")
Texts = Mapping[str, Any]

_MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "en": "January February March April May June July August September October November December",
}


class Words:
    """One language: `words["login.title"]`, and dates and amounts as it writes them."""

    def __init__(self, language: str, texts: Texts) -> None:
        self.language = language
        self._texts = texts
        self._months = _MONTHS[language].split()

    def __getitem__(self, name: str) -> Any:
        """The text, or texts by name, of a dotted name. Raises KeyError."""
        found: Any = self._texts
        for part in name.split("."):
            found = found[part]
        return found

    def why(self, reason: Reason) -> str:
        """A rule's sentence. The core has them in French."""
        return reason.message if self.language == "fr" else str(self[f"reasons.{reason.code}"])

    def day(self, day: date) -> str:
        first = "1er" if self.language == "fr" and day.day == 1 else str(day.day)
        return f"{first} {self._months[day.month - 1]} {day.year}"

    def moment(self, moment: datetime) -> str:
        local = moment.astimezone(PARIS)
        pattern: str = self["common.moment"]
        return pattern.format(day=self.day(local.date()), time=f"{local:%H:%M}")

    def euros(self, amount: Decimal) -> str:
        if self.language == "fr":
            digits = f"{amount:,.2f}".replace(",", "\u202f").replace(".", ",")
            return f"{digits}\u00a0€"
        return f"€{amount:,.2f}"


def typeset(text: str, language: str) -> str:
    """French has a space before : ; ? ! » and after «, at which no line may break."""
    if language != "fr":
        return text
    return re.sub(r"(?<=«) | (?=[:;?!»])", "\u00a0", text)


def load() -> Mapping[str, Words]:
    """The words of each language."""
    folder = resources.files("portal") / "words"
    return {
        language: Words(language, _read(folder / f"{language}.yaml", language))
        for language in LANGUAGES
    }


def _read(file: Traversable, language: str) -> Texts:
    texts: Texts = yaml.safe_load(typeset(file.read_text("utf-8"), language))
    return texts

"""What a visitor chose of how pages look and speak, kept in one cookie."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, get_args, get_type_hints
from urllib.parse import parse_qsl, urlencode

Language = Literal["fr", "en"]
Contrast = Literal["normal", "high", "dark"]
Size = Literal["normal", "large", "largest"]
Choice = Literal["off", "on"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """`voice`: the page reads aloud what is touched; `kiosk`: large keys, no history, wiped when
    it is left alone."""

    lang: Language = "fr"
    contrast: Contrast = "normal"
    size: Size = "normal"
    voice: Choice = "off"
    kiosk: Choice = "off"

    def chosen(self, choices: Mapping[str, str]) -> "Preferences":
        """With those of `choices` that are some; others change nothing."""
        known = {name: get_args(hint) for name, hint in get_type_hints(Preferences).items()}
        return replace(
            self,
            **{k: v for k, v in choices.items() if k in known and v in known[k]},  # type: ignore[arg-type]
        )

    def written(self) -> str:
        """As the cookie holds them."""
        return urlencode(asdict(self))

    @classmethod
    def read(cls, cookie: str, accepted: str) -> "Preferences":
        """Of a visitor with this cookie ("" for none), whose browser asks for these languages
        (Accept-Language)."""
        asked = cls(lang=_language(accepted))
        try:
            return asked.chosen(dict(parse_qsl(cookie, max_num_fields=len(fields(cls)))))
        except ValueError:
            return asked


KIOSK = Preferences(kiosk="on")
"""Of a kiosk that nobody has touched: what its last visitor chose is gone."""


def _language(accepted: str) -> Language:
    """The first of the browser's languages that there is, French for who wants another."""
    for wanted in _names(accepted):
        if wanted in get_args(Language):
            return "en" if wanted == "en" else "fr"
    return "fr"


def _names(accepted: str) -> Iterable[str]:
    return (each.split(";")[0].strip()[:2].lower() for each in accepted[:200].split(","))

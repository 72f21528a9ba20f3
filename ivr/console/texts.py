"""The words of the pages, in French and English: `words/<language>.yaml`."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

_WORDS = Path(__file__).parent / "words"
_ACCEPTED = re.compile(r"[a-z]{2}")

Translate = Callable[..., str]


@cache
def words(language: Language) -> Mapping[str, str]:
    """Every text of a language by its key."""
    text = (_WORDS / f"{language}.yaml").read_text(encoding="utf-8")
    content: dict[str, str] = yaml.safe_load(text)
    return content


def translator(language: Language) -> Translate:
    """`t("key", name=value)`: the text, its {names} filled in. Raises KeyError: no such text."""
    texts = words(language)

    def t(key: str, /, **values: object) -> str:
        text = texts[key]
        return text.format(**values) if values else text

    return t


def language_of(chosen: str | None, accept_language: str) -> Language:
    """The language that a visitor chose, or that their browser asks for first; else French."""
    for word in (chosen or "", *accept_language.lower()[:200].split(",")):
        code = _ACCEPTED.match(word.strip())
        for language in LANGUAGES:
            if code and code[0] == language:
                return language
    return "fr"

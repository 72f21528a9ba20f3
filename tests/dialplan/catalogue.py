"""The texts of the voice, as the catalogues give them."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LANGUAGES = ("fr", "en")


@cache
def texts(language: str) -> dict[str, str]:
    """Prompt id → text."""
    file = ROOT / "prompts" / language / "catalogue.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {prompt: entry["text"] for prompt, entry in content.items()}


def prompt_ids() -> dict[str, frozenset[str]]:
    """Language → the ids of its catalogue."""
    return {language: frozenset(texts(language)) for language in LANGUAGES}


def words(language: str, prompts: Iterable[str]) -> str:
    """What is heard when these prompts are played."""
    return " ".join(texts(language)[prompt] for prompt in prompts)

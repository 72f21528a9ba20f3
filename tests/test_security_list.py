"""The list of OWASP ASVS in docs/security.md: each item that is held names tests that exist."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
SECTION = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8").partition("OWASP ASVS")[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| ") and ("| ✓ |" in line or "| ✗ |" in line)
]
NAMED = [part for row in ROWS for part in row[-1].split("`") if "::" in part]


@pytest.mark.parametrize("named", sorted(set(NAMED)))
def test_a_test_that_is_named_exists(named: str) -> None:
    file, _, name = named.partition("::")
    assert f"def {name}(" in (PROJECT / file).read_text(encoding="utf-8")


def test_what_is_held_has_a_test() -> None:
    assert len(ROWS) > 40
    untested = [row[0] for row in ROWS if row[1] == "✓" and "::" not in row[-1]]
    assert untested == []

"""How much of all 8-digit numbers the rules refuse to a file of the demo: counted by enumeration,
checked by asking the rules, and told in the docs."""

from pathlib import Path
from random import Random

from auth_core.common import COMMON
from auth_core.demo import DEMO_FILES, case_file_of
from auth_core.rules import ENUMERATIONS, reasons
from tests.auth_core.conftest import House

DOCS = Path(__file__).parents[2] / "docs" / "auth-core.md"
SAMPLE = 30_000


def shapes() -> set[str]:
    """All that the rules which need no file refuse."""
    digits = "0123456789"
    rounds = [digits * 2, digits[::-1] * 2]
    quads = [f"{number:04}" for number in range(10_000)]
    return {
        *(digit * 8 for digit in digits),
        *(each[start : start + 8] for each in rounds for start in range(10)),
        *(quad * 2 for quad in quads),
        *("".join(digit * 2 for digit in quad) for quad in quads),
        *(quad + quad[::-1] for quad in quads),
        *COMMON,
    }


def test_the_count_of_what_is_refused_to_a_demo_file() -> None:
    case_file = case_file_of(DEMO_FILES[0], House.now)
    refused = shapes()
    for enumerate_all in ENUMERATIONS.values():
        refused |= set(enumerate_all(case_file))
    chance = Random(8)
    sample = {f"{chance.randrange(10**8):08}" for _ in range(SAMPLE)}
    sample |= set(chance.sample(sorted(refused), 2_000))
    for candidate in sample:
        assert bool(reasons(candidate, case_file)) == (candidate in refused)
    assert f"{len(refused):,} of 100,000,000" in DOCS.read_text(encoding="utf-8")

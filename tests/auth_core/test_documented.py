"""What docs/auth-core.md says: its examples run, and the tests that it names exist."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import auth_core
from auth_core import AuthService, Channel, Identity, Source
from tests.auth_core.conftest import WEB, House

HERE = Path(__file__).parent
DOCS = (HERE.parents[1] / "docs" / "auth-core.md").read_text(encoding="utf-8")
_PARTS = DOCS.partition("## Examples")[2].split("```python\n")[1:]
EXAMPLES = [part.partition("```")[0] for part in _PARTS]
NAMED = [cell.strip(" `|") for cell in DOCS.split("`") if "::test_" in cell]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_example_runs(core: AuthService, house: House, number: int) -> None:
    async def letterbox(identity: Identity) -> list[str]:
        return [text for _, text in await house.outbox(identity) if text is not None]

    scope: dict[str, Any] = {name: getattr(auth_core, name) for name in auth_core.__all__}
    scope |= {
        "core": core,
        "web": WEB,
        "call": Source(Channel.TELEPHONE, caller="+33199001122"),
        "letterbox": letterbox,
    }
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(EXAMPLES[number], "docs/auth-core.md", "exec", flags=flags)
    outcome = eval(code, scope)
    if inspect.isawaitable(outcome):
        await outcome


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_exists(named: str) -> None:
    file, _, name = named.partition("::")
    assert f"def {name}(" in (HERE / file).read_text(encoding="utf-8")


def test_every_sentence_has_one() -> None:
    assert len(NAMED) >= 26

"""The schemas by which editors complete and underline: fresh, described, and right."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ivr.schemas import SCHEMAS
from tests.running import PROJECT

FILES = [
    ("config", PROJECT / "config.yaml"),
    *(("dialplan", file) for file in sorted((PROJECT / "dialplans").glob("*.yaml"))),
]


def read(text: str) -> Any:
    """YAML as an editor takes it: keys and dates are texts."""
    data = yaml.load(text, Loader=yaml.SafeLoader)
    return json.loads(json.dumps(data, default=str))


def underlined(kind: str, data: Any) -> list[str]:
    """The paths at which an editor finds fault."""
    validator = Draft202012Validator(SCHEMAS[kind]())
    return sorted({".".join(map(str, error.path)) for error in validator.iter_errors(data)})


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a schema names."""
    if isinstance(schema, dict):
        for name, key in schema.get("properties", {}).items():
            if isinstance(key, dict):
                yield f"{path}/{name}", key
        for name, inner in schema.items():
            yield from keys(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from keys(inner, f"{path}/{number}")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_files_of_the_project_are_those_of_ivr_schema(kind: str) -> None:
    file = PROJECT / "schemas" / f"{kind}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == SCHEMAS[kind](), (
        f"make it again: ivr schema {kind} > schemas/{kind}.json"
    )


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one_and_says_of_each_key_what_it_means(kind: str) -> None:
    schema = SCHEMAS[kind]()
    Draft202012Validator.check_schema(schema)
    silent = [
        path for path, key in keys(schema) if not key.get("description") and "const" not in key
    ]
    assert silent == []


@pytest.mark.parametrize(("kind", "file"), FILES)
def test_the_project_s_own_files_have_no_fault_and_name_their_schema(kind: str, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert underlined(kind, read(text)) == []
    modeline, named = text.splitlines()[0].split("$schema=")
    assert modeline == "# yaml-language-server: "
    assert (file.parent / named).resolve() == PROJECT / "schemas" / f"{kind}.json"


RICH = """
sip:
  trunks:
    - 198.51.100.0/24
    - {name: a, networks: [203.0.113.0/28], max_calls: 200, secure_sound: required}
    - name: b
      digest: {users: [{user: branch, password_file: var/branch.password}], algorithms: [MD5]}
      register: {registrar: "sip:pbx.example", user: ivr, password_env: PBX}
lines:
  - number: "1"
    hours: {mon-fri: "09:00-12:00, 13:30-16:30", holidays: fr, closed: [2026-12-24]}
    notice: price_notice
  - {number: "2", caf: "751", notice: [a, b]}
"""


def test_all_that_a_configuration_may_hold_is_taken() -> None:
    assert underlined("config", read(RICH)) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("max_calls: 200", "max_call: 200", "sip.trunks.1"),
        ("secure_sound: required", "secure_sound: sometimes", "sip.trunks.1"),
        ("password_file:", "pasword_file:", "sip.trunks.2"),
        ("mon-fri", "mon-friday", "lines.0.hours"),
        ("12:00, 13:30-16:30", "noon", "lines.0.hours.mon-fri"),
        ("holidays: fr", "holidays: de", "lines.0.hours.holidays"),
        ('caf: "751"', "caf: 751", "lines.1.caf"),
        ("[a, b]", "[a, b, c, d]", "lines.1.notice"),
    ],
)
def test_a_slip_in_a_configuration_is_underlined_where_it_is(
    old: str, new: str, place: str
) -> None:
    assert old in RICH
    assert underlined("config", read(RICH.replace(old, new, 1))) == [place]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("kind: play", "kind: paly", "nodes.welcome.kind"),
        ("next: which_line", "nxet: which_line", "nodes.welcome"),
        ("lengths: [5]", "lengths: five", "nodes.ask_postal_code.lengths"),
        ("into: postal_code", "into: postcode", "nodes.ask_postal_code.into"),
        ('keys: {"*": help}', 'keys: {"5": help}', "nodes.ask_postal_code.keys"),
        ("what: opening_hours", "what: opening_hour", "nodes.help_closed.what"),
        ("service: certificate", "service: certificat", "nodes.certificate.service"),
        ("silence: 3", "silence: 30", "retries.silence"),
        ("trouble: technical_trouble", "truoble: technical_trouble", ""),
    ],
)
def test_a_slip_in_a_dialplan_is_underlined_where_it_is(old: str, new: str, place: str) -> None:
    text = (PROJECT / "dialplans" / "caller.yaml").read_text(encoding="utf-8")
    assert old in text
    assert underlined("dialplan", read(text.replace(old, new, 1))) == [place]

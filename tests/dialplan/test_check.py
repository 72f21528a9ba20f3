"""Broken dialplans: each fault gets one clear line with its place and a way out."""

import random
from pathlib import Path

import pytest

from ivr.dialplan.check import MATTER_PROMPTS, check, inspect
from ivr.dialplan.handlers import HANDLERS
from ivr.dialplan.nodes import NODE_KINDS, Datum, Matter, Question
from ivr.dialplan.schema import DialplanError, Settings, load
from ivr.dialplan.speech import vocabulary
from tests.dialplan.catalogue import LANGUAGES, ROOT, prompt_ids

CALLER = ROOT / "dialplans" / "caller.yaml"

SOUND = """\
start: welcome
trouble: goodbye
give_up: {silence: goodbye, errors: goodbye}
nodes:
  welcome:
    kind: play
    prompts: [welcome]
    next: choice
  choice:
    kind: menu
    prompts: [main_menu]
    options:
      "1": {say: option_payments, go: choice}
      "2": {say: option_finish, go: goodbye}
  goodbye:
    kind: hang_up
    prompts: [goodbye]
"""


def faults_of(folder: Path, text: str) -> list[str]:
    """Every fault of a flow, without the folder that it was written to."""
    file = folder / "flow.yaml"
    file.write_text(text, encoding="utf-8")
    return [str(fault).removeprefix(f"{folder}/") for fault in inspect(file, prompt_ids())]


def test_the_sound_flow_and_the_callers_flow_have_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, SOUND) == []
    assert inspect(CALLER, prompt_ids()) == []
    assert check(load(CALLER), prompt_ids()) == []


def test_every_kind_of_node_has_a_handler() -> None:
    assert set(HANDLERS) == set(NODE_KINDS.values())


BROKEN = {
    "unknown key in a node": (
        ("    prompts: [welcome]\n", "    prompts: [welcome]\n    promts: [welcome]\n"),
        "flow.yaml:8: nodes.welcome.promts: unknown key; remove it or correct its spelling",
    ),
    "unknown key in the head": (
        ("start: welcome\n", "start: welcome\nstrat: welcome\n"),
        "flow.yaml:2: strat: unknown key; remove it or correct its spelling",
    ),
    "missing key": (
        ("    next: choice\n", ""),
        "flow.yaml:5: nodes.welcome.next: missing; add it",
    ),
    "key given twice": (
        ("    next: choice\n", "    next: choice\n    next: goodbye\n"),
        "flow.yaml:9: nodes.welcome.next: given twice, first on line 8; keep one",
    ),
    "not YAML": (
        ("    prompts: [welcome]\n", "    prompts: [welcome\n"),
        "flow.yaml:8: expected ',' or ']', but got ':'; mend the YAML here",
    ),
    "star without quotes": (
        ('"1": {say', "*: {say"),
        'flow.yaml:13: the key * needs quotes; write "*":',
    ),
    "no nodes": (
        (SOUND[SOUND.index("nodes:") :], ""),
        "flow.yaml:1: nodes: missing; list the nodes of the flow under it",
    ),
    "node without a kind": (
        ("    kind: play\n", ""),
        "flow.yaml:5: nodes.welcome: has no kind; add one of authenticate, branch, certificate, "
        "collect, hang_up, hours, language, lost_password, menu, play, say, service, transfer",
    ),
    "unknown kind": (
        ("kind: play", "kind: pley"),
        "flow.yaml:6: nodes.welcome.kind: no kind of node is called pley; did you mean play?",
    ),
    "node that is a word": (
        ("    kind: hang_up\n    prompts: [goodbye]\n", "    bye\n"),
        "flow.yaml:15: nodes.goodbye: is no node; give it a kind and its keys",
    ),
    "missing target": (
        ("next: choice", "next: chioce"),
        "flow.yaml:8: nodes.welcome.next: no node is called chioce; did you mean choice?",
    ),
    "missing target of an option": (
        ("go: goodbye", "go: farewell"),
        "flow.yaml:14: nodes.choice.options.2.go: no node is called farewell; "
        "known: choice, goodbye, welcome.",
    ),
    "missing start": (
        ("start: welcome", "start: wellcome"),
        "flow.yaml:1: start: no node is called wellcome; did you mean welcome?",
    ),
    "unreachable node": (
        ("  goodbye:\n", "  island:\n    kind: play\n    prompts: [welcome]\n    next: choice\n"
         "  goodbye:\n"),
        "flow.yaml:15: nodes.island: no way leads here; lead to it, or remove it",
    ),
    "missing prompt": (
        ("prompts: [main_menu]", "prompts: [main_menv]"),
        "flow.yaml:11: nodes.choice.prompts.0: no prompt main_menv in fr and en; "
        "did you mean main_menu? Otherwise add it to prompts/fr/catalogue.yaml "
        "and prompts/en/catalogue.yaml",
    ),
    "too many options": (
        ("      \"2\": {say: option_finish, go: goodbye}\n",
         "".join(f'      "{key}": {{go: goodbye}}\n' for key in "23456")),
        "flow.yaml:12: nodes.choice.options: 6 options; keep 5, move the rest to another menu",
    ),
    "a key that is no key": (
        ('"2": {say', '"12": {say'),
        "flow.yaml:14: nodes.choice.options.12: input should be '0', '1', '2'",
    ),
    "a loop that asks nothing": (
        ("  goodbye:\n", "  a:\n    kind: play\n    prompts: [welcome]\n    next: b\n  b:\n"
         "    kind: branch\n    by: language\n    cases: {fr: a}\n    else: goodbye\n  goodbye:\n"),
        "flow.yaml:15: nodes.a: a loop that asks the caller nothing; put a menu or a collect in it",
    ),
    "a loop that no key leaves": (
        ("go: goodbye", "go: welcome"),
        "flow.yaml:9: nodes.choice: no key leads from here to the end of the call; "
        "add a way to hang_up or transfer",
    ),
    "a case that never is": (
        ("  goodbye:\n", "  b:\n    kind: branch\n    by: secret\n    cases: {pim: goodbye}\n"
         "    else: goodbye\n  goodbye:\n"),
        "flow.yaml:18: nodes.b.cases.pim: secret is never pim; did you mean pin?",
    ),
    "a Caf that is none": (
        ("  goodbye:\n", "  b:\n    kind: branch\n    by: line_caf\n    cases: {75: goodbye}\n"
         "    else: goodbye\n  goodbye:\n"),
        "flow.yaml:18: nodes.b.cases.75: line_caf is never 75; "
        "write the 3 digits of a Caf in quotes, or none",
    ),
    "a wrong length": (
        ("  goodbye:\n", "  c:\n    kind: collect\n    into: matricule\n    lengths: [8]\n"
         "    prompts: [ask_matricule]\n    next: goodbye\n  goodbye:\n"),
        "flow.yaml:18: nodes.c.lengths: a matricule has 7 digits; write [7]",
    ),
    "an unknown service": (
        ("  goodbye:\n", "  s:\n    kind: service\n    service: payment\n    available: goodbye\n"
         "    not_accessible: goodbye\n    no_information: goodbye\n  goodbye:\n"),
        "flow.yaml:17: nodes.s.service: no service is called payment; did you mean payments?",
    ),
    "a word that YAML takes for a truth": (
        ("next: choice", "next: yes"),
        "flow.yaml:8: nodes.welcome.next: input should be a valid string; write it in quotes",
    ),
    "one prompt where a list stands": (
        ("prompts: [welcome]", "prompts: welcome"),
        "flow.yaml:7: nodes.welcome.prompts: input should be a valid list; "
        "write it in brackets: [one, two]",
    ),
    "a timer of no length": (
        ("start: welcome\n", "start: welcome\ntimers: {first_digit: 0}\n"),
        "flow.yaml:2: timers.first_digit: input should be greater than 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_gets_one_clear_line(tmp_path: Path, name: str) -> None:
    (old, new), expected = BROKEN[name]
    assert old in SOUND
    faults = faults_of(tmp_path, SOUND.replace(old, new, 1))
    assert any(fault.startswith(expected) for fault in faults), faults


def test_a_prompt_missing_in_one_language_says_in_which(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(SOUND, encoding="utf-8")
    ids = prompt_ids()
    ids["en"] -= {"main_menu"}
    [fault] = inspect(file, ids)
    assert str(fault) == (
        f"{file}:11: nodes.choice.prompts.0: no prompt main_menu in en; "
        "add it to prompts/en/catalogue.yaml (it exists in fr)"
    )


def test_a_language_without_prompts(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text("languages: [fr, en]\n" + SOUND, encoding="utf-8")
    [fault] = inspect(file, {"fr": prompt_ids()["fr"]})
    assert fault.line == 1
    assert "there are no prompts in en" in fault.what


def test_numbers_that_are_not_recorded_are_told(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(CALLER.read_text(encoding="utf-8"), encoding="utf-8")
    ids = prompt_ids()
    ids["fr"] -= {"number_91"}
    faults = inspect(file, ids)
    assert faults
    assert all("needs prompts that do not exist in fr: number_91" in str(each) for each in faults)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = SOUND.replace("next: choice", "next: chioce").replace("[goodbye]", "[goodby]")
    text = text.replace("    kind: menu\n", "    kind: menu\n    barge: no\n")
    lines = [fault.split(":")[1] for fault in faults_of(tmp_path, text)]
    assert sorted(set(lines), key=int) == ["8", "11", "18"]


def test_load_refuses_what_it_cannot_understand(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(SOUND.replace("kind: play", "kind: pley"), encoding="utf-8")
    with pytest.raises(DialplanError, match=r"flow\.yaml:6: nodes\.welcome\.kind"):
        load(file)


def test_damaged_files_have_faults_and_nothing_worse(tmp_path: Path) -> None:
    chance = random.Random(20260305)  # a fixed seed
    file = tmp_path / "flow.yaml"
    for _ in range(1500):
        text = list(SOUND)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(text))
            text[place : place + chance.randint(0, 3)] = chance.choice(
                [
                    "",
                    ":",
                    "- ",
                    "\n",
                    "  ",
                    "{",
                    "]",
                    '"',
                    "'",
                    "#",
                    "&a",
                    "*a",
                    "!",
                    "%",
                    "\t",
                    "0",
                    "\0",
                ]
            )
        file.write_text("".join(text), encoding="utf-8")
        for fault in inspect(file, prompt_ids()):
            assert str(fault).count("\n") == 0


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_bytes(b"start: \xff\xfe\n")
    with pytest.raises(DialplanError, match="save the file as UTF-8"):
        load(file)


def test_the_operators_page_tells_of_every_key() -> None:
    page = (ROOT / "dialplans" / "README.md").read_text(encoding="utf-8")
    for kind, model in NODE_KINDS.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{kind}` |")]
        for name, field in model.model_fields.items():
            assert name in ("kind", "note") or f"`{field.alias or name}" in row, (kind, name)
    for name in Settings.model_fields:
        assert f"| `{name}" in page
    for choices in (Datum, Matter, Question):
        assert all(word.value in page for word in choices)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_written_for_nobody(language: str) -> None:
    plan = load(CALLER)
    used = {use.prompt for use in plan.settings.prompts_used()} | {"price_notice"}  # a line's
    for node in plan.nodes.values():
        used |= {use.prompt for use in node.prompts_used()}
    for matter in MATTER_PROMPTS.values():
        used |= matter
    assert prompt_ids()[language] - vocabulary(language) - used == set()

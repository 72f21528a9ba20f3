"""A dialplan as a picture: everything in it, nothing over anything else, what is wrong in red, in
one language."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialplan.captions import CAPTIONS, caption
from ivr.dialplan.drawing import RED, draw
from ivr.dialplan.graph import Arrow, FlowGraph, GraphNode, Role, Trouble, flow_graph
from ivr.dialplan.layout import LABEL_CHAR, arranged
from ivr.dialplan.nodes import NODE_KINDS, QUESTION_ANSWERS, Question, Way
from ivr.dialplan.schema import Dialplan, load, parse
from ivr.prompts import LANGUAGES, catalogue
from tests.dialplan.catalogue import ROOT
from tests.running import command, run

CALLER = load(ROOT / "dialplans" / "caller.yaml")
SVG = "{http://www.w3.org/2000/svg}"

FAULTY = """\
start: welcome
trouble: goodbye
advisor: advisr
give_up: {silence: goodbye, errors: goodbye}
nodes:
  welcome: {kind: play, prompts: [welcome], next: choice}
  choice:
    kind: menu
    prompts: [main_menu]
    silence: later
    options: {"1": {go: stuck}, "2": {go: goodbye}, "3": {go: gone}, "4": {go: odd}}
  stuck: {kind: menu, prompts: [main_menu], options: {"1": {go: stuck}, "0": {go: stuck}}}
  lonely: {kind: play, prompts: [welcome], next: goodbye}
  later: {kind: hang_up}
  odd: {kind: dance}
  goodbye: {kind: hang_up, prompts: [goodbye]}
"""


@pytest.fixture
def faulty_plan(tmp_path: Path) -> Dialplan:
    file = tmp_path / "faulty.yaml"
    file.write_text(FAULTY, encoding="utf-8")
    plan, _ = parse(file)
    assert plan is not None
    return plan


@pytest.fixture
def faulty(faulty_plan: Dialplan) -> FlowGraph:
    return flow_graph(faulty_plan, "en")


def elements(svg: str) -> dict[str, ET.Element]:
    """What has an id, by it; each once."""
    found = [each for each in ET.fromstring(svg).iter() if "id" in each.attrib]
    by_id = {each.attrib["id"]: each for each in found}
    assert len(by_id) == len(found)
    return by_id


def test_every_node_and_every_way_is_in_the_picture_once() -> None:
    graph = flow_graph(CALLER, "en")
    drawn = elements(draw(graph)).keys()
    assert {f"node-{name}" for name in CALLER.nodes} <= drawn
    ways = {f"way-{arrow.source}-{arrow.key}" for arrow in graph.arrows}
    assert len(ways) == sum(len(list(node.exits())) for node in CALLER.nodes.values())
    assert ways <= drawn


def test_nodes_are_named_in_words_and_show_what_is_said() -> None:
    texts = catalogue(ROOT / "prompts", "en")
    node = elements(draw(flow_graph(CALLER, "en"), texts))["node-ask_matricule"]
    title, below = [text.text or "" for text in node.iter(f"{SVG}text")]
    assert title == "ask matricule"
    assert texts["ask_matricule"].startswith(below.removesuffix("…"))


def test_keys_stand_on_the_arrows() -> None:
    graph = flow_graph(CALLER, "en")
    labels = {(a.source, a.label): a.target for a in graph.arrows}
    assert labels["services", "1"] == "payments"
    assert labels["ask_secret", "#"] == "ask_birth_day_month"
    assert labels["ask_secret", "4 or 8 digits"] == "authenticate"
    assert labels["which_line", "751"] == "welcome_paris"
    assert labels["authenticate", "expired pin"] == "expired_pin"
    assert labels["welcome", ""] == "which_line"
    caps = [each for each in ET.fromstring(draw(graph)).iter(f"{SVG}rect") if each.get("class")]
    keys = [arrow for arrow in graph.arrows if len(arrow.label) == 1]
    assert len(caps) == len(keys)


def test_time_outs_are_dashed_and_nothing_else_is(faulty: FlowGraph) -> None:
    svg = draw(faulty)
    dashed = {key for key, each in elements(svg).items() if "gives-up" in each.get("class", "")}
    assert dashed == {"way-choice-silence"}
    everywhere = {arrow.label for arrow in faulty.everywhere if arrow.way is Way.GIVING_UP}
    assert everywhere == {"silence", "too many errors"}
    assert svg.count('class="way gives-up"') == 1 + len(everywhere)


def test_what_is_wrong_is_red_and_says_why(faulty: FlowGraph) -> None:
    wrong = {node.name: node.trouble for node in faulty.nodes if node.trouble}
    assert wrong == {
        "stuck": Trouble.DEAD_END,
        "lonely": Trouble.UNREACHABLE,
        "gone": Trouble.MISSING,
        "advisr": Trouble.MISSING,
        "odd": Trouble.BROKEN,
    }
    drawn = elements(draw(faulty))
    red = {
        name
        for name, each in drawn.items()
        if name.startswith("node-") and any(inner.get("stroke") == RED for inner in each.iter())
    }
    assert red == {f"node-{name}" for name in wrong}
    assert "dead end" in "".join(drawn["node-stuck"].itertext())
    assert not any(node.trouble for node in flow_graph(CALLER, "en").nodes)


def test_what_operators_write_is_text_and_no_markup() -> None:
    name = "<script>alert(\"1\")</script> & 'more'"
    node = GraphNode(name, name, "play", Role.SPEAKS, note=name, prompts=("p",))
    graph = FlowGraph(name, (node,), (Arrow(name, name, "next", name, Way.FLOW, name),), (), "en")
    root = ET.fromstring(draw(graph, {"p": name}, name))
    assert not list(root.iter(f"{SVG}script"))
    assert name in "".join(root.itertext())


def shown(svg: str) -> Iterator[str]:
    """All that can be read in a picture, line by line."""
    for element in ET.fromstring(svg).iter():
        if element.tag in (f"{SVG}text", f"{SVG}title"):
            yield from (element.text or "").splitlines()


def sayable(plan: Dialplan, texts: dict[str, str], language: str) -> set[str]:
    """All that the picture of a flow called "caller" may say: what the operator wrote, and our
    words of that language."""
    ours = CAPTIONS[language]
    graph = flow_graph(plan, language)
    names = {node.name.replace("_", " ") for node in graph.nodes}
    kinds = {says for key, says in ours.items() if key.startswith("kind_")}
    whens = {says for key, says in ours.items() if key.startswith("everywhere_")}
    lengths = ("4", "5", "7", f"4{ours['or']}8")
    numbers = {*"0123456789*#", "751"}
    return (
        {"caller", *names, *numbers, *texts, *texts.values(), *ours.values()}
        | {text[:26].rstrip() + "…" for text in texts.values()}
        | {node.note for node in plan.nodes.values()}
        | {f"{name} ({kind})" for name in names for kind in kinds}
        | {f"→ {name}" for name in names}
        | {caption(language, "goes_to", node=name) for name in names}
        | {caption(language, "anywhere", when=when) for when in whens}
        | {caption(language, "digits", lengths=each) for each in lengths}
    )


@pytest.fixture(params=["caller", "faulty"])
def plan(request: pytest.FixtureRequest, faulty_plan: Dialplan) -> Dialplan:
    return CALLER if request.param == "caller" else faulty_plan


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_a_picture_says_of_its_own_is_in_its_language(
    plan: Dialplan, language: str
) -> None:
    texts = catalogue(ROOT / "prompts", language)
    svg = draw(flow_graph(plan, language), texts, "caller")
    assert ET.fromstring(svg).get("lang") == language
    assert set(shown(svg)) - sayable(plan, texts, language) == set()


def test_both_languages_have_words_for_all_that_can_be_drawn() -> None:
    french, english = CAPTIONS["fr"], CAPTIONS["en"]
    assert CAPTIONS.keys() == set(LANGUAGES)
    assert french.keys() == english.keys()
    for key, says in french.items():
        assert re.findall(r"\{\w+\}", says) == re.findall(r"\{\w+\}", english[key]), key
    fields = {name for kind in NODE_KINDS.values() for name in kind.target_fields} - {"next"}
    needed = {f"exit_{name}" for name in fields | {"else", "silence", "errors"}}
    needed |= {f"kind_{kind}" for kind in NODE_KINDS}
    needed |= {f"does_branch_{question}" for question in Question}
    needed |= {
        f"case_{question}_{answer}"
        for question, answers in QUESTION_ANSWERS.items()
        for answer in answers
    }
    needed |= {f"role_{role}" for role in Role} | {f"trouble_{trouble}" for trouble in Trouble}
    assert needed <= french.keys()


def test_the_two_languages_differ_in_all_words_but_these() -> None:
    french, english = CAPTIONS["fr"], CAPTIONS["en"]
    same = {says for key, says in french.items() if says == english[key]}
    assert same == {"menu", "silence"}


NAMES = [f"n{number}" for number in range(12)]
LABELS = sorted(
    {
        says
        for words in CAPTIONS.values()
        for key, says in words.items()
        if key[:5] in ("exit_", "case_")
    }
)
WAYS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["", "1", *LABELS])
)


@given(st.lists(WAYS, max_size=40))
def test_boxes_and_words_never_overlap_and_lines_run_down(ways: list[tuple[str, str, str]]) -> None:
    nodes = tuple(GraphNode(name, name, "play", Role.SPEAKS) for name in NAMES)
    arrows = tuple(
        Arrow(source, target, f"k{number}", label, Way.KEY)
        for number, (source, target, label) in enumerate(ways)
    )
    picture = arranged(
        FlowGraph(NAMES[0], nodes, arrows, (), "en"),
        lambda node, arrow: (40.0 + 10 * len(node.name), 24.0 if arrow else 46.0),
    )
    assert len(picture.lines) == len(arrows)
    assert {(line.arrow.target, line.label) for line in picture.lines} - {
        (arrow.target, "") for arrow in arrows
    } == {(arrow.target, arrow.label) for arrow in arrows if arrow.label}
    for one, other in combinations(picture.boxes, 2):
        apart = abs(one.x - other.x) - (one.width + other.width) / 2
        below = max(one.y, other.y) - min(one.y + one.height, other.y + other.height)
        assert apart > 1 or below > 1
    words = sorted(
        (line.boxes[-1].y, line.end, len(line.label) * LABEL_CHAR) for line in picture.lines
    )
    for (y, x, width), (next_y, next_x, next_width) in pairwise(words):
        assert y < next_y or next_x - x > (width + next_width) / 2 + 1
    for box in picture.boxes:
        assert box.x - box.width / 2 >= -0.01
        assert box.x + box.width / 2 <= picture.width + 0.01
    for line in picture.lines:
        heights = [box.y for box in line.boxes]
        assert heights == sorted(heights)
        assert line.boxes[-1].node is not None
        assert line.boxes[-1].node.name == line.arrow.target


def test_the_same_flow_gives_the_same_picture() -> None:
    assert draw(flow_graph(CALLER, "en")) == draw(flow_graph(CALLER, "en"))


def test_the_picture_of_the_guide_is_of_today_s_flow() -> None:
    kept = (ROOT / "docs" / "caller.svg").read_text(encoding="utf-8")
    drawn = draw(flow_graph(CALLER, "fr"), catalogue(ROOT / "prompts", "fr"), "caller")
    assert kept == drawn, "draw it again: ivr dialplan graph caller -o docs/caller.svg"


@pytest.mark.socket
async def test_the_command_draws_and_tells_faults(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"prompts: {ROOT / 'prompts'}\ndialplans: flows\n"
        "lines: [{number: '1', dialplan: faulty}]\n",
        encoding="utf-8",
    )
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "faulty.yaml").write_text(FAULTY, encoding="utf-8")
    picture = tmp_path / "faulty.svg"
    asked = (command("ivr"), "dialplan", "graph", "--config", str(config))
    code, out, err = await run(*asked, "-o", str(picture))
    assert (code, out) == (1, "")
    assert re.search(r"faulty\.yaml:\d+: nodes\.odd\.kind: no kind of node is called dance", err)
    assert "node-stuck" in elements(picture.read_text(encoding="utf-8"))
    assert "sans issue" in shown(picture.read_text(encoding="utf-8"))
    code, out, err = await run(*asked, "--language", "en")
    assert "dead end" in shown(out)
    code, out, err = await run(*asked, "none")
    assert (code, out) == (2, "")
    assert err == f"{flows / 'none.yaml'}: No such file or directory; those there are: faulty\n"

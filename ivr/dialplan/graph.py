"""A flow as a graph: what is drawn of it, and what live counts are shown on.

A node is known by its name and an arrow by `Arrow.key`, so that counts of callers can be put on
either without a look at the dialplan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ivr.dialplan import nodes
from ivr.dialplan.captions import CAPTIONS, caption
from ivr.dialplan.check import dead_ends, unreachable
from ivr.dialplan.nodes import Exit, Way
from ivr.dialplan.schema import Dialplan


class Role(StrEnum):
    """What a node is to the caller who is there."""

    SPEAKS = "speaks"
    ASKS = "asks"
    DECIDES = "decides"  # by what is known: nobody hears it
    ACTS = "acts"  # does something that lasts
    ENDS = "ends"


class Trouble(StrEnum):
    """What is wrong with a node."""

    DEAD_END = "dead_end"  # no key leads from here to the end of the call
    UNREACHABLE = "unreachable"  # no way leads here
    MISSING = "missing"  # something leads to a name that is none
    BROKEN = "broken"  # what is written there is not understood


_ROLES: dict[type[nodes.Node], Role] = {
    nodes.Play: Role.SPEAKS,
    nodes.Say: Role.SPEAKS,
    nodes.Collect: Role.ASKS,
    nodes.Menu: Role.ASKS,
    nodes.Branch: Role.DECIDES,
    nodes.Hours: Role.DECIDES,
    nodes.ServiceGate: Role.DECIDES,
    nodes.Authenticate: Role.ACTS,
    nodes.LostPassword: Role.ACTS,
    nodes.Certificate: Role.ACTS,
    nodes.SwitchLanguage: Role.ACTS,
    nodes.Transfer: Role.ENDS,
    nodes.HangUp: Role.ENDS,
}


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A step of the flow. `title`: its name as words; `kind`: what it is, "" of one that is not
    there; `does`: what it does, in a few words; `prompts`: ids of what is said, in order."""

    name: str
    title: str
    kind: str
    role: Role
    does: str = ""
    note: str = ""
    prompts: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way from node `source` to node `target`.

    `label`: the key that is pressed or what was found, "" where there is but one way. `says`: the
    id of the prompt that offers it. `key`: what names it within its node, such as "options.1.go".
    """

    source: str
    target: str
    key: str
    label: str
    way: Way
    says: str | None = None


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """`everywhere`: the ways that the head of the flow opens from many nodes, their source "".
    `language`: of all words here that are not the operator's."""

    start: str
    nodes: tuple[GraphNode, ...]
    arrows: tuple[Arrow, ...]
    everywhere: tuple[Arrow, ...]
    language: str

    def node(self, name: str) -> GraphNode:
        """The node of that name; every arrow leads to one."""
        return next(node for node in self.nodes if node.name == name)


def flow_graph(plan: Dialplan, language: str) -> FlowGraph:
    """The graph of a flow in a language of `CAPTIONS`, also of one with faults: those show as
    `GraphNode.trouble`. Raises KeyError: no such language."""
    arrows = tuple(
        _arrow(name, node, leaving, language)
        for name, node in plan.nodes.items()
        for leaving in node.exits()
    )
    everywhere = tuple(_everywhere(plan, language))
    stuck, unreached = dead_ends(plan), unreachable(plan)
    steps = [
        GraphNode(
            name,
            _words(name),
            caption(language, f"kind_{node.kind}"),
            _ROLES[type(node)],
            _does(node, language),
            node.note,
            tuple(use.prompt for use in node.prompts_used() if use.path[0] == "prompts"),
            _trouble(name, stuck, unreached),
        )
        for name, node in plan.nodes.items()
    ]
    targets = {arrow.target for arrow in (*arrows, *everywhere)} | {plan.settings.start}
    for name in sorted((targets | plan.broken) - plan.nodes.keys()):
        trouble = Trouble.BROKEN if name in plan.broken else Trouble.MISSING
        steps.append(GraphNode(name, _words(name), "", Role.ENDS, trouble=trouble))
    return FlowGraph(plan.settings.start, tuple(steps), arrows, everywhere, language)


def _does(node: nodes.Node, language: str) -> str:
    match node:
        case nodes.Branch() | nodes.LostPassword():
            key = f"does_{node.kind}_{node.by}"
        case nodes.SwitchLanguage():
            key = f"does_{node.kind}_{node.to}"
        case nodes.Hours() | nodes.ServiceGate():
            key = f"does_{node.kind}"
        case _:
            key = f"kind_{node.kind}"
    return caption(language, key)


def _trouble(name: str, stuck: frozenset[str], unreached: frozenset[str]) -> Trouble | None:
    if name in stuck:
        return Trouble.DEAD_END
    return Trouble.UNREACHABLE if name in unreached else None


def _words(name: str) -> str:
    return name.replace("_", " ")


def _arrow(name: str, node: nodes.Node, leaving: Exit, language: str) -> Arrow:
    key = ".".join(map(str, leaving.path))
    says = None
    match leaving.path:
        case ("options", option, "go") if isinstance(node, nodes.Menu):
            label, says = str(option), node.options[str(option)].say  # type: ignore[index]
        case ("cases", value) if isinstance(node, nodes.Branch):
            # The number of a Caf is nobody's word.
            label = CAPTIONS[language].get(f"case_{node.by}_{value}", str(value))
        case ("keys", value):
            label = str(value)
        case ("next",) if isinstance(node, nodes.Collect):
            lengths = caption(language, "or").join(map(str, node.lengths))
            label = caption(language, "digits", lengths=lengths)
        case ("next",):
            label = ""
        case (field,):
            label = caption(language, f"exit_{field}")
        case _:
            label = key
    return Arrow(name, leaving.target, key, label, leaving.way, says)


def _everywhere(plan: Dialplan, language: str) -> Iterator[Arrow]:
    for leaving in plan.settings.exits():
        key = ".".join(map(str, leaving.path))
        if key != "start":
            label = caption(language, f"everywhere_{leaving.path[-1]}")
            yield Arrow("", leaving.target, key, label, leaving.way)

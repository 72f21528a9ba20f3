"""A flow as a graph: what is drawn of it, and what live counts are shown on.

A node is known by its name and an arrow by `Arrow.key`, so that counts of callers can be put on
either without a look at the dialplan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ivr.dialplan import nodes
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

    DEAD_END = "dead end"  # no key leads from here to the end of the call
    UNREACHABLE = "no way leads here"
    MISSING = "no such node"  # something leads to a name that is none
    BROKEN = "not understood"


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
    """A step of the flow. `title`: its name as words; `does`: what its kind does, in a few words;
    `prompts`: ids of what is said, in order."""

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
    """`everywhere`: the ways that the head of the flow opens from many nodes, their source ""."""

    start: str
    nodes: tuple[GraphNode, ...]
    arrows: tuple[Arrow, ...]
    everywhere: tuple[Arrow, ...]

    def node(self, name: str) -> GraphNode:
        """The node of that name; every arrow leads to one."""
        return next(node for node in self.nodes if node.name == name)


def flow_graph(plan: Dialplan) -> FlowGraph:
    """The graph of a flow, also of one with faults: those show as `GraphNode.trouble`."""
    arrows = tuple(
        _arrow(name, node, leaving) for name, node in plan.nodes.items() for leaving in node.exits()
    )
    everywhere = tuple(_everywhere(plan))
    stuck, unreached = dead_ends(plan), unreachable(plan)
    steps = [
        GraphNode(
            name,
            _words(name),
            node.kind,
            _ROLES[type(node)],
            _does(node),
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
    return FlowGraph(plan.settings.start, tuple(steps), arrows, everywhere)


def _does(node: nodes.Node) -> str:
    match node:
        case nodes.Branch():
            return f"by {_words(node.by)}"
        case nodes.LostPassword():
            return f"by {node.by}"
        case nodes.Hours():
            return "do advisors answer?"
        case nodes.ServiceGate():
            return "open to this file?"
        case nodes.SwitchLanguage() if node.to != "other":
            return f"to {node.to}"
        case _:
            return _words(node.kind)


def _trouble(name: str, stuck: frozenset[str], unreached: frozenset[str]) -> Trouble | None:
    if name in stuck:
        return Trouble.DEAD_END
    return Trouble.UNREACHABLE if name in unreached else None


def _words(name: str) -> str:
    return name.replace("_", " ")


def _arrow(name: str, node: nodes.Node, leaving: Exit) -> Arrow:
    key = ".".join(map(str, leaving.path))
    says = None
    match leaving.path:
        case ("options", option, "go") if isinstance(node, nodes.Menu):
            label, says = str(option), node.options[str(option)].say  # type: ignore[index]
        case ("keys" | "cases", value):
            label = str(value)
        case ("next",) if isinstance(node, nodes.Collect):
            label = f"{' or '.join(map(str, node.lengths))} digits"
        case ("next",):
            label = ""
        case (field,):
            label = _words(str(field))
        case _:
            label = key
    return Arrow(name, leaving.target, key, label, leaving.way, says)


def _everywhere(plan: Dialplan) -> Iterator[Arrow]:
    labels = {
        "advisor": "0 in a menu",
        "trouble": "authentication out of order",
        "signed_out": "secret replaced meanwhile",
        "give_up.silence": "silence",
        "give_up.errors": "too many errors",
    }
    for leaving in plan.settings.exits():
        key = ".".join(map(str, leaving.path))
        if key in labels:
            yield Arrow("", leaving.target, key, labels[key], leaving.way)

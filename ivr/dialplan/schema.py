"""Dialplans: what a YAML flow may say, one flow per file.

    start: welcome
    languages: [fr, en]
    nodes:
      welcome:
        kind: play
        prompts: [welcome]
        next: ask_matricule
      …

The kinds of nodes are in `nodes.py`. `load` reads a file; whether the flow holds together (targets,
prompts, loops) is judged by `check.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from auth_core.yamlfile import Fault, LocatedYaml, YamlFaults, read
from ivr.dialplan.nodes import NODE_KINDS, Exit, Model, Node, PromptUse, Way

MAX_KNOWN_LISTED = 20
"""A fault that nothing resembles lists so many known names, and no more."""


class DialplanError(YamlFaults):
    """A file that is no dialplan; `faults` has one entry for each thing wrong, with its line."""


class Timers(Model):
    """Seconds that are waited for a key."""

    first_digit: float = Field(default=7.0, gt=0, le=60)
    """Until the first key, from the end of the prompt."""
    inter_digit: float = Field(default=4.0, gt=0, le=60)
    """Until the next key, from the last."""


class Retries(Model):
    """How often a question is asked again, counted apart."""

    silence: int = Field(default=3, ge=0, le=10)
    """How often a question is asked again after silence."""
    errors: int = Field(default=3, ge=0, le=10)
    """How often after a wrong answer."""


class GiveUp(Model):
    """Where a caller goes who answers nothing, or nothing usable, whatever is asked again."""

    silence: str
    """The node for who keys nothing."""
    errors: str
    """The node for who keys nothing usable."""


class Reminders(Model):
    """What is said before a question is asked again, unless the node says something else."""

    silence: list[str] = Field(default_factory=list)
    """Prompts before a question is asked again after silence."""
    errors: list[str] = Field(default_factory=list)
    """Prompts before it is asked again after a wrong answer."""
    voice: list[str] = Field(default_factory=list)
    """Prompts, once in a call, for a caller who talks instead of keying; without them nobody is
    listened for."""


class Settings(Model):
    """The head of a flow: all but its nodes."""

    start: str
    """The first node."""
    languages: list[Literal["fr", "en"]] = Field(default=["fr", "en"], min_length=1)
    """Languages in which every prompt must exist."""
    advisor: str | None = None
    """Where 0 leads in a menu that does not use it."""
    trouble: str
    """Where a call goes when the authentication service fails."""
    signed_out: str | None = None
    """Where a call goes when the caller's secret was replaced meanwhile; default: as trouble."""
    give_up: GiveUp
    """Where a call goes when nothing, or nothing usable, was keyed too often."""
    reminders: Reminders = Reminders()
    """Prompts before a question is asked again."""
    timers: Timers = Timers()
    """Seconds that are waited for a key."""
    retries: Retries = Retries()
    """How often a question is asked again, counted apart."""

    def exits(self) -> Iterator[Exit]:
        """The nodes that the head names."""
        yield Exit(("start",), self.start)
        if self.advisor is not None:
            yield Exit(("advisor",), self.advisor, Way.KEY)
        yield Exit(("trouble",), self.trouble)
        if self.signed_out is not None:
            yield Exit(("signed_out",), self.signed_out)
        yield Exit(("give_up", "silence"), self.give_up.silence, Way.GIVING_UP)
        yield Exit(("give_up", "errors"), self.give_up.errors, Way.GIVING_UP)

    def prompts_used(self) -> Iterator[PromptUse]:
        """The prompts that the head names."""
        for name in ("silence", "errors", "voice"):
            for index, prompt in enumerate(getattr(self.reminders, name)):
                yield PromptUse(("reminders", name, index), prompt)


@dataclass(frozen=True, slots=True)
class Dialplan:
    """A flow. `broken`: names of nodes that could not be understood (only while checking)."""

    settings: Settings
    nodes: Mapping[str, Node]
    source: LocatedYaml
    broken: frozenset[str] = frozenset()


def load(file: Path) -> Dialplan:
    """The flow of a file. Raises `DialplanError` with every fault of form; `OSError` when the file
    cannot be read."""
    plan, faults = parse(file)
    if plan is None or faults:
        raise DialplanError(faults)
    return plan


def parse(file: Path) -> tuple[Dialplan | None, list[Fault]]:
    """What can be understood of a file, and every fault of form. Raises `OSError`."""
    try:
        source = read(file)
    except YamlFaults as error:
        return None, [_with_hint(fault) for fault in error.faults]
    data = _with_text_keys(source.data)
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), dict):
        return None, [source.fault(("nodes",), "missing; list the nodes of the flow under it")]
    faults: list[Fault] = []
    head = {key: value for key, value in data.items() if key != "nodes"}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(head)
    except ValidationError as error:
        faults.extend(source.faults(error))
    nodes: dict[str, Node] = {}
    for name, content in data["nodes"].items():
        node = _node(source, name, content)
        if isinstance(node, Node):
            nodes[name] = node
        else:
            faults.extend(node)
    if settings is None:
        return None, faults
    return Dialplan(settings, nodes, source, frozenset(data["nodes"]) - frozenset(nodes)), faults


def suggestion(word: str, known: frozenset[str]) -> str:
    """The known word that was probably meant, or what there is to choose from."""
    close = get_close_matches(word, sorted(known), n=1)
    if close:
        return f"did you mean {close[0]}?"
    listed = sorted(known)[:MAX_KNOWN_LISTED]
    return f"known: {', '.join(listed)}{' …' if len(known) > len(listed) else '.'}"


def _node(source: LocatedYaml, name: str, content: object) -> Node | list[Fault]:
    path = ("nodes", name)
    if not isinstance(content, dict):
        return [source.fault(path, "is no node; give it a kind and its keys")]
    kind = content.get("kind")
    if kind is None:
        return [source.fault(path, f"has no kind; add one of {', '.join(sorted(NODE_KINDS))}")]
    model = NODE_KINDS.get(str(kind))
    if model is None:
        what = f"no kind of node is called {kind}; {suggestion(str(kind), frozenset(NODE_KINDS))}"
        return [source.fault((*path, "kind"), what)]
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # The faults of a node stand below it in the file.
        lines = {keys[2:]: line for keys, line in source.lines.items() if keys[:2] == path}
        below = LocatedYaml(source.file, content, lines)
        return [
            replace(fault, key=f"nodes.{name}.{fault.key}".removesuffix(".[key]"))
            for fault in below.faults(error)
        ]


def _with_hint(fault: Fault) -> Fault:
    """YAML reads a `*` without quotes as something of its own: the commonest slip in a menu."""
    lines = fault.file.read_text(encoding="utf-8", errors="replace").splitlines()
    line = lines[fault.line - 1] if fault.line is not None and fault.line <= len(lines) else ""
    if not any(part.lstrip().startswith("*") for part in line.replace("{", ",").split(",")):
        return fault
    return replace(fault, what='the key * needs quotes; write "*":')


def _with_text_keys(data: Any) -> Any:
    """YAML reads the key `1` as a number and `yes` as a truth; here every key is text."""
    if isinstance(data, dict):
        return {
            key if isinstance(key, str) else str(key): _with_text_keys(value)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [_with_text_keys(item) for item in data]
    return data

"""Does a flow hold together? Every fault at once, each with its line and a way out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from auth_core import Benefit, RequestKind, RequestState, Service
from auth_core.yamlfile import Fault, KeyPath
from ivr.dialplan.nodes import (
    QUESTION_ANSWERS,
    Branch,
    Collect,
    Datum,
    Exit,
    Matter,
    Menu,
    PromptUse,
    Say,
    ServiceGate,
    Way,
)
from ivr.dialplan.schema import Dialplan, parse, suggestion
from ivr.dialplan.speech import vocabulary

MAX_OPTIONS = 5
"""More choices than that are not remembered by ear."""

LENGTHS: Mapping[Datum, frozenset[int]] = {
    Datum.POSTAL_CODE: frozenset({5}),
    Datum.MATRICULE: frozenset({7}),
    Datum.SECRET: frozenset({4, 8}),
    Datum.BIRTH_DAY_MONTH: frozenset({4}),
}
"""How many digits each datum has."""

MATTER_PROMPTS: Mapping[Matter, frozenset[str]] = {
    Matter.PAYMENTS: frozenset(f"benefit_{benefit.value}" for benefit in Benefit),
    Matter.REQUESTS: frozenset(
        [f"request_{kind.value}" for kind in RequestKind]
        + [f"state_{state.value}" for state in RequestState]
    ),
    Matter.LAST_LOGIN: frozenset({"since_then", "try_failed", "tries_failed"}),
    Matter.OPENING_HOURS: frozenset({"hours_intro", "hours_holidays", "hours_never"}),
    Matter.TODAY: frozenset(),
}
"""What is spoken of each matter, besides numbers, dates and hours."""

SERVICES = frozenset(service.value for service in Service)

Prompts = Mapping[str, frozenset[str]]


def inspect(file: Path, prompts: Prompts) -> list[Fault]:
    """Every fault of a file, of form and of flow. Raises `OSError` when it cannot be read."""
    plan, faults = parse(file)
    return faults if plan is None else [*faults, *check(plan, prompts)]


def check(plan: Dialplan, prompts: Prompts) -> list[Fault]:
    """Every fault of a flow. `prompts`: the ids recorded, by language."""
    faults = [
        *_missing_targets(plan),
        *_missing_prompts(plan, prompts),
        *_content(plan),
    ]
    # Where an arrow leads nowhere, what lies behind it is unknown, not wrong.
    if not plan.broken and not any(True for _ in _missing_targets(plan)):
        faults += [*_unreachable(plan), *_endless(plan)]
    return sorted(faults, key=lambda fault: fault.line or 0)


def _missing_targets(plan: Dialplan) -> Iterator[Fault]:
    known = frozenset(plan.nodes) | plan.broken
    for path, leaving in _all_exits(plan):
        if leaving.target not in known:
            what = f"no node is called {leaving.target}; {suggestion(leaving.target, known)}"
            yield plan.source.fault(path, what)


def _missing_prompts(plan: Dialplan, prompts: Prompts) -> Iterator[Fault]:
    for language in plan.settings.languages:
        if language not in prompts:
            known = ", ".join(sorted(prompts))
            what = f"there are no prompts in {language}; take it out, or record it ({known} exist)"
            yield plan.source.fault(("languages",), what)
    languages = [language for language in plan.settings.languages if language in prompts]
    for path, use in _all_prompts(plan):
        missing = [language for language in languages if use.prompt not in prompts[language]]
        if missing:
            yield plan.source.fault(path, _no_prompt(use.prompt, missing, prompts))
    for language in languages:
        for path, needed in _spoken_vocabulary(plan, language):
            unspoken = sorted(needed - prompts[language])
            if unspoken:
                listed = ", ".join(unspoken[:3]) + (" …" if len(unspoken) > 3 else "")
                what = (
                    f"needs prompts that do not exist in {language}: {listed}; "
                    f"add them to prompts/{language}/catalogue.yaml"
                )
                yield plan.source.fault(path, what)


def _no_prompt(prompt: str, missing: Sequence[str], prompts: Prompts) -> str:
    elsewhere = sorted(language for language, ids in prompts.items() if prompt in ids)
    close = "" if elsewhere else f"{suggestion(prompt, prompts[missing[0]])} Otherwise "
    return (
        f"no prompt {prompt} in {' and '.join(missing)}; {close}add it to "
        + " and ".join(f"prompts/{language}/catalogue.yaml" for language in missing)
        + (f" (it exists in {' and '.join(elsewhere)})" if elsewhere else "")
    )


def _content(plan: Dialplan) -> Iterator[Fault]:
    for name, node in plan.nodes.items():
        path: KeyPath = ("nodes", name)
        if isinstance(node, Menu) and len(node.options) > MAX_OPTIONS:
            what = f"{len(node.options)} options; keep {MAX_OPTIONS}, move the rest to another menu"
            yield plan.source.fault((*path, "options"), what)
        elif isinstance(node, Collect) and not set(node.lengths) <= LENGTHS[node.into]:
            lengths = " or ".join(str(length) for length in sorted(LENGTHS[node.into]))
            yield plan.source.fault(
                (*path, "lengths"), f"a {node.into} has {lengths} digits; write [{lengths}]"
            )
        elif isinstance(node, Branch):
            yield from _branch_cases(plan, path, node)
        elif isinstance(node, ServiceGate) and node.service not in SERVICES:
            what = f"no service is called {node.service}; {suggestion(node.service, SERVICES)}"
            yield plan.source.fault((*path, "service"), what)


def _branch_cases(plan: Dialplan, path: KeyPath, node: Branch) -> Iterator[Fault]:
    answers = QUESTION_ANSWERS.get(node.by)
    for case in node.cases:
        if answers is None:
            wrong = case != "none" and not (len(case) == 3 and case.isdigit())
            hint = "write the 3 digits of a Caf in quotes, or none"
        else:
            wrong, hint = case not in answers, suggestion(case, answers)
        if wrong:
            yield plan.source.fault((*path, "cases", case), f"{node.by} is never {case}; {hint}")


def unreachable(plan: Dialplan) -> frozenset[str]:
    """The nodes that no way leads to."""
    reached = _reachable(plan, [leaving.target for leaving in plan.settings.exits()])
    return frozenset(plan.nodes) - reached


def dead_ends(plan: Dialplan) -> frozenset[str]:
    """The nodes from which no key leads to the end of the call."""
    arrows = _chosen_arrows(plan)
    ending = {name for name, node in plan.nodes.items() if node.ends}
    grew = True
    while grew:
        more = {name for name in arrows if ending.intersection(arrows[name])} - ending
        ending |= more
        grew = bool(more)
    return frozenset(plan.nodes) - ending


def _chosen_arrows(plan: Dialplan) -> dict[str, list[str]]:
    """Where a caller who answers can get to from each node."""
    arrows = {
        name: [leaving.target for leaving in node.exits() if leaving.way is not Way.GIVING_UP]
        for name, node in plan.nodes.items()
    }
    advisor = plan.settings.advisor
    for name, node in plan.nodes.items():
        if isinstance(node, Menu) and advisor is not None and "0" not in node.options:
            arrows[name].append(advisor)
    return arrows


def _unreachable(plan: Dialplan) -> Iterator[Fault]:
    unreached = unreachable(plan)
    for name in plan.nodes:
        if name in unreached:
            yield plan.source.fault(("nodes", name), "no way leads here; lead to it, or remove it")


def _endless(plan: Dialplan) -> Iterator[Fault]:
    """Loops that ask the caller nothing, and nodes from which no key leads to an end."""
    arrows, stuck = _chosen_arrows(plan), dead_ends(plan)
    told: set[str] = set()
    # A way out is added where the caller is asked: those come first.
    in_order = [name for name in plan.nodes if name in stuck]
    for name in sorted(in_order, key=lambda name: not plan.nodes[name].asks):
        # Of nodes that lead to one another all are stuck; where they end up is where to mend it.
        ahead = _walk(arrows, [name], set(stuck))
        comes_back = all(name in _walk(arrows, [each], set(stuck)) for each in ahead)
        if name not in told and comes_back:
            told |= ahead
            others = "".join(f" or at {each}" for each in sorted(ahead - {name}))
            what = (
                "no key leads from here to the end of the call; "
                "add a way to hang_up or transfer" + (f", here{others}" if others else "")
            )
            yield plan.source.fault(("nodes", name), what)
    silent = {name for name, node in plan.nodes.items() if not node.asks} - stuck
    for name in plan.nodes:
        if name in silent and name in _walk(arrows, arrows[name], silent):
            what = "a loop that asks the caller nothing; put a menu or a collect in it"
            yield plan.source.fault(("nodes", name), what)


def _reachable(plan: Dialplan, start: list[str]) -> set[str]:
    arrows = {
        name: [leaving.target for leaving in node.exits()] for name, node in plan.nodes.items()
    }
    return _walk(arrows, start, set(plan.nodes))


def _walk(arrows: Mapping[str, list[str]], start: list[str], within: set[str]) -> set[str]:
    reached: set[str] = set()
    ahead = [name for name in start if name in within]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += [target for target in arrows[name] if target in within]
    return reached


def _all_exits(plan: Dialplan) -> Iterator[tuple[KeyPath, Exit]]:
    for leaving in plan.settings.exits():
        yield leaving.path, leaving
    for name, node in plan.nodes.items():
        for leaving in node.exits():
            yield ("nodes", name, *leaving.path), leaving


def _all_prompts(plan: Dialplan) -> Iterator[tuple[KeyPath, PromptUse]]:
    for use in plan.settings.prompts_used():
        yield use.path, use
    for name, node in plan.nodes.items():
        for use in node.prompts_used():
            yield ("nodes", name, *use.path), use


def _spoken_vocabulary(plan: Dialplan, language: str) -> Iterator[tuple[KeyPath, frozenset[str]]]:
    for name, node in plan.nodes.items():
        if isinstance(node, Say):
            yield ("nodes", name, "what"), vocabulary(language) | MATTER_PROMPTS[node.what]

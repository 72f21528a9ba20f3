"""YAML files that people write, read with the line of every key, so that a fault can name it.

Shared by everything that reads a file of the operator (configuration, dialplans, catalogues).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_KEYS = 20_000
"""Keys and items in one file, counted again wherever an alias repeats them."""

UNKNOWN_KEY = "unknown key; remove it or correct its spelling"
WAYS_OUT = {
    "input should be a valid string": "; write it in quotes",
    "input should be a valid list": "; write it in brackets: [one, two]",
    "input should be a valid dictionary": "; write its keys below it, indented",
    "input should be a valid dictionary or object to extract fields from": (
        "; write its keys below it, indented"
    ),
}
"""What pydantic leaves to the reader to guess."""
NO_NETWORK = "is no network; give one such as 198.51.100.0/24"
_PYTHON = re.compile(r" or instance of \w+$")
_SEQUENCE = re.compile(r"valid (tuple|frozenset)")
_NO_NETWORK = re.compile(r"input is not a valid IPv[46] network")
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a file: where, which key, what, and how to mend it.

    `line` is None for what is no line of a file, such as a variable of the environment.
    """

    file: Path
    line: int | None
    key: str
    what: str

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        told = f"{place}: {self.key}: {self.what}" if self.key else f"{place}: {self.what}"
        # A quoted name may run over several lines; what is told of it is one.
        return told if told.isprintable() else " ".join(told.split())


class YamlFaults(Exception):  # noqa: N818 - it carries faults, each with its own line
    """A file that cannot be used; `faults` has one entry for each thing wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class LocatedYaml:
    """The content of a YAML file and the line of each key in it (1-based, by path)."""

    file: Path
    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: Iterable[str | int]) -> int:
        """The line of `path`, or of the nearest thing above it that is in the file."""
        keys = tuple(path)
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)

    def fault(self, path: Sequence[str | int], what: str) -> Fault:
        """A fault at `path` (its keys from the top of the file)."""
        return Fault(self.file, self.line(path), ".".join(str(part) for part in path), what)

    def section(self, key: str) -> "LocatedYaml":
        """What stands under a top-level `key`, its lines kept; an empty mapping where absent."""
        data = self.data.get(key) if isinstance(self.data, dict) else None
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        return LocatedYaml(self.file, {} if data is None else data, lines)

    def faults(self, error: ValidationError) -> list[Fault]:
        """What pydantic found, as faults of this file."""
        return [fault for _, fault in self.located_faults(error)]

    def located_faults(self, error: ValidationError) -> list[tuple[KeyPath, Fault]]:
        """The same, each with pydantic's location of it. A key that is unknown and resembles one
        that is missing is one slip, and one fault; so is a list that is too short for the faults
        of what is in it."""
        found = _without_consequences(error.errors(include_input=False))
        missing = [each["loc"] for each in found if each["type"] == "missing"]
        meant = {
            each["loc"]: near[0]
            for each in found
            if each["type"] == "extra_forbidden"
            and (near := get_close_matches(str(each["loc"][-1]), _beside(each["loc"], missing)))
        }
        told = {(*place[:-1], name) for place, name in meant.items()}
        faults: dict[Fault, KeyPath] = {}
        for each in found:
            if each["loc"] not in told:
                # What is one of two kinds of network is refused as both, in the same words.
                faults.setdefault(self._fault_of(each, meant.get(each["loc"], "")), each["loc"])
        return [(location, fault) for fault, location in faults.items()]

    def _fault_of(self, details: ErrorDetails, meant: str) -> Fault:
        path = self._known_path(details["loc"])
        if meant:
            return self.fault(path, f"unknown key; did you mean {meant}?")
        if details["type"] == "extra_forbidden":
            return self.fault(path, UNKNOWN_KEY)
        if details["type"] == "missing":
            return self.fault(path, "missing; add it")
        message = details["msg"].removeprefix("Value error, ")
        message = _PYTHON.sub("", message[:1].lower() + message[1:])
        message = _SEQUENCE.sub("valid list", message)
        if _NO_NETWORK.fullmatch(message):
            return self.fault(path, NO_NETWORK)
        # What is wrong between sections names its place itself: "sip.trunks: …".
        named = tuple(message.partition(": ")[0].split("."))
        if not path and named in self.lines:
            return self.fault(named, message.partition(": ")[2])
        return self.fault(path, message + WAYS_OUT.get(message, ""))

    def _known_path(self, location: Sequence[str | int]) -> KeyPath:
        """Pydantic's location without the names of union members that it mixes in."""
        path: KeyPath = ()
        for position, part in enumerate(location):
            last = position == len(location) - 1 and "[" not in str(part)
            if (*path, part) in self.lines or last:
                path = (*path, part)
        return path


def _without_consequences(found: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Pydantic counts as items those alone that it could read."""
    within = {each["loc"][:length] for each in found for length in range(len(each["loc"]))}
    return [each for each in found if each["type"] != "too_short" or each["loc"] not in within]


def _beside(place: Sequence[str | int], others: Sequence[Sequence[str | int]]) -> list[str]:
    """The last keys of those that stand where `place` does."""
    return [str(other[-1]) for other in others if tuple(other[:-1]) == tuple(place[:-1])]


def read(file: Path) -> LocatedYaml:
    """Read one YAML document. Raises `YamlFaults` for text that is no YAML, a key given twice or a
    date that is none, OSError when the file cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        what = "this is not UTF-8 text; save the file as UTF-8"
        raise YamlFaults([Fault(file, 1, "", what)]) from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        found = _Locator(file, loader)
        if node is not None:
            found.walk(node)
        if found.faults:
            raise YamlFaults(found.faults)
        data = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or "this is not YAML"
        problem = " ".join(problem.split())
        raise YamlFaults([Fault(file, line, "", f"{problem}; mend the YAML here")]) from error
    except RecursionError as error:
        what = "nested too deeply; nothing here needs that"
        raise YamlFaults([Fault(file, None, "", what)]) from error
    return LocatedYaml(file, data, found.lines)


@dataclass
class _Locator:
    """Walks a document: the line of each key, and what is wrong with one whatever it means."""

    file: Path
    loader: yaml.SafeLoader
    lines: dict[KeyPath, int] = field(default_factory=lambda: {(): 1})
    faults: list[Fault] = field(default_factory=list)

    def walk(self, node: yaml.Node, path: KeyPath = ()) -> None:
        """`path`: where `node` stands. Raises `YamlFaults` for more than `MAX_KEYS`."""
        if len(self.lines) > MAX_KEYS:
            what = f"more than {MAX_KEYS} keys, aliases undone; nothing here needs that many"
            raise YamlFaults([Fault(self.file, node.start_mark.line + 1, "", what)])
        if isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[(*path, index)] = item.start_mark.line + 1
                self.walk(item, (*path, index))
        else:
            self._construct(node, path)

    def _walk_mapping(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            place, line = (*path, key), key_node.start_mark.line + 1
            if key in seen:
                self._blame(line, place, f"given twice, first on line {seen[key]}; keep one")
            seen[key] = self.lines[place] = line
            if isinstance(key_node, yaml.ScalarNode):  # else YAML itself refuses it
                self._construct(key_node, place)
            self.walk(value_node, place)

    def _construct(self, node: yaml.Node, path: KeyPath) -> None:
        """YAML takes 2026-13-45 for a date, and then finds that it is none."""
        try:
            self.loader.construct_object(node)
        except ValueError as error:
            what = f"this is not what it seems ({error}); correct or quote it"
            self._blame(node.start_mark.line + 1, path, what)

    def _blame(self, line: int, path: KeyPath, what: str) -> None:
        self.faults.append(Fault(self.file, line, ".".join(str(part) for part in path), what))

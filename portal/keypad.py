"""The keypad on the screen: ten keys in random order, of which only positions are sent.

The order belongs to one form token and is known to this process alone; a request tells nothing of
what was keyed. Keys fill the entries of a page one after the other (a password and the same again),
and work as submit buttons where there is no script.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from auth_core import Secret

LONGEST = 8
KEYS = 10
_DIGITS = "0123456789"


def order_of(seed: bytes) -> tuple[str, ...]:
    """The ten digits in the order of their keys, drawn from an unguessable `seed`."""
    digits = list(_DIGITS)
    # The seed is a keyed hash of 256 bits, so that the order cannot be told without it.
    Random(seed).shuffle(digits)  # noqa: S311
    return tuple(digits)


@dataclass(frozen=True, slots=True)
class Entry:
    """One secret being keyed: positions of keys, or digits typed on a keyboard instead."""

    name: str
    positions: tuple[int, ...] = field(default=(), repr=False)
    typed: str = field(default="", repr=False)

    @property
    def written(self) -> str:
        """The positions as the form carries them."""
        return "".join(map(str, self.positions))

    def digits(self, order: Sequence[str]) -> str:
        """What was typed, else what was keyed."""
        return self.typed or "".join(order[position] for position in self.positions)

    def length(self) -> int:
        return len(self.typed) or len(self.positions)


@dataclass(frozen=True, slots=True)
class Keypad:
    """A keypad as a page shows it: the order of its keys, and the entries that they fill."""

    order: tuple[str, ...] = field(repr=False)
    entries: tuple[Entry, ...]

    @classmethod
    def fresh(cls, seed: bytes, names: Sequence[str]) -> "Keypad":
        return cls(order_of(seed), tuple(Entry(name) for name in names))

    @classmethod
    def sent(cls, seed: bytes, names: Sequence[str], form: Mapping[str, str]) -> "Keypad":
        """The keypad of a form that was sent back: `<name>.keys` and `<name>.typed`."""
        return cls(order_of(seed), tuple(_entry(name, form) for name in names))

    @property
    def active(self) -> Entry:
        """Which entry the next key goes to: the first that is not full."""
        return next((e for e in self.entries if len(e.positions) < LONGEST), self.entries[-1])

    def secret(self, name: str) -> Secret:
        return Secret(self[name].digits(self.order))

    def alike(self, one: str, other: str) -> bool:
        """Whether two entries hold the same."""
        digits = [self[name].digits(self.order).encode() for name in (one, other)]
        return hmac.compare_digest(*digits)

    def __getitem__(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    def pressed(self, key: str) -> "Keypad":
        """After one more key, given as its position; what is no key, or one too many, is none."""
        active = self.active
        if key not in tuple(_DIGITS) or len(active.positions) >= LONGEST:
            return self
        return self._with(Entry(active.name, (*active.positions, int(key)), active.typed))

    def cleared(self) -> "Keypad":
        """Without the last entry that holds anything."""
        for entry in reversed(self.entries):
            if entry.positions:
                return self._with(Entry(entry.name, (), entry.typed))
        return self

    def _with(self, changed: Entry) -> "Keypad":
        entries = tuple(changed if e.name == changed.name else e for e in self.entries)
        return Keypad(self.order, entries)


def _entry(name: str, form: Mapping[str, str]) -> Entry:
    keys = form.get(f"{name}.keys", "")
    if not (keys.isascii() and keys.isdigit()):
        keys = ""
    typed = "".join(form.get(f"{name}.typed", "").split())
    return Entry(name, tuple(int(key) for key in keys[:LONGEST]), typed[: LONGEST * 2])

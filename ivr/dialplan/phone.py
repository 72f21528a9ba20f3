"""The only sight that a dialplan has of a call: play, collect, transfer, hang up.

A telephone, the terminal simulator and the tests each implement `Phone`; the same flow runs on all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class CallEnded(Exception):  # noqa: N818 - an end of call is not an error
    """The other side left; raised by the `Phone` method under way and by every one after it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a caller may key at one prompt, and how long we wait (DOMAIN: on the telephone).

    `lengths`: numbers of digits that make a complete entry; the greatest submits at once, a
    smaller one on `#` or on the inter-digit time-out. Empty for a menu.
    `keys`: keys that answer by themselves when nothing has been keyed before them (menu options,
    `#` alone); `*` in it answers at any point of the entry.
    `first_digit`, `inter_digit`: seconds; the first runs from the end of the prompt.
    `voice`: a caller who talks instead of keying is heard, and answers `Heard.VOICE`.
    `fresh`: what was keyed before this prompt is thrown away: it answered another question (after
    a refusal or a wrong key). `Collector.begin` sees to it.
    """

    lengths: frozenset[int] = frozenset()
    keys: frozenset[str] = frozenset()
    first_digit: float = 7.0
    inter_digit: float = 4.0
    fresh: bool = False
    voice: bool = False


class Heard(StrEnum):
    """How a collection ended."""

    ENTRY = "entry"  # a complete entry
    KEY = "key"  # one of `Entry.keys`
    SILENCE = "silence"  # nothing within `first_digit`
    VOICE = "voice"  # the caller talks and has keyed nothing (`Entry.voice`)
    ERROR = "error"  # a key that is no option, or an entry of no accepted length


class TransferOutcome(StrEnum):
    """How a transfer ended."""

    TAKEN = "taken"  # the call is with whom it was meant for
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NOT_POSSIBLE = "not_possible"  # the caller's side does not transfer calls
    REFUSED = "refused"  # anything else


@dataclass(frozen=True, slots=True)
class Collected:
    """One answer. `keys` may be a secret: it never shows in a representation."""

    heard: Heard
    keys: str = field(default="", repr=False)


class Phone(Protocol):
    """One call, as a dialplan sees it. Every method raises `CallEnded` once the caller has left."""

    async def speak(self, language: str) -> None:
        """Prompts from now on are in `language` ("fr" or "en")."""

    async def play(
        self, prompts: Sequence[str], *, barge_in: bool = True, discard_keys: bool = False
    ) -> None:
        """Play prompts by id, one after the other; return at their end or at a key (`barge_in`).

        Keys pressed meanwhile are kept for the next `collect`, and prompts with `barge_in` are not
        begun while keys pressed ahead wait for it. With `discard_keys` the prompts are begun
        whatever waits, and no key pressed before or meanwhile is left after them.
        """

    async def collect(self, prompts: Sequence[str], entry: Entry) -> Collected:
        """Play prompts (a key stops them) and gather one answer, keys pressed ahead included."""

    async def transfer(
        self, target: str, headers: Sequence[tuple[str, str]] = ()
    ) -> TransferOutcome:
        """Blind transfer by REFER (RFC 3515); returns when it has succeeded or failed."""

    async def hang_up(self) -> None:
        """End the call from our side, after what plays has been heard."""

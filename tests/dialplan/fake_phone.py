"""A telephone with a clock of its own: no sound, no waiting, the real collector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ivr.dialplan.collector import Collector
from ivr.dialplan.phone import CallEnded, Collected, Entry, TransferOutcome

PROMPT_SECONDS = 3.0
"""How long each prompt lasts."""


class Act(Enum):
    """What a caller may do besides pressing a key."""

    WAIT = "says nothing until the question is over"
    LISTEN = "listens until the prompts under way are over"
    TALK = "talks for a second"
    LEAVE = "hangs up"


Doing = str | Act


@dataclass(slots=True)
class Caller:
    """What the caller does, in order. A key is pressed `pace` seconds after what came before.

    At the end of the list the caller stays silent.
    """

    doings: list[Doing]
    pace: float = 0.3

    @classmethod
    def keying(cls, *parts: str | Act, pace: float = 0.3) -> "Caller":
        """Parts of text are keyed key by key."""
        doings: list[Doing] = []
        for part in parts:
            doings.extend(part if isinstance(part, str) else [part])
        return cls(doings, pace)


@dataclass(slots=True)
class FakePhone:
    """`heard`: every prompt that began, in order. `now`: seconds of virtual time."""

    caller: Caller
    transfer_ends: TransferOutcome = TransferOutcome.TAKEN
    now: float = 0.0
    heard: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    transfers: list[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    questions: list[Entry] = field(default_factory=list, repr=False)
    hung_up: bool = False
    left: bool = False
    collector: Collector = field(default_factory=Collector)

    async def speak(self, language: str) -> None:
        self._still_here()
        self.languages.append(language)

    async def play(
        self, prompts: Sequence[str], *, barge_in: bool = True, discard_keys: bool = False
    ) -> None:
        self._still_here()
        if discard_keys or not (barge_in and self.collector.waiting):
            self._play(prompts, barge_in=barge_in)
        if discard_keys:
            self.collector.discard()

    async def collect(self, prompts: Sequence[str], entry: Entry) -> Collected:
        self._still_here()
        self.questions.append(entry)
        self.collector.begin(entry, self.now)
        answer = self.collector.advance(self.now)
        if answer is None and not self.collector.keying:
            self.collector.prompt_started(self.now)
            self._play(prompts, barge_in=True)
            self.collector.prompt_ended(self.now)
            answer = self.collector.advance(self.now)
        while answer is None:
            if self._next() in (None, Act.WAIT):
                deadline = self.collector.next_deadline()
                assert deadline is not None
                self.now = deadline
            else:
                self._do(self.caller.doings.pop(0))
            answer = self.collector.advance(self.now)
        if self._next() is Act.WAIT:
            self.caller.doings.pop(0)
        return answer

    async def transfer(
        self, target: str, headers: Sequence[tuple[str, str]] = ()
    ) -> TransferOutcome:
        self._still_here()
        self.transfers.append((target, tuple(headers)))
        return self.transfer_ends

    async def hang_up(self) -> None:
        self._still_here()
        self.hung_up = True

    def _play(self, prompts: Iterable[str], *, barge_in: bool) -> None:
        for prompt in prompts:
            self.heard.append(prompt)
            end = self.now + PROMPT_SECONDS
            while self._next() not in (None, Act.LISTEN, Act.WAIT):
                if self._next() is not Act.LEAVE and self.now + self.caller.pace >= end:
                    break
                if self._do(self.caller.doings.pop(0)) and barge_in:
                    return
            self.now = end
        if self._next() is Act.LISTEN:
            self.caller.doings.pop(0)

    def _next(self) -> Doing | None:
        return self.caller.doings[0] if self.caller.doings else None

    def _do(self, doing: Doing) -> bool:
        """Returns whether it was a key that counts."""
        if doing is Act.LEAVE:
            self.left = True
            raise CallEnded
        if doing is Act.TALK:
            self.now += 1.0
            self.collector.spoke()
        if isinstance(doing, str):
            self.now += self.caller.pace
            return self.collector.press(doing, self.now)
        return False

    def _still_here(self) -> None:
        if self.left or self.hung_up:
            raise CallEnded

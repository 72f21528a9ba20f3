"""The vocabulary of dialplans: one model for each kind of node, registered under its name in YAML.

What a node does in a call is the handler of the same kind in `handlers.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from auth_core.yamlfile import KeyPath


class Way(StrEnum):
    """What makes a caller leave a node by an exit."""

    FLOW = "flow"  # the node did its work, or judged
    KEY = "key"  # the caller chose it
    GIVING_UP = "giving_up"  # the caller answered nothing, or nothing usable, too often


@dataclass(frozen=True, slots=True)
class Exit:
    """An arrow out of a node. `path`: the key that names the target, within the node."""

    path: KeyPath
    target: str
    way: Way = Way.FLOW


@dataclass(frozen=True, slots=True)
class PromptUse:
    """A prompt that a node names, and the key that names it, within the node."""

    path: KeyPath
    prompt: str


class Model(BaseModel):
    """What an operator writes: nothing but the keys that there are."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Node(Model):
    """What every node has. `note` says in the operator's words what happens there."""

    asks: ClassVar[bool] = False
    """The node waits for the caller: a loop through it is not endless."""

    ends: ClassVar[bool] = False
    """The call may end here."""

    kind: str
    """What the node does."""
    note: str = ""
    """What happens there, in your own words."""

    def exits(self) -> Iterator[Exit]:
        """The arrows out: by default every field that holds the name of a node."""
        for name in self.target_fields:
            target = getattr(self, name)
            if target is not None:
                yield Exit((name,), target)

    def prompts_used(self) -> Iterator[PromptUse]:
        """The prompts that this node names: by default every field that lists prompts."""
        for name in self.prompt_fields:
            for index, prompt in enumerate(getattr(self, name)):
                yield PromptUse((name, index), prompt)

    target_fields: ClassVar[tuple[str, ...]] = ("next",)
    prompt_fields: ClassVar[tuple[str, ...]] = ("prompts",)


NodeKind = TypeVar("NodeKind", bound=type[Node])
NODE_KINDS: dict[str, type[Node]] = {}
"""The vocabulary: each kind of node by its name in YAML."""


def node_kind(name: str) -> Callable[[NodeKind], NodeKind]:
    """Register a model as the kind of node called `name`."""

    def register(model: NodeKind) -> NodeKind:
        NODE_KINDS[name] = model
        return model

    return register


@node_kind("play")
class Play(Node):
    """Say something."""

    prompts: list[str] = Field(min_length=1)
    """What is said."""
    barge_in: bool = True
    """false: a key does not stop it (legal notices)."""
    discard_keys: bool = False
    """true: keys before its end are lost."""
    next: str
    """The next node."""


class _Asking(Node):
    """A question, asked again after silence or a wrong answer as often as `retries` allow."""

    asks: ClassVar[bool] = True
    prompt_fields: ClassVar[tuple[str, ...]] = ("prompts", "on_error")

    prompts: list[str] = Field(min_length=1)
    """The question."""
    fresh: bool = False
    """true: keys pressed before the question do not answer it."""
    on_error: list[str] = []
    """What is said before asking again after a wrong answer."""
    silence: str | None = None
    """The node for who keys nothing, instead of give_up."""
    errors: str | None = None
    """The node for who keys nothing usable, instead of give_up."""

    def exits(self) -> Iterator[Exit]:
        for name, target in (("silence", self.silence), ("errors", self.errors)):
            if target is not None:
                yield Exit((name,), target, Way.GIVING_UP)


class Datum(StrEnum):
    """What a `collect` may ask for."""

    POSTAL_CODE = "postal_code"
    MATRICULE = "matricule"
    SECRET = "secret"  # noqa: S105 - a name, not a secret
    BIRTH_DAY_MONTH = "birth_day_month"


@node_kind("collect")
class Collect(_Asking):
    """Ask for digits. Without `*` among its keys, `*` asks again. A postal code of no known Caf is
    an error."""

    prompt_fields: ClassVar[tuple[str, ...]] = ("prompts", "on_error", "unknown")

    into: Datum
    """What is asked for."""
    lengths: list[int] = Field(min_length=1)
    """How many digits make an answer."""
    keys: dict[Literal["*", "#"], str] = {}
    """Where "*", and "#" alone, lead."""
    unknown: list[str] = []
    """What is said of a postal code of no known Caf, instead of on_error."""
    next: str
    """The node after an answer."""

    def exits(self) -> Iterator[Exit]:
        yield Exit(("next",), self.next, Way.KEY)
        for key, target in self.keys.items():
            yield Exit(("keys", key), target, Way.KEY)
        yield from super().exits()


class Option(Model):
    """One choice of a menu."""

    say: str | None = None
    """The prompt that offers it."""
    go: str
    """The node that it leads to."""


@node_kind("menu")
class Menu(_Asking):
    """Offer a choice of keys. Without `*` among them, `*` repeats; without `0`, `0` asks for an
    advisor where the flow names one."""

    options: dict[Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"], Option] = (
        Field(min_length=1)
    )
    """At most 5: "1": {say: prompt, go: node}."""

    def exits(self) -> Iterator[Exit]:
        for key, option in self.options.items():
            yield Exit(("options", key, "go"), option.go, Way.KEY)
        yield from super().exits()

    def prompts_used(self) -> Iterator[PromptUse]:
        yield from super().prompts_used()
        for key, option in self.options.items():
            if option.say is not None:
                yield PromptUse(("options", key, "say"), option.say)


@node_kind("authenticate")
class Authenticate(Node):
    """Try the secret that was keyed."""

    target_fields: ClassVar[tuple[str, ...]] = (
        "granted",
        "refused",
        "exhausted",
        "expired_pin",
        "expired_password",
        "expired_provisional",
    )
    prompt_fields: ClassVar[tuple[str, ...]] = ()

    tries: int = Field(default=3, ge=1, le=3)
    """Refusals in one call before `exhausted`."""
    granted: str
    """The caller is in."""
    refused: str
    """The secret does not open the file."""
    exhausted: str
    """No try is left in this call."""
    expired_pin: str
    """A right code whose time is over."""
    expired_password: str
    """A right password that is too old."""
    expired_provisional: str
    """A right provisional password that is too old."""


@node_kind("lost_password")
class LostPassword(Node):
    """Ask for a provisional password, by the way that the caller chose."""

    prompt_fields: ClassVar[tuple[str, ...]] = ()

    by: Literal["sms", "letter"]
    """How the provisional password travels."""
    next: str
    """The next node."""


class Matter(StrEnum):
    """What a `say` may tell."""

    PAYMENTS = "payments"  # each with its date, benefit and amount
    REQUESTS = "requests"  # each with its name, state and date
    LAST_LOGIN = "last_login"  # its date, and how many tries failed since
    OPENING_HOURS = "opening_hours"
    TODAY = "today"


@node_kind("say")
class Say(Node):
    """Tell something of the caller's file or of the line."""

    prompt_fields: ClassVar[tuple[str, ...]] = ("prompts", "nothing")

    what: Matter
    """The matter."""
    prompts: list[str] = []
    """What leads to it."""
    nothing: list[str] = []
    """What is said when there is nothing to tell."""
    next: str
    """The next node."""


class Question(StrEnum):
    """What a `branch` may look at."""

    LINE_CAF = "line_caf"  # the Caf of the line dialled (3 digits), or none
    CAF = "caf"  # the Caf known so far (3 digits), by the line or the postal code, or none
    CALLER = "caller"  # anonymous, authenticated, or exhausted (no try left)
    SECRET = "secret"  # noqa: S105 - pin, password, provisional, or none before authentication
    STATUS = "status"  # applicant, affiliated, or none before authentication
    LANGUAGE = "language"


QUESTION_ANSWERS: Mapping[Question, frozenset[str]] = {
    Question.CALLER: frozenset({"anonymous", "authenticated", "exhausted"}),
    Question.SECRET: frozenset({"pin", "password", "provisional", "none"}),
    Question.STATUS: frozenset({"applicant", "affiliated", "none"}),
    Question.LANGUAGE: frozenset({"fr", "en"}),
}
"""The answers there are, where they can be listed."""


@node_kind("branch")
class Branch(Node):
    """Go one way or another by what is known."""

    prompt_fields: ClassVar[tuple[str, ...]] = ()

    by: Question
    """What is looked at."""
    cases: dict[str, str] = Field(min_length=1)
    """Value: node."""
    otherwise: str = Field(alias="else")
    """The node for all other values."""

    def exits(self) -> Iterator[Exit]:
        for case, target in self.cases.items():
            yield Exit(("cases", case), target)
        yield Exit(("else",), self.otherwise)


@node_kind("service")
class ServiceGate(Node):
    """Whether a service is open to this caller's file."""

    target_fields: ClassVar[tuple[str, ...]] = ("available", "not_accessible", "no_information")
    prompt_fields: ClassVar[tuple[str, ...]] = ()

    service: str
    """The service."""
    available: str
    """It is open."""
    not_accessible: str
    """It is not open to this file."""
    no_information: str
    """There is nothing to tell of it for this file."""


@node_kind("certificate")
class Certificate(Node):
    """Have a certificate sent by letter."""

    prompt_fields: ClassVar[tuple[str, ...]] = ()

    next: str
    """The next node."""


@node_kind("hours")
class Hours(Node):
    """Whether advisors answer now on this line."""

    target_fields: ClassVar[tuple[str, ...]] = ("open", "closed")
    prompt_fields: ClassVar[tuple[str, ...]] = ()

    open: str
    """Advisors answer now."""
    closed: str
    """They do not."""


@node_kind("transfer")
class Transfer(Node):
    """Put the caller through to the line's advisor."""

    ends: ClassVar[bool] = True
    target_fields: ClassVar[tuple[str, ...]] = ("refused", "busy", "no_answer", "not_possible")

    prompts: list[str] = []
    """What is said before."""
    refused: str
    """The node when it fails."""
    busy: str | None = None
    """The node when all are busy, instead of refused."""
    no_answer: str | None = None
    """The node when nobody answers, instead of refused."""
    not_possible: str | None = None
    """The node when the caller's side transfers no calls, instead of refused."""


@node_kind("language")
class SwitchLanguage(Node):
    """Go on in another language."""

    prompt_fields: ClassVar[tuple[str, ...]] = ()

    to: Literal["fr", "en", "other"] = "other"
    """fr, en, or the next of the flow's languages."""
    next: str
    """The next node."""


@node_kind("hang_up")
class HangUp(Node):
    """Say goodbye and end the call."""

    ends: ClassVar[bool] = True
    target_fields: ClassVar[tuple[str, ...]] = ()

    prompts: list[str] = []
    """What is said before."""

"""What the nodes of a flow share while one call runs: the phone, the people, what is known."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import structlog

from auth_core import AuthService, Identity, Secret, Session, SessionEnded, Source
from auth_core import Channel as AuthChannel
from ivr.dialplan.hours import ALWAYS_OPEN, OpeningHours
from ivr.dialplan.phone import Collected, Entry, Heard, Phone
from ivr.dialplan.schema import Dialplan

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


class Ending(StrEnum):
    """How a flow ended by itself."""

    COMPLETED = "completed"  # we said goodbye
    TRANSFERRED = "transferred"


class SignedOut(Exception):  # noqa: N818 - told to the caller in kind words
    """The secret that let the caller in was replaced meanwhile, or the file closed."""


class Trouble(Exception):  # noqa: N818 - told to the caller in kind words, not an error of ours
    """The authentication service failed, or the flow asked it something too early."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What is known of a call before anybody speaks.

    `caf`: of the line dialled; None on the national line. `advisor`: SIP URI for transfers; None
    when there is none. `caller`: number, None when withheld. `secure`: the signalling runs over
    TLS, so that a transfer may carry Caf and matricule.
    """

    call_id: str
    line: str
    caf: str | None = None
    language: str = "fr"
    hours: OpeningHours = ALWAYS_OPEN
    advisor: str | None = None
    caller: str | None = None
    trunk: str | None = None
    secure: bool = False
    clock: Callable[[], datetime] = _now

    def source(self) -> Source:
        """The call, as the authentication service wants to know it."""
        return Source(
            channel=AuthChannel.TELEPHONE,
            caller=self.caller,
            trunk=self.trunk,
            reference=self.call_id,
        )


@dataclass(slots=True)
class Facts:
    """What is worth a record or an operator's look; readable at any time. No digit shows.

    `authenticated`: pin, password or provisional. `caf`, `matricule`: of the authenticated file.
    `node`: where the caller is, or was last. `lost_password`: whether the caller asked for another
    secret, whatever came of it.
    """

    language: str
    node: str = ""
    authenticated: str | None = None
    caf: str | None = None
    matricule: str | None = field(default=None, repr=False)
    lost_password: bool = False
    transferred_to: str | None = None
    end_reason: Ending | None = None

    @property
    def masked_matricule(self) -> str | None:
        """The last 3 digits, as records show them; None before authentication."""
        return None if self.matricule is None else self.matricule[-3:]


@dataclass(slots=True)
class Answers:
    """What the caller has keyed so far. The secret is dropped once it has been tried."""

    caf: str | None = None
    matricule: str | None = field(default=None, repr=False)
    birth_day_month: str | None = field(default=None, repr=False)
    secret: Secret | None = field(default=None, repr=False)

    def identity(self) -> Identity:
        """Whose file it is about. Raises `Trouble` when it has not been asked yet."""
        if self.caf is None or self.matricule is None:
            raise Trouble("the flow needs a Caf and a matricule before this node")
        return Identity(self.caf, self.matricule)


class GaveUp(StrEnum):
    """Why a question is not asked once more."""

    SILENCE = "silence"
    ERRORS = "errors"


class Asking(Protocol):
    """A question of the flow (`collect` and `menu` nodes)."""

    @property
    def prompts(self) -> list[str]: ...
    @property
    def on_error(self) -> list[str]: ...
    @property
    def fresh(self) -> bool: ...


@dataclass(slots=True)
class Scene:
    """One call on its way through a flow."""

    plan: Dialplan
    phone: Phone
    people: AuthService
    context: CallContext
    facts: Facts
    answers: Answers
    session: Session | None = None
    refusals: int = 0
    exhausted: bool = False
    told_to_key: bool = False

    @property
    def language(self) -> str:
        return self.facts.language

    def authenticated(self) -> Session:
        """The session. Raises `Trouble` when the flow serves a caller whom it has not let in."""
        if self.session is None:
            raise Trouble("the flow needs an authenticated caller at this node")
        return self.session

    def entry(self, lengths: Sequence[int], keys: Sequence[str], *, fresh: bool) -> Entry:
        """An entry with the flow's timers."""
        timers = self.plan.settings.timers
        return Entry(
            lengths=frozenset(lengths),
            keys=frozenset(keys),
            first_digit=timers.first_digit,
            inter_digit=timers.inter_digit,
            fresh=fresh,
            voice=bool(self.plan.settings.reminders.voice) and not self.told_to_key,
        )

    async def ask(
        self,
        question: Asking,
        lengths: Sequence[int],
        keys: Sequence[str],
        judge: Callable[[Collected], Sequence[str] | None] = lambda _: None,
    ) -> Collected | GaveUp:
        """Ask, and ask again after silence or an error as often as the flow says, counted apart. A
        caller who talks is told once to key; that counts for nothing, and the time begins anew.

        `judge` names what to say of an answer that cannot be used, an error too; None takes it.
        """
        settings = self.plan.settings
        silences = errors = 0
        prompts: Sequence[str] = question.prompts
        fresh = question.fresh
        while True:
            entry = self.entry(lengths, keys, fresh=fresh)
            answer = await self.phone.collect(prompts, entry)
            if answer.heard is Heard.VOICE:
                self.told_to_key = True
                prompts, fresh = settings.reminders.voice, False
                continue
            if answer.heard is Heard.SILENCE:
                silences += 1
                prompts, fresh = [*settings.reminders.silence, *question.prompts], False
                if silences > settings.retries.silence:
                    return GaveUp.SILENCE
                continue
            complaint = None if answer.heard is Heard.ERROR else judge(answer)
            if answer.heard is not Heard.ERROR and complaint is None:
                return answer
            errors += 1
            # What was keyed after a wrong answer was meant for another question.
            complaint = complaint or question.on_error or settings.reminders.errors
            prompts, fresh = [*complaint, *question.prompts], True
            if errors > settings.retries.errors:
                return GaveUp.ERRORS

    async def trust(self, asked: Awaitable[Result]) -> Result:
        """Await the authentication service. Raises `SignedOut` when the session is no longer good,
        `Trouble` when the service fails: a caller then hears an apology instead of silence. The
        failure itself may hold what was keyed: only its type is logged."""
        try:
            return await asked
        except SessionEnded:
            raise SignedOut from None
        except Exception as error:
            log.error(  # noqa: TRY400 - a traceback may show what was keyed
                "authentication service failed",
                call_id=self.context.call_id,
                node=self.facts.node,
                error=type(error).__name__,
            )
            raise Trouble("the authentication service failed") from None

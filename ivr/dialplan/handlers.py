"""What each kind of node does in a call: one small function per kind, registered by its model.

A handler gets the scene and its node, and returns the name of the next node, or None at the end.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from auth_core import Availability, DeliveryChoice, Outcome, Secret, SecretKind, Service, Session
from ivr.dialplan import hours, nodes
from ivr.dialplan.nodes import Datum, Matter, Question
from ivr.dialplan.phone import Collected, Heard, TransferOutcome
from ivr.dialplan.scene import Ending, GaveUp, Scene, Trouble
from ivr.dialplan.speech import SPEAKERS

REFERENCE_HEADER = "X-Auth-Reference"
CAF_HEADER = "X-Auth-Caf"
MATRICULE_HEADER = "X-Auth-Matricule"

MAX_REQUESTS_TOLD = 3
"""The newest requests of a file: more are not remembered by ear."""

log = structlog.get_logger(__name__)

Handler = Callable[[Scene, Any], Awaitable[str | None]]
NodeT = TypeVar("NodeT", bound=nodes.Node)
HANDLERS: dict[type[nodes.Node], Handler] = {}
"""The handler of each kind of node."""


def handles(
    model: type[NodeT],
) -> Callable[
    [Callable[[Scene, NodeT], Awaitable[str | None]]],
    Callable[[Scene, NodeT], Awaitable[str | None]],
]:
    """Register a function as the handler of the nodes of `model`."""

    def register(
        handler: Callable[[Scene, NodeT], Awaitable[str | None]],
    ) -> Callable[[Scene, NodeT], Awaitable[str | None]]:
        HANDLERS[model] = handler
        return handler

    return register


@handles(nodes.Play)
async def play(scene: Scene, node: nodes.Play) -> str:
    await scene.phone.play(node.prompts, barge_in=node.barge_in, discard_keys=node.discard_keys)
    return node.next


@handles(nodes.Collect)
async def collect(scene: Scene, node: nodes.Collect) -> str:
    def judge(answer: Collected) -> Sequence[str] | None:
        is_postal_code = answer.heard is Heard.ENTRY and node.into is Datum.POSTAL_CODE
        if is_postal_code and scene.people.caf_of(answer.keys) is None:
            return node.unknown or node.on_error
        return None

    ways: dict[str, str] = {"*": scene.facts.node}
    ways.update((key, target) for key, target in node.keys.items())
    answer = await scene.ask(node, node.lengths, tuple(ways), judge)
    if isinstance(answer, GaveUp):
        return _giving_up(scene, node, answer)
    if answer.heard is Heard.KEY:
        return ways[answer.keys]
    match node.into:
        case Datum.POSTAL_CODE:
            scene.answers.caf = scene.people.caf_of(answer.keys)
        case Datum.MATRICULE:
            scene.answers.matricule = answer.keys
        case Datum.BIRTH_DAY_MONTH:
            scene.answers.birth_day_month = answer.keys
        case Datum.SECRET:
            scene.answers.secret = Secret(answer.keys)
    return node.next


@handles(nodes.Menu)
async def menu(scene: Scene, node: nodes.Menu) -> str:
    advisor = scene.plan.settings.advisor
    ways: dict[str, str] = {"*": scene.facts.node}
    if advisor is not None:
        ways["0"] = advisor
    ways.update((key, option.go) for key, option in node.options.items())
    offers = [option.say for option in node.options.values() if option.say is not None]
    spoken = node.model_copy(update={"prompts": [*node.prompts, *offers]})
    answer = await scene.ask(spoken, (), tuple(ways))
    if isinstance(answer, GaveUp):
        return _giving_up(scene, node, answer)
    return ways[answer.keys]


def _giving_up(scene: Scene, node: nodes.Collect | nodes.Menu, why: GaveUp) -> str:
    if why is GaveUp.SILENCE:
        return node.silence or scene.plan.settings.give_up.silence
    return node.errors or scene.plan.settings.give_up.errors


@handles(nodes.Authenticate)
async def authenticate(scene: Scene, node: nodes.Authenticate) -> str:
    identity = scene.answers.identity()
    secret, scene.answers.secret = scene.answers.secret, None
    if scene.refusals >= node.tries:
        return node.exhausted
    if secret is None:
        raise Trouble("the flow needs a secret before this node")
    verdict = await scene.trust(scene.people.authenticate(identity, secret, scene.context.source()))
    log.info(
        "tried to come in",
        call_id=scene.context.call_id,
        outcome=verdict.outcome.value,
        secret=verdict.kind and verdict.kind.value,
    )
    match verdict.outcome:
        case Outcome.GRANTED if verdict.session is not None:
            scene.session = verdict.session
            scene.facts.authenticated = verdict.session.kind.value
            scene.facts.caf = verdict.session.caf
            scene.facts.matricule = verdict.session.matricule
            return node.granted
        case Outcome.EXPIRED:
            if verdict.kind is SecretKind.PIN:
                return node.expired_pin
            if verdict.kind is SecretKind.PROVISIONAL:
                return node.expired_provisional
            return node.expired_password
        case _:
            scene.refusals += 1
            scene.exhausted = scene.refusals >= node.tries
            return node.exhausted if scene.exhausted else node.refused


@handles(nodes.LostPassword)
async def lost_password(scene: Scene, node: nodes.LostPassword) -> str:
    identity = scene.answers.identity()
    birth_day_month = scene.answers.birth_day_month
    if birth_day_month is None:
        raise Trouble("the flow needs a day and month of birth before this node")
    scene.facts.lost_password = True
    await scene.trust(
        scene.people.request_lost_password(
            identity, birth_day_month, DeliveryChoice(node.by), scene.context.source()
        )
    )
    return node.next


@handles(nodes.Say)
async def say(scene: Scene, node: nodes.Say) -> str:
    told = await _TELLERS[node.what](scene)
    prompts = [*node.prompts, *told] if told else node.nothing
    if prompts:
        await scene.phone.play(prompts)
    return node.next


async def _payments(scene: Scene) -> list[str]:
    speaker = SPEAKERS[scene.language]
    prompts: list[str] = []
    for payment in await scene.trust(scene.people.payments(scene.authenticated())):
        prompts += speaker.date(payment.date)
        prompts.append(f"benefit_{payment.benefit.value}")
        prompts += speaker.amount(payment.amount)
    return prompts


async def _requests(scene: Scene) -> list[str]:
    speaker = SPEAKERS[scene.language]
    prompts: list[str] = []
    requests = await scene.trust(scene.people.requests(scene.authenticated()))
    for request in requests[:MAX_REQUESTS_TOLD]:
        prompts.append(f"request_{request.kind.value}")
        prompts += speaker.date(request.date)
        prompts.append(f"state_{request.state.value}")
    return prompts


async def _last_login(scene: Scene) -> list[str]:
    session = scene.authenticated()
    if session.last_login is None:
        return []
    speaker = SPEAKERS[scene.language]
    prompts = speaker.date(session.last_login.astimezone(hours.PARIS).date())
    if session.failures_since:
        failures = "try_failed" if session.failures_since == 1 else "tries_failed"
        prompts += ["since_then", *speaker.number(session.failures_since), failures]
    return prompts


async def _opening_hours(scene: Scene) -> list[str]:
    return hours.spoken(scene.context.hours, scene.language)


async def _today(scene: Scene) -> list[str]:
    return SPEAKERS[scene.language].date(scene.context.clock().astimezone(hours.PARIS).date())


_TELLERS: Mapping[Matter, Callable[[Scene], Awaitable[list[str]]]] = {
    Matter.PAYMENTS: _payments,
    Matter.REQUESTS: _requests,
    Matter.LAST_LOGIN: _last_login,
    Matter.OPENING_HOURS: _opening_hours,
    Matter.TODAY: _today,
}


@handles(nodes.Branch)
async def branch(scene: Scene, node: nodes.Branch) -> str:
    return node.cases.get(_answer(scene, node.by), node.otherwise)


def _answer(scene: Scene, question: Question) -> str:
    session = scene.session
    match question:
        case Question.LINE_CAF:
            return scene.context.caf or "none"
        case Question.CAF:
            return scene.answers.caf or "none"
        case Question.CALLER:
            if session is not None:
                return "authenticated"
            return "exhausted" if scene.exhausted else "anonymous"
        case Question.SECRET:
            return "none" if session is None else session.kind.value
        case Question.STATUS:
            return "none" if session is None else session.status.value
        case Question.LANGUAGE:
            return scene.language


@handles(nodes.ServiceGate)
async def service(scene: Scene, node: nodes.ServiceGate) -> str:
    match scene.people.availability(scene.authenticated(), Service(node.service)):
        case Availability.AVAILABLE:
            return node.available
        case Availability.NO_INFORMATION:
            return node.no_information
        case _:
            return node.not_accessible


@handles(nodes.Certificate)
async def certificate(scene: Scene, node: nodes.Certificate) -> str:
    await scene.trust(scene.people.request_certificate(scene.authenticated()))
    return node.next


@handles(nodes.Hours)
async def opening_hours(scene: Scene, node: nodes.Hours) -> str:
    context = scene.context
    caf = context.caf or scene.answers.caf
    return node.open if hours.is_open(context.hours, context.clock(), caf) else node.closed


@handles(nodes.Transfer)
async def transfer(scene: Scene, node: nodes.Transfer) -> str | None:
    target = scene.context.advisor
    if target is None:
        return node.not_possible or node.refused
    if node.prompts:
        await scene.phone.play(node.prompts)
    match await scene.phone.transfer(target, await transfer_headers(scene)):
        case TransferOutcome.BUSY:
            return node.busy or node.refused
        case TransferOutcome.NO_ANSWER:
            return node.no_answer or node.refused
        case TransferOutcome.NOT_POSSIBLE:
            return node.not_possible or node.refused
        case TransferOutcome.REFUSED:
            return node.refused
    scene.facts.transferred_to = target
    scene.facts.end_reason = Ending.TRANSFERRED
    return None


async def transfer_headers(scene: Scene) -> list[tuple[str, str]]:
    """What a REFER tells the advisor's desktop of an authenticated caller: a one-time reference,
    and Caf and matricule only where the signalling is encrypted. Nothing of anybody else."""
    session: Session | None = scene.session
    if session is None:
        return []
    headers: list[tuple[str, str]] = []
    # An advisor without a reference is better than none.
    with contextlib.suppress(Trouble):
        reference = await scene.trust(scene.people.transfer_reference(session))
        headers.append((REFERENCE_HEADER, reference))
    if scene.context.secure:
        headers += [(CAF_HEADER, session.caf), (MATRICULE_HEADER, session.matricule)]
    return headers


@handles(nodes.SwitchLanguage)
async def switch_language(scene: Scene, node: nodes.SwitchLanguage) -> str:
    languages: list[str] = list(scene.plan.settings.languages)
    language: str = node.to
    if language == "other":
        after = languages.index(scene.language) + 1 if scene.language in languages else 0
        language = languages[after % len(languages)]
    if language in languages:
        scene.facts.language = language
        await scene.phone.speak(language)
    return node.next


@handles(nodes.HangUp)
async def hang_up(scene: Scene, node: nodes.HangUp) -> None:
    if node.prompts:
        # Keys left over must not turn a goodbye into a call that breaks off.
        await scene.phone.play(node.prompts, barge_in=False)
    await scene.phone.hang_up()
    scene.facts.end_reason = Ending.COMPLETED

"""Creating a password, obligatory after a code or a provisional; changing it; the rules."""

from dataclasses import dataclass, replace

from fastapi import APIRouter, Request, Response

from auth_core import (
    Creation,
    Overloaded,
    Reason,
    Rule,
    SecretKind,
    Session,
    TooManyRefusals,
)
from portal.keypad import LONGEST, Keypad
from portal.pages.login import let_in
from portal.portal import Portal, SignedOut, Visit, form_of, portal_of
from portal.sessions import SignedIn

router = APIRouter(prefix="/mot-de-passe")

NEW, AGAIN, PRESENT = "new", "again", "present"


@dataclass(frozen=True, slots=True)
class _Task:
    """Creating or changing: the same form, with or without the present password."""

    purpose: str
    template: str
    entries: tuple[str, ...]


TYPED = (Rule.IDENTICAL, Rule.SUCCESSIVE)
"""The rules that a script explains while somebody types."""

CREATE = _Task("create", "create.html", (NEW, AGAIN))
CHANGE = _Task("change", "change.html", (PRESENT, NEW, AGAIN))


@router.get("/regles")
async def rules(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    try:
        signed_in = await portal.signed_in(visit)
    except SignedOut:
        signed_in = None
    return portal.page(visit, "rules.html", signed_in=signed_in)


@router.get("/creer")
async def show_creation(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    signed_in = await portal.signed_in(visit)
    if not signed_in.must_create:
        return portal.go(visit, "/mot-de-passe/changer")
    return _page(portal, visit, signed_in, CREATE)


@router.post("/creer")
async def create(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    signed_in = await portal.signed_in(visit)
    if not signed_in.must_create:
        return portal.go(visit, "/mon-compte")
    return await _replace(portal, visit, signed_in, CREATE)


@router.get("/changer")
async def show_change(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    signed_in = await portal.signed_in(visit)
    if signed_in.must_create:
        return portal.go(visit, "/mot-de-passe/creer")
    return _page(portal, visit, signed_in, CHANGE)


@router.post("/changer")
async def change(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    signed_in = await portal.signed_in(visit)
    if signed_in.must_create:
        return portal.go(visit, "/mot-de-passe/creer")
    return await _replace(portal, visit, signed_in, CHANGE)


async def _replace(portal: Portal, visit: Visit, signed_in: SignedIn, task: _Task) -> Response:
    form = await form_of(visit.request)
    token = portal.check(visit, task.purpose, form)
    keypad = Keypad.sent(portal.tokens.secret_of(token, task.purpose), task.entries, form)
    if "press" in form:
        keypad = keypad.pressed(form["press"])
        return _page(portal, visit, signed_in, task, keypad=keypad, token=token)
    if "erase" in form:
        return _page(portal, visit, signed_in, task, keypad=keypad.cleared(), token=token)
    faults = _faults(keypad)
    if faults:
        return _page(portal, visit, signed_in, task, keypad, token, faults=faults, status=422)
    portal.spend(visit, task.purpose, form)
    present = signed_in.present or keypad.secret(PRESENT)
    new, error = keypad.secret(NEW), ""
    reasons: tuple[Reason, ...] = ()
    try:
        result = await portal.service.create_password(
            signed_in.identity, present, new, signed_in.source
        )
    except TooManyRefusals:
        error, status = "create.too_many", 429
    except Overloaded:
        error, status = "login.overloaded", 503
    else:
        if result.session is not None:
            return _created(portal, visit, signed_in, result.session, task)
        if result.outcome is Creation.REFUSED and task is CREATE:
            portal.sessions.close(visit.session_name)
            raise SignedOut("ended")
        error = "change.refused" if result.outcome is Creation.REFUSED else ""
        reasons, status = result.reasons, 422
    return _page(portal, visit, signed_in, task, error=error, reasons=reasons, status=status)


def _faults(keypad: Keypad) -> dict[str, str]:
    """What can be told without the file: the name of a sentence by entry."""
    faults = {entry.name: "create.length" for entry in keypad.entries if entry.length() != LONGEST}
    if not faults and not keypad.alike(NEW, AGAIN):
        faults[AGAIN] = "create.different"
    return faults


def _created(
    portal: Portal, visit: Visit, before: SignedIn, session: Session, task: _Task
) -> Response:
    """In with the new password; every session that was open before is over. Of who was not quite
    in before, with an expired one, it is the session that knows the last login."""
    signed_in = replace(
        before,
        session=session,
        kind=SecretKind.PASSWORD,
        present=None,
        last_login=session.last_login if before.session is None else before.last_login,
    )
    return let_in(portal, visit, signed_in, f"/mon-compte?fait={task.purpose}")


def _page(
    portal: Portal,
    visit: Visit,
    signed_in: SignedIn,
    task: _Task,
    keypad: Keypad | None = None,
    token: str | None = None,
    *,
    faults: dict[str, str] | None = None,
    reasons: tuple[Reason, ...] = (),
    error: str = "",
    status: int = 200,
) -> Response:
    if token is None or keypad is None:
        token = portal.token(visit, task.purpose)
        keypad = Keypad.fresh(portal.tokens.secret_of(token, task.purpose), task.entries)
    faults = faults or {}
    told = [visit.words[name] for name in ([error] if error else dict.fromkeys(faults.values()))]
    typed = portal.service.objections_while_typing(keypad.secret(NEW))
    return portal.page(
        visit,
        task.template,
        status,
        signed_in=signed_in,
        token=token,
        keypad=keypad,
        faults=faults,
        messages=told + [visit.words.why(reason) for reason in reasons],
        hints=[visit.words.why(reason) for reason in typed],
        typing={rule.value: visit.words.why(Reason.of(rule)) for rule in TYPED},
    )

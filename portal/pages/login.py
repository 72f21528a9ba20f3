"""The login page of the seed: who you are, and a keypad in random order for 4 or 8 digits.

The page never depends on the file: the same keypad, the same refusal, after the same time.
"""

from fastapi import APIRouter, Request, Response

from auth_core import Outcome, Overloaded, SecretKind, Source, Verdict
from portal.keypad import Keypad
from portal.pages.identification import Identification
from portal.portal import (
    SESSION,
    VISITOR,
    Portal,
    SignedOut,
    Visit,
    form_of,
    portal_of,
)
from portal.preferences import KIOSK
from portal.sessions import SignedIn
from portal.tokens import StaleForm

router = APIRouter()

PURPOSE = "login"
SECRET = "secret"  # noqa: S105 - the name of a field
RETRY_SECONDS = {429: 3600, 503: 5}


@router.get("/")
async def show(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    if "kiosk" in request.query_params:
        return _as_kiosk(portal, visit, request.query_params["kiosk"])
    why = ""
    try:
        await portal.signed_in(visit)
    except SignedOut as error:
        why = error.why
    else:
        return portal.go(visit, "/mon-compte")
    if not why and request.query_params.get("fin") in ("out", "idle", "ended"):
        why = request.query_params["fin"]
    response = _page(portal, visit, Identification(), notice=why)
    if visit.session_name:
        portal.forget(response, SESSION)
    return response


@router.post("/")
async def log_in(request: Request) -> Response:
    portal = portal_of(request)
    visit, form = portal.visit(request), await form_of(request)
    who = Identification.sent(form)
    try:
        token = portal.check(visit, PURPOSE, form)
    except StaleForm:
        return _page(portal, visit, who, error="stale", status=400)
    keypad = Keypad.sent(portal.tokens.secret_of(token, PURPOSE), (SECRET,), form)
    if "press" in form:
        return _page(portal, visit, who, keypad=keypad.pressed(form["press"]), token=token)
    if "erase" in form:
        return _page(portal, visit, who, keypad=keypad.cleared(), token=token)
    secret = keypad.secret(SECRET)
    faults = who.faults()
    if not any(secret.could_be(kind) for kind in SecretKind):
        faults.append(SECRET)
    if faults:
        # Asked again, and not a try: the same keypad, with what was keyed.
        return _page(portal, visit, who, keypad=keypad, token=token, faults=faults, status=422)
    portal.spend(visit, PURPOSE, form)
    identity, source = who.identity(portal.service), portal.source(visit)
    try:
        verdict = await portal.service.authenticate(identity, secret, source, who.birth_day_month)
    except Overloaded:
        return _page(portal, visit, who, error="overloaded", status=503)
    if verdict.busy:
        return _page(portal, visit, who, error="busy", status=429)
    if verdict.outcome is Outcome.REFUSED:
        return _page(portal, visit, who, error="refused", status=403)
    if verdict.session is None and verdict.kind is not SecretKind.PASSWORD:
        return _page(portal, visit, who, error="expired_secret", status=403)
    must_create = verdict.session is None or verdict.kind is not SecretKind.PASSWORD
    signed_in = _signed_in(verdict, who, portal, source, kiosk=visit.kiosk)
    if must_create:
        signed_in.present = secret
    return let_in(portal, visit, signed_in, "/mot-de-passe/creer" if must_create else "/mon-compte")


@router.post("/deconnexion")
async def log_out(request: Request) -> Response:
    portal = portal_of(request)
    visit, form = portal.visit(request), await form_of(request)
    portal.check(visit, "logout", form)
    portal.sessions.close(visit.session_name)
    response = portal.go(visit, "/?fin=out")
    portal.forget(response, SESSION, VISITOR)
    if visit.kiosk:
        portal.keep_preferences(response, KIOSK)
    # What a browser may still hold of the pages that were shown.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@router.post("/encore")
async def stay(request: Request) -> Response:
    """A sign of life from a kiosk's page that is being used."""
    portal = portal_of(request)
    await portal.signed_in(portal.visit(request))
    return Response(status_code=204)


def let_in(portal: Portal, visit: Visit, signed_in: SignedIn, path: str) -> Response:
    """A session of its own, under a name and with forms that nobody knew before."""
    portal.sessions.close(visit.session_name)
    response = portal.go(visit, path)
    portal.keep(response, SESSION, portal.sessions.open(signed_in))
    portal.forget(response, VISITOR)
    if not visit.kiosk:
        portal.keep_device(response, visit.device)
    return response


def _signed_in(
    verdict: Verdict, who: Identification, portal: Portal, source: Source, *, kiosk: bool
) -> SignedIn:
    session = verdict.session
    return SignedIn(
        identity=who.identity(portal.service),
        source=source,
        kiosk=kiosk,
        session=session,
        kind=verdict.kind or SecretKind.PASSWORD,
        last_login=None if session is None else session.last_login,
        failures_since=0 if session is None else session.failures_since,
    )


def _as_kiosk(portal: Portal, visit: Visit, choice: str) -> Response:
    """From here on the pages are those of a kiosk, as its next visitor finds them, or with
    `?kiosk=off` no more."""
    response = portal.go(visit, "/")
    preferences = visit.preferences.chosen({"kiosk": "off"}) if choice == "off" else KIOSK
    portal.keep_preferences(response, preferences)
    return response


def _page(
    portal: Portal,
    visit: Visit,
    who: Identification,
    *,
    keypad: Keypad | None = None,
    token: str | None = None,
    error: str = "",
    notice: str = "",
    faults: list[str] | None = None,
    status: int = 200,
) -> Response:
    """With `token` and `keypad` the form that was sent, else one with a new keypad."""
    if token is None or keypad is None:
        token = portal.token(visit, PURPOSE)
        keypad = Keypad.fresh(portal.tokens.secret_of(token, PURPOSE), (SECRET,))
    told = [error] if error else [f"{fault}_wrong" for fault in faults or ()]
    response = portal.page(
        visit,
        "login.html",
        status,
        who=who,
        token=token,
        keypad=keypad,
        messages=[visit.words[f"login.{name}"] for name in told],
        notice=notice,
        faults=faults or [],
    )
    if status in RETRY_SECONDS:
        response.headers["Retry-After"] = str(RETRY_SECONDS[status])
    return response

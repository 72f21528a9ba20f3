""" "Configurer" beside both steps of the login: contrast, size, voice; and the language."""

from fastapi import APIRouter, Request, Response

from portal.portal import SignedOut, form_of, portal_of

router = APIRouter()

PURPOSE = "comfort"
_CHOICES = ("contrast", "size", "voice", "lang")
_RETURNS = frozenset(
    {
        "/",
        "/mon-compte",
        "/mot-de-passe/creer",
        "/mot-de-passe/changer",
        "/mot-de-passe/perdu",
        "/mot-de-passe/regles",
    }
)


@router.get("/configurer")
async def show(request: Request) -> Response:
    portal = portal_of(request)
    visit = portal.visit(request)
    try:
        signed_in = await portal.signed_in(visit)
    except SignedOut:
        signed_in = None
    came_from = _known(request.query_params.get("retour", "/"))
    return portal.page(visit, "comfort.html", signed_in=signed_in, came_from=came_from)


@router.post("/configurer")
async def choose(request: Request) -> Response:
    """Keep what was chosen and go back to the page, with what a script set already."""
    portal = portal_of(request)
    visit, form = portal.visit(request), await form_of(request)
    portal.check(visit, PURPOSE, form)
    chosen = {name: form[name] for name in _CHOICES if name in form}
    response = portal.go(visit, _known(form.get("retour", "/")))
    portal.keep_preferences(response, visit.preferences.chosen(chosen))
    return response


def _known(path: str) -> str:
    """A page of ours: nobody is sent anywhere else."""
    return path if path in _RETURNS else "/"

"""A lost code or password: the same answer, whoever asks."""

from fastapi import APIRouter, Request, Response

from auth_core import DeliveryChoice
from portal.pages.identification import Identification
from portal.portal import Portal, Visit, form_of, portal_of

router = APIRouter(prefix="/mot-de-passe/perdu")

PURPOSE = "lost"


@router.get("")
async def show(request: Request) -> Response:
    portal = portal_of(request)
    return _page(portal, portal.visit(request), Identification())


@router.post("")
async def ask(request: Request) -> Response:
    portal = portal_of(request)
    visit, form = portal.visit(request), await form_of(request)
    portal.check(visit, PURPOSE, form)
    who = Identification.sent(form)
    by = form.get("by", DeliveryChoice.SMS.value)
    if faults := who.faults():
        return _page(portal, visit, who, by=by, faults=faults, status=422)
    portal.spend(visit, PURPOSE, form)
    choice = DeliveryChoice.LETTER if by == DeliveryChoice.LETTER else DeliveryChoice.SMS
    await portal.service.request_lost_password(
        who.identity(portal.service), who.birth_day_month, choice, portal.source(visit)
    )
    return portal.page(visit, "lost_sent.html")


def _page(
    portal: Portal,
    visit: Visit,
    who: Identification,
    *,
    by: str = DeliveryChoice.SMS.value,
    faults: list[str] | None = None,
    status: int = 200,
) -> Response:
    return portal.page(
        visit,
        "lost.html",
        status,
        who=who,
        by=by,
        token=portal.token(visit, PURPOSE),
        messages=[visit.words[f"login.{fault}_wrong"] for fault in faults or ()],
        faults=faults or [],
    )

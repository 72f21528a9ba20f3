""" "Mon compte": the services, each as open as the core says it is to this session."""

from fastapi import APIRouter, HTTPException, Request, Response

from auth_core import (
    Availability,
    NotEntitled,
    Payment,
    RequestProgress,
    RequestState,
    Service,
    Session,
    SessionEnded,
)
from portal.portal import MustCreate, Portal, SignedOut, Visit, form_of, portal_of
from portal.sessions import SignedIn

router = APIRouter(prefix="/mon-compte")

PAYMENTS_SHOWN = 12
_OF_REQUESTS = (Service.REQUESTS, Service.QUESTIONS)
_DONE = {
    "create": "create.done",
    "change": "change.done",
    "certificate": "service.certificate_done",
}
"""What a page that leads here says was done, in the address: a kiosk's script asks twice."""
_OWN_PAGES = {Service.CHANGE_PASSWORD: "/mot-de-passe/changer"}


@router.get("")
async def show(request: Request) -> Response:
    portal = portal_of(request)
    visit, signed_in, session = await _entered(portal, request)
    services = [
        (service, portal.service.availability(session, service), _page_of(service))
        for service in Service
    ]
    order = list(Availability)
    services.sort(key=lambda each: order.index(each[1]))
    news = _DONE.get(request.query_params.get("fait", ""), "")
    return portal.page(
        visit, "account.html", signed_in=signed_in, session=session, services=services, news=news
    )


@router.get("/{name}")
async def show_service(request: Request, name: str) -> Response:
    portal = portal_of(request)
    visit, signed_in, session = await _entered(portal, request)
    return await _service_page(portal, visit, signed_in, session, _service(name))


@router.post("/certificate")
async def request_certificate(request: Request) -> Response:
    portal = portal_of(request)
    visit, signed_in, session = await _entered(portal, request)
    portal.spend(visit, "certificate", await form_of(request))
    try:
        await portal.service.request_certificate(session)
    except NotEntitled:
        return await _service_page(portal, visit, signed_in, session, Service.CERTIFICATE)
    return portal.go(visit, "/mon-compte?fait=certificate")


async def _entered(portal: Portal, request: Request) -> tuple[Visit, SignedIn, Session]:
    """Who asks, and is in with a password. Raises SignedOut, MustCreate."""
    visit = portal.visit(request)
    signed_in = await portal.signed_in(visit)
    if signed_in.must_create or signed_in.session is None:
        raise MustCreate
    return visit, signed_in, signed_in.session


def _service(name: str) -> Service:
    try:
        return Service(name)
    except ValueError as error:
        raise HTTPException(404) from error


def _page_of(service: Service) -> str:
    return _OWN_PAGES.get(service, f"/mon-compte/{service.value}")


async def _service_page(
    portal: Portal, visit: Visit, signed_in: SignedIn, session: Session, service: Service
) -> Response:
    availability = portal.service.availability(session, service)
    payments: list[Payment] = []
    requests: list[RequestProgress] = []
    try:
        if availability is Availability.AVAILABLE and service is Service.PAYMENTS:
            payments = await portal.service.payments(session, PAYMENTS_SHOWN)
        elif availability is Availability.AVAILABLE and service in _OF_REQUESTS:
            requests = await portal.service.requests(session)
    except SessionEnded as error:
        raise SignedOut("ended") from error
    if service is Service.QUESTIONS:
        requests = [each for each in requests if each.state is RequestState.DOCUMENT_NEEDED]
    return portal.page(
        visit,
        "service.html",
        403 if availability is Availability.NOT_ACCESSIBLE else 200,
        signed_in=signed_in,
        service=service,
        availability=availability,
        payments=payments,
        requests=requests,
        certificate_token=portal.token(visit, "certificate"),
    )

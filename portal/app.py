"""The application: pages and API on one core, behind the same doors."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException
from fastapi.staticfiles import StaticFiles

from auth_core import AuthService, AuthSettings, Overloaded, SessionEnded
from portal.api.app import create_api
from portal.http import Guarded
from portal.pages import account, comfort, login, lost, password
from portal.portal import SESSION, MustCreate, Portal, SignedOut, portal_of
from portal.settings import PortalSettings
from portal.tokens import StaleForm

log = structlog.get_logger(__name__)

WIPE_SECONDS = 5.0


def create_app(
    service: AuthService,
    settings: PortalSettings,
    auth: AuthSettings,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The ASGI application on an open `service`, which stays the caller's to close.

    `auth`: the settings that `service` was opened with; `monotonic`: the clock of sessions and
    forms, in seconds.
    """
    portal = Portal(service, settings, auth, monotonic)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        wiping = asyncio.create_task(_wipe(portal))
        yield
        wiping.cancel()

    app = FastAPI(
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,  # it would send people to the host that they asked for
    )
    app.state.portal = portal
    app.mount("/api/v1", create_api(service))
    app.mount("/static", StaticFiles(packages=[("portal", "static")]))
    for page in (login, lost, password, account, comfort):
        app.include_router(page.router)
    app.add_exception_handler(SignedOut, _signed_out)
    app.add_exception_handler(SessionEnded, _session_ended)
    app.add_exception_handler(MustCreate, _must_create)
    app.add_exception_handler(StaleForm, _stale)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(404, _refused)
    app.add_exception_handler(405, _refused)
    app.add_middleware(Guarded, broken=_broken)
    return app


async def _wipe(portal: Portal) -> None:
    while True:
        await asyncio.sleep(WIPE_SECONDS)
        portal.sessions.wipe()


async def _signed_out(request: Request, error: Exception) -> Response:
    portal = portal_of(request)
    why = error.why if isinstance(error, SignedOut) else ""
    response = portal.go(portal.visit(request), f"/?fin={why}" if why else "/")
    portal.forget(response, SESSION)
    return response


async def _session_ended(request: Request, _error: Exception) -> Response:
    return await _signed_out(request, SignedOut("ended"))


async def _must_create(request: Request, _error: Exception) -> Response:
    portal = portal_of(request)
    return portal.go(portal.visit(request), "/mot-de-passe/creer")


async def _stale(request: Request, _error: Exception) -> Response:
    return _problem(request, "stale", 400)


async def _overloaded(request: Request, _error: Exception) -> Response:
    response = _problem(request, "busy", 503)
    response.headers["Retry-After"] = "5"
    return response


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _problem(request, "not_found", status)


async def _broken(request: Request, _error: Exception) -> Response:
    return _problem(request, "broken", 500)


def _problem(request: Request, name: str, status: int) -> Response:
    portal = portal_of(request)
    return portal.page(portal.visit(request), "problem.html", status, problem=name)

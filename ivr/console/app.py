"""The console as an ASGI application."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from ivr.console import flow, login, now, outbox, plant, records, today
from ivr.console.desk import Desk, NotLoggedIn, login_path
from ivr.console.headers import SecurityHeaders

_STATIC = Path(__file__).parent / "static"
_TOLD = (403, 404, 413)


def create_app(desk: Desk) -> FastAPI:
    """The pages of a console; whoever serves it may add routes of its own, such as /metrics."""
    app = FastAPI(title="console", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    app.add_middleware(SecurityHeaders)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for page in (login, now, flow, today, records, plant, outbox):
        app.include_router(page.router)

    @app.exception_handler(NotLoggedIn)
    async def to_login(request: Request, _: Exception) -> Response:
        return RedirectResponse(login_path(request), 303)

    @app.exception_handler(HTTPException)
    async def told(request: Request, error: HTTPException) -> Response:
        if error.status_code not in _TOLD:
            return Response(status_code=error.status_code, headers=error.headers)
        values = {"status": error.status_code}
        return desk.page(request, desk.visitor(request), "error.html", values, error.status_code)

    return app

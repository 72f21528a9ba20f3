"""Logging in and out."""

import asyncio
import math
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from ivr.console.desk import SESSION_COOKIE, Anybody, Desk, Form, TheDesk, Visitor, within
from ivr.users import is_password

log = structlog.get_logger(__name__)
router = APIRouter()

_at_once = asyncio.Semaphore(1)  # each takes 64 MiB
_SHOWN = 64


@router.get("/login")
async def ask(
    request: Request,
    desk: TheDesk,
    visitor: Anybody,
    following: Annotated[str, Query(alias="next")] = "/",
) -> Response:
    if visitor.session is not None:
        return RedirectResponse(within(following), 303)
    return _login_page(request, desk, visitor, following)


@router.post("/login")
async def log_in(request: Request, desk: TheDesk, visitor: Anybody, form: Form) -> Response:
    name, password = form.get("name", ""), form.get("password", "")
    following = form.get("next", "/")
    user = desk.user(name)
    address = request.client.host if request.client else "?"
    # A name that nobody has may be a password, typed into the wrong field.
    told = log.bind(user=user and user.name, source=address)
    watched = (f"address {address}", f"name {name[:_SHOWN]}")
    wait = max(desk.guesses.wait(each, desk.clock()) for each in watched)
    if wait:
        told.warning("console login refused", why="too many tries")
        page = _login_page(request, desk, visitor, following, wait=wait, status=429)
        page.headers["Retry-After"] = str(math.ceil(wait))
        return page
    for each in watched:
        desk.guesses.fail(each, desk.clock())
    async with _at_once:
        right = await asyncio.to_thread(is_password, password, user)
    if user is None or not right:
        told.warning("console login refused", why="wrong")
        return _login_page(request, desk, visitor, following, wrong=True, status=401)
    for each in watched:
        desk.guesses.forget(each)
    told.info("console login", role=user.role)
    desk.sessions.end(visitor.token)
    response = RedirectResponse(within(following), 303)
    desk.remember(response, SESSION_COOKIE, desk.sessions.begin(user, desk.clock()))
    return response


@router.post("/logout")
async def log_out(desk: TheDesk, visitor: Anybody, form: Form) -> Response:
    desk.sessions.end(visitor.token)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _login_page(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    following: str,
    *,
    wrong: bool = False,
    wait: float = 0.0,
    status: int = 200,
) -> Response:
    values = {
        "following": within(following),
        "wrong": wrong,
        "minutes": math.ceil(wait / 60),
        "nobody_yet": not desk.operated.users,
    }
    return desk.page(request, visitor, "login.html", values, status)

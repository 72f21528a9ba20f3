"""What holds for every answer: headers that shut doors in browsers, bodies of bounded size, and
failures that tell nobody what was being done."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog
from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.api.problems import TOO_LARGE, TOO_SLOW, answer

log = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
BODY_SECONDS = 30.0
ASSETS, API = "/static/", "/api/"

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guarded:
    """ASGI middleware: adds `HEADERS`, answers 413 to a body of more than `MAX_BODY` bytes, 408 to
    one that is not there after `BODY_SECONDS`, and `broken` where the application failed. Of a
    failure its type and place are logged and no more: its words may hold what was keyed."""

    def __init__(
        self, app: ASGIApp, broken: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._broken = broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith(ASSETS):
                    headers["Cache-Control"] = "no-cache"  # asked for again, sent when changed
                if scope["path"].startswith(API):
                    headers["Content-Disposition"] = 'attachment; filename="api.json"'  # no page
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = None if _announced(scope) > MAX_BODY else await _whole(receive)
        except TimeoutError:
            await answer(TOO_SLOW)(scope, receive, guarded)
            return
        except ClientDisconnect:
            return
        if body is None:
            await answer(TOO_LARGE)(scope, receive, guarded)
            return
        try:
            await self._app(scope, _once(body, receive), guarded)
        except Exception as error:
            log.error(  # noqa: TRY400 - a traceback may show what was keyed
                "request failed", error=type(error).__name__, place=_place(error)
            )
            if not begun:
                response = await self._broken(Request(scope), error)
                await response(scope, receive, guarded)


def _place(error: Exception) -> str:
    """Where it was raised: file and line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _announced(scope: Scope) -> int:
    """The length that a body is said to have: one that is too long need not be waited for."""
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isdecimal() else 0


async def _whole(receive: Receive) -> bytes | None:
    """The whole body; None when it is too long. The rest is not read then. Raises ClientDisconnect
    when it is cut off."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _once(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body that was read, then what comes."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again

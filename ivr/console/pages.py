"""A page that shows what changes: whole at first, then its live parts again and again.

The blocks of its template whose names begin with `live_` stand in elements with those ids. They
hold no forms of their own: buttons in them name a form outside (`form="act"`), which has the key.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from ivr.console.desk import Desk, TheDesk, Viewer, Visitor
from ivr.console.live import Parts

QUIET_TURNS = 7
"""After so many looks at nothing new a comment tells proxies that the stream lives."""
MAX_STREAMS = 50

Query = Mapping[str, str]
Values = Mapping[str, object]
Maker = Callable[[Desk, Query], Awaitable[Values]]


@dataclass(frozen=True, slots=True)
class Page:
    """`make` gives the values of the template `<name>.html`, from the query's parameters, of which
    `lang` is the visitor's language. Raises HTTPException 404: there is no such thing."""

    name: str
    path: str
    make: Maker
    live: bool = True

    @property
    def template(self) -> str:
        return f"{self.name}.html"


def add_page(router: APIRouter, page: Page) -> None:
    """Serve a page; its live parts, as they change, to who accepts an event stream."""

    @router.get(page.path, name=page.name)
    async def show(request: Request, desk: TheDesk, viewer: Viewer) -> Response:
        query = {**request.query_params, "lang": viewer.language}
        if page.live and "text/event-stream" in request.headers.get("accept", ""):
            if desk.live.streams >= MAX_STREAMS:
                raise HTTPException(503, headers={"Retry-After": "60"})
            events = _events(desk, page, viewer, query)
            return StreamingResponse(events, media_type="text/event-stream")
        values = {**await page.make(desk, query), "live": page.live}
        return desk.page(request, viewer, page.template, values)


async def _events(desk: Desk, page: Page, viewer: Visitor, query: Query) -> AsyncIterator[str]:
    """What has changed, part by part, until the session is over."""
    may_act = viewer.session is not None and viewer.session.may_act
    key = page.name, urlencode(sorted(query.items())), may_act
    shown: Parts = {}
    quiet = 0

    async def make() -> Parts:
        return desk.parts(viewer, page.template, await page.make(desk, query))

    desk.live.streams += 1
    try:
        while desk.session_of(viewer.token) is not None:
            try:
                parts = await desk.live.parts(key, make)
            except HTTPException:  # what it was about is gone
                break
            news = {name: html for name, html in parts.items() if shown.get(name) != html}
            shown, quiet = parts, 0 if news else quiet + 1
            if news:
                yield f"data: {json.dumps(news, ensure_ascii=False)}\n\n"
            elif quiet % QUIET_TURNS == 0:
                yield ": nothing new\n\n"
            await asyncio.sleep(desk.live.period)
        yield "event: over\ndata: \n\n"
    finally:
        desk.live.streams -= 1

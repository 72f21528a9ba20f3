"""What happens now: the calls, one call, hanging up and draining."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import RedirectResponse

from ivr.console.desk import Desk, Form, Operator, TheDesk
from ivr.console.pages import Page, Query, Values, add_page
from ivr.console.views import CallView

log = structlog.get_logger(__name__)
router = APIRouter()

SHOWN = 50
"""Calls on one page: whatever there are, a page takes no longer."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the calls. `pages`: how many parts there are; `page`: which this is, from 1."""

    calls: Sequence[CallView]
    found: int
    page: int
    pages: int


def part_of(calls: Sequence[CallView], query: Query) -> Part:
    """The calls of the line, trunk and step that the query names, a page of them."""
    wanted = {name: query[name] for name in ("line", "trunk", "node") if query.get(name)}
    found = [c for c in calls if all(getattr(c, name) == value for name, value in wanted.items())]
    pages = max(1, -(-len(found) // SHOWN))
    asked = query.get("page", "1")
    page = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 6 else 1
    return Part(found[(page - 1) * SHOWN : page * SHOWN], len(found), page, pages)


async def _now(desk: Desk, query: Query) -> Values:
    calls = desk.operated.calls()
    part = part_of(calls, query)
    return {
        "count": len(calls),
        "by_line": Counter(call.line for call in calls).most_common(),
        "by_trunk": Counter(call.trunk for call in calls).most_common(),
        "by_node": Counter(call.node for call in calls).most_common(),
        "part": part,
        "sounds": await desk.operated.sounds([call.id for call in part.calls]),
        "query": query,
    }


async def _call(desk: Desk, query: Query) -> Values:
    wanted = query.get("id", "")
    call = next((each for each in desk.operated.calls() if each.id == wanted), None)
    if call is None:
        raise HTTPException(404)
    return {"call": call, "sound": (await desk.operated.sounds([call.id])).get(call.id)}


add_page(router, Page("now", "/", _now))
add_page(router, Page("call", "/call", _call))


@router.post("/call/hang-up")
async def hang_up(desk: TheDesk, operator: Operator, form: Form) -> Response:
    call = form.get("call", "")
    if not desk.operated.hang_up(call):
        return RedirectResponse("/?said=call_over", 303)
    log.info("console hung up a call", user=operator.user.name, call=call)
    return RedirectResponse("/?said=hung_up", 303)


@router.post("/drain")
async def drain(desk: TheDesk, operator: Operator, form: Form) -> Response:
    draining = form.get("draining") == "yes"
    desk.operated.drain(draining)
    log.warning(
        "console drains" if draining else "console takes calls again", user=operator.user.name
    )
    return RedirectResponse("/?said=drained" if draining else "/?said=resumed", 303)

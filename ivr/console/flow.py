"""A flow as a picture, with the callers who are at each step, and those who left there."""

from collections import Counter
from datetime import datetime

from fastapi import APIRouter, HTTPException, Response

from ivr.console.desk import Desk, TheDesk
from ivr.console.pages import Page, Query, Values, add_page
from ivr.dialplan.hours import PARIS

router = APIRouter()


async def _flow(desk: Desk, query: Query) -> Values:
    plans = desk.operated.plans()
    plan = query.get("plan") or plans[0]
    if plan not in plans:
        raise HTTPException(404)
    here = Counter(call.node for call in desk.operated.calls() if call.plan == plan)
    tally = desk.operated.day.on(datetime.now(PARIS).date())
    left = {node: number for (of, node), number in tally.hung_up.items() if of == plan}
    nodes = sorted({*here, *left} - {""}, key=lambda node: (-here[node], -left.get(node, 0)))
    return {
        "plan": plan,
        "plans": plans,
        "picture": await desk.operated.picture(plan, query["lang"]),
        "nodes": nodes,
        "here": here,
        "left": left,
    }


add_page(router, Page("flow", "/flow", _flow))


@router.get("/flow.css")
async def style(desk: TheDesk) -> Response:
    """What pictures look like: a style within them would be against our own policy."""
    return Response(f".flow {{\n{desk.operated.picture_style}\n}}\n", media_type="text/css")

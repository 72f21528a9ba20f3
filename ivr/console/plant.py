"""What calls run on: trunks, media workers, and how every part does."""

from fastapi import APIRouter

from ivr.console.desk import Desk
from ivr.console.pages import Page, Query, Values, add_page

router = APIRouter()


async def _trunks(desk: Desk, _query: Query) -> Values:
    return {"trunks": desk.operated.trunks()}


async def _workers(desk: Desk, _query: Query) -> Values:
    return {"workers": desk.operated.workers()}


async def _health(desk: Desk, _query: Query) -> Values:
    return {"checks": await desk.operated.checks()}


add_page(router, Page("trunks", "/trunks", _trunks))
add_page(router, Page("workers", "/workers", _workers))
add_page(router, Page("health", "/health", _health))

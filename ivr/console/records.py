"""The last call records, filtered, and as CSV."""

import asyncio
from dataclasses import asdict
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from ivr.console.desk import Desk, TheDesk, Viewer
from ivr.console.pages import Page, Query, Values, add_page
from ivr.console.record_file import Filter, Found, as_csv, last_records
from ivr.records import EndReason

router = APIRouter()

SHOWN = 50
KINDS = ("pin", "password", "provisional", "nobody")


def filter_of(query: Query) -> Filter:
    """What a query asks for."""
    return Filter(
        query.get("line", ""),
        query.get("end_reason", ""),
        query.get("authenticated", ""),
        query.get("text", "").strip()[:64],
    )


async def _records(desk: Desk, query: Query) -> Values:
    wanted, before = filter_of(query), query.get("before", "")
    end = int(before) if before.isdecimal() and len(before) < 16 else None
    try:
        found = await asyncio.to_thread(last_records, desk.operated.records, wanted, SHOWN, end)
    except FileNotFoundError:
        found = Found([], None)
    asked = {name: value for name, value in asdict(wanted).items() if value}
    return {
        "found": found,
        "wanted": wanted,
        "reasons": [reason.value for reason in EndReason],
        "kinds": KINDS,
        "lines": desk.operated.lines,
        "csv": f"/records.csv?{urlencode(asked)}",
        "older": f"/records?{urlencode({**asked, 'before': found.older})}" if found.older else None,
    }


add_page(router, Page("records", "/records", _records, live=False))


@router.get("/records.csv")
def records_csv(request: Request, desk: TheDesk, _viewer: Viewer) -> Response:
    return StreamingResponse(
        as_csv(desk.operated.records, filter_of(request.query_params)),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="records.csv"'},
    )

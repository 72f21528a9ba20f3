"""What today was like so far."""

from datetime import datetime

from fastapi import APIRouter

from ivr.console.desk import Desk
from ivr.console.pages import Page, Query, Values, add_page
from ivr.dialplan.hours import PARIS

router = APIRouter()

LOGINS = (
    "granted_pin",
    "granted_password",
    "granted_provisional",
    "expired",
    "refused_wrong",
    "refused_locked",
    "refused_exhausted",
    "refused_other",
)
"""What is told of logins, in this order."""


async def _today(desk: Desk, _query: Query) -> Values:
    tally = desk.operated.day.on(datetime.now(PARIS).date())
    answered = sum(tally.answered)
    return {
        "tally": tally,
        "answered": answered,
        "mean_seconds": tally.talk_seconds / answered if answered else 0.0,
        "logins": await desk.operated.logins(),
        "login_rows": LOGINS,
    }


add_page(router, Page("today", "/today", _today))

"""The messages that wait, have left or died; and another try for a dead one."""

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from ivr.console.desk import Desk, Form, Operator, TheDesk
from ivr.console.pages import Page, Query, Values, add_page

log = structlog.get_logger(__name__)
router = APIRouter()

WAYS = ("sms", "letter")
STATES = ("queued", "sent", "acknowledged", "dead", "cancelled")


async def _outbox(desk: Desk, _query: Query) -> Values:
    return {"outbox": await desk.operated.outbox(), "states": STATES, "ways": WAYS}


add_page(router, Page("outbox", "/outbox", _outbox))


@router.post("/outbox/retry")
async def retry(desk: TheDesk, operator: Operator, form: Form) -> Response:
    message = form.get("message", "")
    sent = await desk.operated.retry(message, operator.user.name)
    log.info("console retried a message", user=operator.user.name, message=message, queued=sent)
    return RedirectResponse(f"/outbox?said={'retried' if sent else 'not_retried'}", 303)

"""A transfer: our REFER and the NOTIFYs that tell how it goes (RFC 3515)."""

from collections.abc import Callable

from ivr.sip.core import Core
from ivr.sip.dialog import Dialog
from ivr.sip.grammar.scan import Parameters, number, parameters
from ivr.sip.message import Request
from ivr.sip.non_invite_client import REQUEST_TIMEOUT
from ivr.sip.replies import HeaderLines
from ivr.wire import WireError


class Transfer:
    """`finished(status)` is called once: with the REFER's failure or what a NOTIFY said."""

    def __init__(self, core: Core, dialog: Dialog, finished: Callable[[int], None]) -> None:
        self._core = core
        self._dialog = dialog
        self._finished: Callable[[int], None] | None = finished
        self._sequence = 0

    def start(self, target: str, headers: HeaderLines, now: float) -> None:
        """Send the REFER."""
        self._sequence = self._dialog.next_sequence()
        lines = [("Refer-To", f"<{target}>"), self._core.contact(self._dialog.flow), *headers]
        self._core.ask(self._dialog, "REFER", self._sequence, lines, self._answered, now)

    def abandon(self) -> None:
        """The call ends first: nobody waits for the outcome any more."""
        self._finished = None

    def notified(self, request: Request) -> None:
        """A NOTIFY of the refer package came."""
        event = _parameters(request, "event")
        if event.get("id") not in (None, str(self._sequence)):
            return
        status = _fragment_status(request.body)
        if status >= 200:
            self._finish(status)
        elif request.headers.get("subscription-state").strip().lower().startswith("terminated"):
            self._finish(REQUEST_TIMEOUT)

    def _answered(self, status: int, now: float) -> None:
        if status >= 300:
            self._finish(status)

    def _finish(self, status: int) -> None:
        finished, self._finished = self._finished, None
        if finished:
            finished(status)


def _parameters(request: Request, name: str) -> Parameters:
    try:
        return parameters(request.headers.get(name).partition(";")[2])
    except WireError:
        return {}


def _fragment_status(body: bytes) -> int:
    """The status in a message/sipfrag body (RFC 3420), 0 when it can't be read."""
    words = body[:200].decode("latin-1").split(None, 2)
    if len(words) < 2 or words[0].upper() != "SIP/2.0":
        return 0
    try:
        return number(words[1], 699)
    except WireError:
        return 0

"""A transfer: our REFER and the NOTIFYs that tell how it goes (RFC 3515)."""

from collections.abc import Callable
from typing import Protocol

from ivr.sip.core import Core
from ivr.sip.dialog import Dialog
from ivr.sip.grammar.scan import Parameters, number, parameters
from ivr.sip.message import Request, Response
from ivr.sip.non_invite_client import REQUEST_TIMEOUT
from ivr.sip.replies import HeaderLines
from ivr.sip.timers import TIMEOUT, Timer
from ivr.wire import WireError

# Seconds. RFC 6665 §4.1.2.4 sets the first (timer N); RFC 3515 sets none to the transfer itself,
# but a caller waits for it in silence.
FIRST_NOTIFY = TIMEOUT
NEXT_NOTIFY = 60.0
LONGEST = 180.0


class Told(Protocol):
    """Takes a status; `refused` when it is that of the REFER itself and not of what came of it."""

    def __call__(self, status: int, *, refused: bool) -> None: ...


class Transfer:
    """`finished` is called once, with the REFER's failure or what a NOTIFY said last.

    `progress(status)` is called with each provisional status that a NOTIFY tells.
    """

    def __init__(
        self, core: Core, dialog: Dialog, progress: Callable[[int], None], finished: Told
    ) -> None:
        self._core = core
        self._dialog = dialog
        self._progress = progress
        self._finished: Told | None = finished
        self._sequence = 0
        self._accepted = False
        self._given_up = False
        self._over_at = 0.0
        self._timer: Timer | None = None

    def start(self, target: str, headers: HeaderLines, now: float) -> None:
        """Send the REFER, which tells who asks (Referred-By, RFC 3892)."""
        self._sequence = self._dialog.next_sequence()
        self._over_at = now + LONGEST
        self._wait(FIRST_NOTIFY, now)
        lines = [
            ("Refer-To", f"<{target}>"),
            ("Referred-By", f"<{self._dialog.local_uri}>"),
            self._core.contact_in(self._dialog),
            *headers,
        ]
        self._core.ask(self._dialog, "REFER", self._sequence, lines, self._answered, now)

    def abandon(self) -> None:
        """The call ends first: nobody waits for the outcome any more."""
        self._finished = None
        self._stop_waiting()

    def notified(self, request: Request, now: float) -> bool:
        """A NOTIFY of the refer package came. False when it is of no subscription that we have."""
        event = _parameters(request, "event")
        if event.get("id") not in (None, str(self._sequence)):
            return True  # of an earlier REFER: whatever it says, it is too late
        if self._given_up:
            return False
        self._accepted = True  # a NOTIFY may overtake the 202
        status = _fragment_status(request.body)
        if status >= 200:
            self._finish(status)
        elif request.headers.get("subscription-state").strip().lower().startswith("terminated"):
            self._finish(REQUEST_TIMEOUT)
        elif self._finished:
            self._wait(NEXT_NOTIFY, now)
            if status:
                self._progress(status)
        return True

    def _answered(self, status: int, response: Response | None, now: float) -> None:
        if status >= 300:
            self._finish(status)
            return
        self._accepted = True
        if response and response.headers.get("refer-sub").strip().lower() == "false":
            self._finish(status)  # RFC 4488: it will tell nothing more

    def _wait(self, seconds: float, now: float) -> None:
        self._stop_waiting()
        self._timer = self._core.timers.at(min(now + seconds, self._over_at), self._give_up)

    def _give_up(self, now: float) -> None:
        self._given_up = True
        self._finish(REQUEST_TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _finish(self, status: int) -> None:
        finished, self._finished = self._finished, None
        self._stop_waiting()
        if finished:
            finished(status, refused=not self._accepted)


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

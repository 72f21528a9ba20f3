"""The clock of a session (RFC 4028): when we refresh it, when it is over for want of a refresh."""

from collections.abc import Callable, Sequence

from ivr.sip.core import ALLOW, SUPPORTED, Core
from ivr.sip.dialog import Dialog, Target
from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.option_tags import option_tags
from ivr.sip.grammar.session_expires import delta_seconds
from ivr.sip.message import Response
from ivr.sip.session_terms import SHORTEST, Terms, refreshed
from ivr.sip.timers import Timer
from ivr.wire import WireError

# Between two tries of a refresh that fails at once.
SHORTEST_WAIT = 2.0


class SessionTimer:
    """From the first 2xx of a call to its end.

    `offer()` is our description as it stands, for a refresh by re-INVITE; `busy()` says that the
    peer's own INVITE is under way, so that none of ours may be sent. `answered(body)` is called
    with what the peer's 2xx answers to our offer; `expired(now)` once, when the session is over.
    """

    def __init__(
        self,
        core: Core,
        dialog: Dialog,
        *,
        offer: Callable[[], bytes],
        busy: Callable[[], bool],
        answered: Callable[[Response], None],
        expired: Callable[[float], None],
    ) -> None:
        self.terms: Terms | None = None
        self.offering = False
        self._core = core
        self._dialog = dialog
        self._offer = offer
        self._busy = busy
        self._tell_answer = answered
        self._expired = expired
        self._timers: Sequence[Timer] = ()
        self._over_at = 0.0
        self._asking = False
        self._by_update = False
        self._min_se = SHORTEST

    def allows(self, headers: Headers) -> None:
        """Note whether the peer takes an UPDATE, where a message of its tells."""
        if "allow" in headers:
            try:
                self._by_update = "update" in option_tags(headers, "allow")
            except WireError:
                self._by_update = False

    def restart(self, terms: Terms | None, now: float) -> None:
        """The session was agreed or refreshed: `terms` hold from now on."""
        self.terms = terms
        self._cancel()
        if terms is None:
            return
        self._over_at = now + terms.interval - terms.allowance
        timers = [self._core.timers.at(self._over_at, self._timed_out)]
        if terms.ours:
            timers.append(self._core.timers.at(now + terms.interval / 2, self._refresh))
        self._timers = timers

    def stop(self) -> None:
        """The call is over."""
        self.terms = None
        self._cancel()

    def let_go(self) -> None:
        """Call nobody back any more: what is called back can then be freed at once."""
        self.stop()
        self._offer, self._busy = bytes, bool
        self._tell_answer = self._expired = _nobody

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = ()

    def _timed_out(self, now: float) -> None:
        self.stop()
        self._expired(now)

    def _again(self, wait: float, now: float) -> None:
        self._timers = [*self._timers[:1], self._core.timers.at(now + wait, self._refresh)]

    def _refresh(self, now: float) -> None:
        """Ask the peer to go on (§7.4): by UPDATE without offer, or by re-INVITE with the same."""
        terms = self.terms
        if terms is None or not terms.ours or self._asking:
            return
        if self._busy():
            self._again(SHORTEST_WAIT, now)
            return
        headers = [
            self._core.contact_in(self._dialog),
            ALLOW,
            SUPPORTED,
            ("Session-Expires", f"{terms.interval};refresher=uac"),
        ]
        if self._min_se > SHORTEST:
            headers.append(("Min-SE", str(self._min_se)))
        self._asking = True
        sequence = self._dialog.next_sequence()
        if self._by_update:
            self._core.ask(self._dialog, "UPDATE", sequence, headers, self._answered, now)
        else:
            self.offering = True
            headers.append(("Content-Type", "application/sdp"))
            offer = self._offer()
            self._core.invite(self._dialog, sequence, headers, offer, self._answered, now)

    def _answered(self, status: int, response: Response | None, now: float) -> None:
        offered, self._asking, self.offering = self.offering, False, False
        terms = self.terms
        if terms is None:
            return  # the call ended first
        if status in (408, 481):
            self._timed_out(now)
        elif response is None:  # not delivered; the next may be, before the session is over
            self._again(max((self._over_at - now) / 2, SHORTEST_WAIT), now)
        elif status < 300:
            self.allows(response.headers)
            self._dialog.target = Target.moved_by(response, self._dialog.target)
            self.restart(refreshed(response, terms), now)
            if offered:
                self._tell_answer(response)
        elif status == 422 and (shortest := _seconds(response, "min-se")) > terms.interval:
            self._min_se = max(self._min_se, shortest)
            self.terms = Terms(shortest, terms.ours, terms.understood)
            self._refresh(now)
        elif status == 491:
            self._again(self._core.glare_wait(), now)
        elif status in (405, 501) and self._by_update:
            self._by_update = False
            self._refresh(now)
        else:
            wait = _seconds(response, "retry-after") or (self._over_at - now) / 2
            self._again(max(wait, SHORTEST_WAIT), now)


def _nobody(_: object) -> None:
    """Takes the call of who has let go."""


def _seconds(response: Response, name: str) -> int:
    try:
        return delta_seconds(response.headers.get(name))
    except WireError:
        return 0

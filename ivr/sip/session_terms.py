"""What two sides agree about session timers (RFC 4028): pure functions of messages."""

from dataclasses import dataclass

from ivr.sip.exchange import Refusal
from ivr.sip.grammar.option_tags import option_tags
from ivr.sip.grammar.session_expires import SessionExpires, delta_seconds
from ivr.sip.message import Request, Response
from ivr.sip.replies import HeaderLines
from ivr.wire import WireError

OPTION = "timer"
SHORTEST = 90  # RFC 4028 §5: no interval below it, whatever is asked


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What we want, in seconds. `interval` 0: no session timer but the one that a peer asks for.

    `min_se` is the shortest interval that we take, 90 or more.
    """

    interval: int = 0
    min_se: int = SHORTEST


@dataclass(frozen=True, slots=True)
class Terms:
    """A session that lives `interval` seconds after each refresh; `ours`: we are to refresh it.

    `understood`: the peer knows session timers too.
    """

    interval: int
    ours: bool
    understood: bool

    @property
    def allowance(self) -> float:
        """How long before the end of the session the wait for a refresh is over (§10)."""
        return min(32.0, self.interval / 3)

    def as_headers(self) -> HeaderLines:
        """What our 2xx says of them (§9)."""
        refresher = "uas" if self.ours else "uac"
        lines = [("Session-Expires", f"{self.interval};refresher={refresher}")]
        return [*lines, ("Require", OPTION)] if self.understood else lines


def agree(request: Request, policy: SessionPolicy, current: Terms | None) -> Terms | Refusal | None:
    """The terms of our 2xx to an INVITE or UPDATE, None without session timer; or a refusal (§9).

    Who understands session timers and names no refresher refreshes by itself, unless we did so
    far: it then hears of a lost call by itself. Who doesn't is refreshed by us.
    """
    headers = request.headers
    try:
        understood = OPTION in option_tags(headers, "supported", "require")
        floor = policy.min_se
        if "min-se" in headers:
            floor = max(floor, delta_seconds(headers.get("min-se")))
        if "session-expires" not in headers:
            if not policy.interval:
                return None
            interval, refresher = max(policy.interval, floor), ""
        else:
            asked = SessionExpires.parse(headers.get("session-expires"))
            if asked.seconds < policy.min_se:
                # Who does not understand would make nothing of a 422: a proxy asked in its name.
                return Refusal(422, [("Min-SE", str(policy.min_se))]) if understood else None
            # The interval may be made shorter, never longer.
            wanted = max(policy.interval, floor) if policy.interval else asked.seconds
            interval, refresher = min(asked.seconds, wanted), asked.refresher
    except WireError as error:
        return Refusal(400, reason=error.reason)
    if not understood:
        ours = True
    elif refresher:
        ours = refresher == "uas"
    else:
        ours = current is not None and current.ours
    return Terms(interval, ours, understood)


def refreshed(response: Response, asked: Terms) -> Terms:
    """The terms after a 2xx to our refresh, which had asked for `asked` (§7.2).

    A peer that says nothing of session timers does not know them: we go on by ourselves.
    """
    try:
        answer = SessionExpires.parse(response.headers.get("session-expires"))
    except WireError:
        return Terms(asked.interval, ours=True, understood=False)
    return Terms(max(answer.seconds, SHORTEST), answer.refresher != "uas", understood=True)

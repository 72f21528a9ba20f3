"""A request under way: what was asked, the transaction, and the means to answer."""

from dataclasses import dataclass

from ivr.sip.dialog import Target
from ivr.sip.invite_server import InviteServer
from ivr.sip.message import Request
from ivr.sip.non_invite_server import NonInviteServer
from ivr.sip.replies import HeaderLines, Replies


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final response: status, extra headers, and a reason phrase where the usual one won't do.

    `why` is not sent: the application's own word for what it refuses.
    """

    status: int
    headers: HeaderLines = ()
    reason: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class InviteExchange:
    """An INVITE; `target` is where its Contact wants our requests, None without one."""

    request: Request
    server: InviteServer
    replies: Replies
    target: Target | None = None

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Answer with a failure, until it is acknowledged."""
        response = self.replies.write(refusal.status, refusal.headers, reason=refusal.reason)
        self.server.refuse(response, now)


@dataclass(frozen=True, slots=True)
class PlainExchange:
    """Any other request."""

    request: Request
    server: NonInviteServer
    replies: Replies
    target: Target | None = None

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Answer with a failure."""
        response = self.replies.write(refusal.status, refusal.headers, reason=refusal.reason)
        self.server.respond(response, now)

    def succeed(self, now: float, headers: HeaderLines = (), body: bytes = b"") -> None:
        """Answer 200."""
        self.server.respond(self.replies.write(200, headers, body), now)


Exchange = InviteExchange | PlainExchange

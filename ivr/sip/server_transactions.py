"""The table of server transactions: which request is a copy of which (RFC 3261 §17.2.3)."""

from ivr.sip.core import Core
from ivr.sip.flow import Flow
from ivr.sip.invite_server import InviteServer
from ivr.sip.message import Request
from ivr.sip.non_invite_server import NonInviteServer
from ivr.sip.replies import Replies

TransactionKey = tuple[str, ...]


class ServerTransactions:
    """Every server transaction of a user agent, from its request to the end of its last timer."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._table: dict[TransactionKey, InviteServer | NonInviteServer] = {}

    def __len__(self) -> int:
        return len(self._table)

    def get(self, key: TransactionKey) -> InviteServer | NonInviteServer | None:
        """The transaction that a request with that key belongs to."""
        return self._table.get(key)

    def get_invite(self, key: TransactionKey) -> InviteServer | None:
        """The same, where it is an INVITE's."""
        server = self._table.get(key)
        return server if isinstance(server, InviteServer) else None

    def open_invite(self, key: TransactionKey, replies: Replies, flow: Flow) -> InviteServer:
        """Begin the transaction of a new INVITE."""
        server = InviteServer(
            lambda data: self._core.send(replies.destination, data),
            self._core.timers,
            lambda: self._table.pop(key),
            reliable=flow.reliable,
        )
        self._table[key] = server
        return server

    def open(self, key: TransactionKey, replies: Replies, flow: Flow) -> NonInviteServer:
        """Begin the transaction of any other new request."""
        server = NonInviteServer(
            lambda data: self._core.send(replies.destination, data),
            self._core.timers,
            lambda: self._table.pop(key),
            reliable=flow.reliable,
        )
        self._table[key] = server
        return server


def transaction_key(request: Request, method: str) -> TransactionKey:
    """What tells a request from others and makes copies of it one (RFC 3261 §17.2.3).

    `method` is INVITE for the transaction that an ACK or a CANCEL is about.
    """
    method = "INVITE" if method == "ACK" else method
    via = request.via
    host, port = via.sent_by
    if via.has_cookie:
        return via.branch, host, str(port), method
    # An RFC 2543 client: nothing but all of these together tells requests apart.
    return (
        "",
        request.uri,
        request.from_.tag or "",
        request.call_id,
        str(request.cseq.number),
        str(via),
        method,
    )

"""The table of server transactions: which request is a copy of which (RFC 3261 §17.2.3)."""

import hashlib
from functools import partial

from ivr.sip.core import Core
from ivr.sip.flow import Destination, Flow, Outgoing
from ivr.sip.invite_server import InviteServer
from ivr.sip.message import Request
from ivr.sip.non_invite_server import NonInviteServer
from ivr.sip.replies import Replies
from ivr.sip.timers import Forgetting

TransactionKey = bytes
InviteId = bytes


class ServerTransactions:
    """Every server transaction of a user agent, from its request to the end of its last timer.

    Most of that time there is nothing to do but to know copies: two transactions of each call wait
    so for 32 s, thousands at a busy hour, so they are kept as a key and what copies get.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: dict[TransactionKey, InviteServer | NonInviteServer] = {}
        self._over: dict[TransactionKey, Outgoing | None] = {}
        self._forgetting: Forgetting[TransactionKey] = Forgetting(
            core.timers, lambda key, now: self._over.pop(key)
        )

    def __len__(self) -> int:
        return len(self._open) + len(self._over)

    def __contains__(self, key: TransactionKey) -> bool:
        return key in self._open or key in self._over

    def repeated(self, key: TransactionKey, now: float) -> bool:
        """Whether a request with that key is a copy; it is answered as the first was."""
        if server := self._open.get(key):
            server.repeated(now)
            return True
        if key not in self._over:
            return False
        if answer := self._over[key]:
            self._core.outgoing.append(answer)
        return True

    def get_invite(self, key: TransactionKey) -> InviteServer | None:
        """The transaction of an INVITE with that key, while there is more to it than copies."""
        server = self._open.get(key)
        return server if isinstance(server, InviteServer) else None

    def open_invite(self, key: TransactionKey, replies: Replies, flow: Flow) -> InviteServer:
        """Begin the transaction of a new INVITE."""
        server = InviteServer(
            partial(self._core.send, replies.destination),
            self._core.timers,
            partial(self._open.pop, key),
            partial(self._keep, key, None),
            reliable=flow.reliable,
        )
        self._open[key] = server
        return server

    def open(self, key: TransactionKey, replies: Replies, flow: Flow) -> NonInviteServer:
        """Begin the transaction of any other new request."""
        server = NonInviteServer(partial(self._answered, key, replies.destination, flow))
        self._open[key] = server
        return server

    def _answered(
        self, key: TransactionKey, to: Destination, flow: Flow, response: bytes, now: float
    ) -> None:
        self._core.send(to, response)
        if flow.reliable:
            del self._open[key]  # timer J is zero
        else:
            self._keep(key, Outgoing(to.flow, response), now)

    def _keep(self, key: TransactionKey, answer: Outgoing | None, now: float) -> None:
        """Nothing is left to do but to know copies, until timer J or L."""
        del self._open[key]
        self._over[key] = answer
        self._forgetting.add(key, now)


def transaction_key(request: Request, method: str) -> TransactionKey:
    """What tells a request from others and makes copies of it one (RFC 3261 §17.2.3).

    `method` is INVITE for the transaction that an ACK or a CANCEL is about.
    """
    method = "INVITE" if method == "ACK" else method
    via = request.via
    host, port = via.sent_by
    if via.has_cookie:
        return _digest(via.branch, host, str(port), method)
    # An RFC 2543 client: nothing but all of these together tells requests apart.
    return _digest(
        "",
        request.uri,
        request.from_.tag or "",
        request.call_id,
        str(request.cseq.number),
        str(via),
        method,
    )


def invite_id(request: Request) -> InviteId:
    """The same for one INVITE that comes by several ways (RFC 3261 §8.2.2.2)."""
    return _digest(request.call_id, request.from_.tag or "", str(request.cseq.number))


def _digest(*parts: str) -> bytes:
    """As long for a branch of 50 KB as for one of 20 bytes: 16 bytes."""
    return hashlib.blake2b("\n".join(parts).encode("latin-1"), digest_size=16).digest()

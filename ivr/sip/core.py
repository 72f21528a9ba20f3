"""What the parts of a user agent share: what goes out, the timers, and our own requests."""

from collections.abc import Callable

from ivr.sip.dialog import Dialog
from ivr.sip.events import Event
from ivr.sip.flow import Destination, Flow, Outgoing
from ivr.sip.grammar.scan import write_host
from ivr.sip.grammar.via import MAGIC_COOKIE
from ivr.sip.non_invite_client import NonInviteClient
from ivr.sip.replies import HeaderLines
from ivr.sip.timers import Timers

ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY")
ACCEPT = ("Accept", "application/sdp, application/dtmf-relay, application/dtmf, message/sipfrag")
# The header must be there even though we support no extension (RFC 3261 §20.37).
SUPPORTED = ("Supported", "")


class Core:
    """Queues of outgoing messages and events, timers, client transactions, live connections."""

    def __init__(
        self, server_name: str, advertised_host: str | None, entropy: Callable[[int], bytes]
    ) -> None:
        self.server_name = server_name
        self.timers = Timers()
        self.outgoing: list[Outgoing] = []
        self.events: list[Event] = []
        self.connections: set[int] = set()
        self.clients: dict[str, NonInviteClient] = {}
        self._advertised_host = advertised_host
        self._entropy = entropy

    def token(self) -> str:
        """A tag or the rest of a branch: 64 random bits (RFC 3261 §19.3 asks for 32)."""
        return self._entropy(8).hex()

    def retry_after(self) -> tuple[str, str]:
        """A random wait of 0 to 10 s, so that two who collided don't again (§14.2)."""
        return "Retry-After", str(self._entropy(1)[0] % 11)

    def emit(self, event: Event) -> None:
        """Tell the application."""
        self.events.append(event)

    def send(self, destination: Destination, data: bytes) -> None:
        """Queue a message: to the destination's backup if the connection is gone."""
        self.outgoing.append(Outgoing(self._standing(destination), data))

    def contact(self, flow: Flow) -> tuple[str, str]:
        """Our Contact, as reached by `flow`."""
        return "Contact", f"<sip:{self._address(flow)};transport={flow.transport}>"

    def ask(
        self,
        dialog: Dialog,
        method: str,
        sequence: int,
        headers: HeaderLines,
        answered: Callable[[int, float], None],
        now: float,
    ) -> None:
        """Send a request within `dialog`, in a client transaction of its own."""
        flow = self._standing(dialog.destination())
        branch = MAGIC_COOKIE + self.token()
        via = f"SIP/2.0/{flow.transport.upper()} {self._address(flow)};branch={branch};rport"
        self.clients[branch] = client = NonInviteClient(
            dialog.request(method, sequence, via, headers),
            lambda data: self.outgoing.append(Outgoing(flow, data)),
            self.timers,
            answered,
            lambda: self.clients.pop(branch, None),
            reliable=flow.reliable,
        )
        client.start(now)

    def _standing(self, destination: Destination) -> Flow:
        flow = destination.flow
        if flow.connection and flow.connection not in self.connections:
            return destination.backup
        return flow

    def _address(self, flow: Flow) -> str:
        return f"{write_host(self._advertised_host or flow.local[0])}:{flow.local[1]}"

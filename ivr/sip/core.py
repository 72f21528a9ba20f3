"""What the parts of a user agent share: what goes out, the timers, and our own requests."""

from collections.abc import Callable

from ivr.sip.dialog import Dialog
from ivr.sip.events import Event
from ivr.sip.flow import Destination, Flow, Outgoing
from ivr.sip.grammar.scan import write_host
from ivr.sip.grammar.via import MAGIC_COOKIE
from ivr.sip.invite_client import InviteClient
from ivr.sip.measures import Measures
from ivr.sip.message import Response
from ivr.sip.non_invite_client import UNDELIVERED, Answered, NonInviteClient
from ivr.sip.replies import HeaderLines
from ivr.sip.timers import Timers

ALLOW = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY, PRACK")
ACCEPT = ("Accept", "application/sdp, application/dtmf-relay, application/dtmf, message/sipfrag")
SUPPORTED = ("Supported", "timer, 100rel")

MAX_REQUEST = 1300  # bytes of a request by UDP where the way's MTU is not known (RFC 3261 §18.1.1)

_Client = NonInviteClient | InviteClient


class Core:
    """Queues of outgoing messages and events, timers, client transactions, live connections, and
    what is measured."""

    def __init__(
        self, server_name: str, advertised_host: str | None, entropy: Callable[[int], bytes]
    ) -> None:
        self.server_name = server_name
        self.timers = Timers()
        self.outgoing: list[Outgoing] = []
        self.events: list[Event] = []
        self.connections: set[int] = set()
        self.clients: dict[str, _Client] = {}
        self.measures = Measures()
        self._advertised_host = advertised_host
        self._entropy = entropy

    def token(self) -> str:
        """A tag or the rest of a branch: 64 random bits (RFC 3261 §19.3 asks for 32)."""
        return self._entropy(8).hex()

    def random(self, size: int) -> bytes:
        """Bytes that nobody can foretell."""
        return self._entropy(size)

    def retry_after(self) -> tuple[str, str]:
        """A random wait of 0 to 10 s, so that two who collided don't again (§14.2)."""
        return "Retry-After", str(self._entropy(1)[0] % 11)

    def first_sequence(self) -> int:
        """A random number from which RSeq may count on (RFC 3262 §3)."""
        return int.from_bytes(self._entropy(4), "big") >> 2

    def glare_wait(self) -> float:
        """Seconds to wait after a 491, at random, for who did not choose the Call-ID (§14.1)."""
        return int.from_bytes(self._entropy(2), "big") % 201 / 100

    def emit(self, event: Event) -> None:
        """Tell the application."""
        self.events.append(event)

    def send(self, destination: Destination, data: bytes) -> None:
        """Queue a message: to the destination's backup if the connection is gone."""
        self.outgoing.append(Outgoing(self._standing(destination), data))

    def contact(self, flow: Flow) -> tuple[str, str]:
        """Our Contact, as reached by `flow`."""
        return "Contact", f"<sip:{self._address(flow)};transport={flow.transport}>"

    def contact_of(self, user: str, flow: Flow) -> str:
        """The URI at which `user` of ours is reached by `flow`."""
        return f"sip:{user}@{self._address(flow)};transport={flow.transport}"

    def contact_in(self, dialog: Dialog) -> tuple[str, str]:
        """Our Contact within a dialog: a sips one where the dialog is secure (RFC 3261 §12.1.1)."""
        if dialog.secure:
            return "Contact", f"<sips:{self._address(dialog.flow)}>"
        return self.contact(dialog.flow)

    def ask(
        self,
        dialog: Dialog,
        method: str,
        sequence: int,
        headers: HeaderLines,
        answered: Answered,
        now: float,
    ) -> None:
        """Send a request within `dialog`, in a client transaction of its own."""
        self.ask_outside(
            self._standing(dialog.destination()),
            lambda via: dialog.request(method, sequence, via, headers),
            answered,
            now,
        )

    def ask_outside(
        self, flow: Flow, request: Callable[[str], bytes], answered: Answered, now: float
    ) -> None:
        """Send a request of no dialog, in a client transaction; `request(via)` writes it."""

        def make(flow: Flow, answered: Answered) -> tuple[str, _Client]:
            branch, via = self._via(flow)
            return branch, NonInviteClient(
                request(via),
                lambda data: self.outgoing.append(Outgoing(flow, data, branch)),
                self.timers,
                answered,
                lambda: self.clients.pop(branch, None),
                reliable=flow.reliable,
            )

        self._begin(flow, make, answered, now)

    def invite(
        self,
        dialog: Dialog,
        sequence: int,
        headers: HeaderLines,
        sdp: bytes,
        answered: Answered,
        now: float,
    ) -> None:
        """Send a re-INVITE with an offer, in a client transaction of its own, and its ACKs."""

        def make(flow: Flow, answered: Answered) -> tuple[str, _Client]:
            branch, via = self._via(flow)
            return branch, InviteClient(
                dialog.request("INVITE", sequence, via, headers, sdp),
                dialog.request("ACK", sequence, via, ()),  # of the INVITE's own branch (§17.1.1.3)
                lambda data: self.outgoing.append(Outgoing(flow, data, branch)),
                self._acknowledging(dialog, sequence, by_stream=flow.reliable),
                self.timers,
                answered,
                lambda: self.clients.pop(branch, None),
                reliable=flow.reliable,
            )

        self._begin(self._standing(dialog.destination()), make, answered, now)

    def undelivered(self, transaction: str, now: float) -> None:
        """A request of ours could not be sent."""
        if client := self.clients.get(transaction):
            client.undelivered(now)

    def _begin(
        self,
        flow: Flow,
        make: Callable[[Flow, Answered], tuple[str, _Client]],
        answered: Answered,
        now: float,
    ) -> None:
        """Start the transaction that `make` makes. One whose request is too large for a datagram
        goes by TCP, and by UDP after all where TCP does not lead there (§18.1.1)."""

        def start(branch: str, client: _Client, now: float) -> None:
            self.clients[branch] = client
            client.start(now)

        branch, client = make(flow, answered)
        if flow.reliable or len(client.request) <= MAX_REQUEST:
            start(branch, client, now)
            return

        def answered_by_tcp(status: int, response: Response | None, now: float) -> None:
            if response is None and status == UNDELIVERED:
                start(branch, client, now)
            else:
                answered(status, response, now)

        start(*make(Flow("tcp", flow.local, flow.remote), answered_by_tcp), now)

    def _acknowledging(
        self, dialog: Dialog, sequence: int, *, by_stream: bool
    ) -> Callable[[], None]:
        """What sends the ACK to a 2xx, made once the 2xx is here, the same for every copy of it.

        `by_stream`: the INVITE led there by TCP, so a large ACK does.
        """
        made: list[Outgoing] = []

        def acknowledge() -> None:
            if not made:
                flow = self._standing(dialog.destination())
                data = dialog.request("ACK", sequence, self._via(flow)[1], ())
                if by_stream and not flow.reliable and len(data) > MAX_REQUEST:
                    flow = Flow("tcp", flow.local, flow.remote)
                    data = dialog.request("ACK", sequence, self._via(flow)[1], ())
                made.append(Outgoing(flow, data))
            self.outgoing.append(made[0])

        return acknowledge

    def _via(self, flow: Flow) -> tuple[str, str]:
        """A new branch, and the whole Via value with it."""
        branch = MAGIC_COOKIE + self.token()
        protocol = f"SIP/2.0/{flow.transport.upper()}"
        return branch, f"{protocol} {self._address(flow)};branch={branch};rport"

    def _standing(self, destination: Destination) -> Flow:
        flow = destination.flow
        if flow.connection and flow.connection not in self.connections:
            return destination.backup
        return flow

    def _address(self, flow: Flow) -> str:
        return f"{write_host(self._advertised_host or flow.local[0])}:{flow.local[1]}"

"""A dialog as its callee sees it (RFC 3261 §12): who, the way there, the sequence numbers."""

from dataclasses import dataclass

from ivr.sip.flow import Destination, Flow
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.uri import Uri, split_scheme
from ivr.sip.grammar.via import default_port
from ivr.sip.message import Request, Response
from ivr.sip.replies import HeaderLines, write
from ivr.wire import WireError

_TRANSPORTS = frozenset({"udp", "tcp", "tls"})
_ADDRESS = frozenset("0123456789.")


@dataclass(frozen=True, slots=True)
class Target:
    """A place that requests go to: its URI as the peer wrote it, and as it reads.

    `behind_source`: the URI names the address that the peer also put in its Via, so what the peer
    can be reached at is the source of its requests, whatever a NAT made of that address.
    """

    text: str
    uri: Uri
    behind_source: bool = False

    @classmethod
    def moved_by(cls, response: Response, target: "Target") -> "Target":
        """The remote target after a 2xx to our INVITE or UPDATE: what its Contact names."""
        try:
            text = NameAddr.parse(response.headers.values("contact")[0]).uri
            uri = Uri.parse(text)
        except (WireError, IndexError):
            return target
        if uri.scheme not in ("sip", "sips"):
            return target
        stays = (uri.host, uri.port) == (target.uri.host, target.uri.port)
        return cls(text, uri, target.behind_source and stays)

    @classmethod
    def of_contact(cls, request: Request) -> "Target | None":
        """The remote target that the request's Contact names, None without one.

        Raises `WireError`.
        """
        contacts = request.headers.values("contact")
        if not contacts:
            return None
        text = NameAddr.parse(contacts[0]).uri
        uri = Uri.parse(text)
        if uri.scheme not in ("sip", "sips"):
            raise WireError("Contact is not a SIP URI")
        port = uri.port or default_port(_transport_of(uri, request.via.transport.lower()))
        behind_source = (uri.host, port) == request.via.sent_by and (
            "rport" in request.via.parameters
        )
        return cls(text, uri, behind_source)

    @classmethod
    def of_caller(cls, request: Request) -> "Target":
        """The remote target of a caller of RFC 2543, who need not say Contact: what From names.

        Raises `WireError`.
        """
        text = request.from_.uri
        uri = Uri.parse(text)
        if uri.scheme not in ("sip", "sips"):
            raise WireError("Missing Contact header")
        return cls(text, uri)


def route_set(request: Request) -> list[Target]:
    """The route set that Record-Route makes for the callee: in order (§12.1.1).

    Raises `WireError`.
    """
    routes: list[Target] = []
    for value in request.headers.values("record-route"):
        text = NameAddr.parse(value).uri
        uri = Uri.parse(text)
        if uri.scheme not in ("sip", "sips"):
            raise WireError("Record-Route is not a SIP URI")
        routes.append(Target(text, uri))
    return routes


class Dialog:
    """The state of RFC 3261 §12.1.1, and the requests that it makes (§12.2.1.1)."""

    __slots__ = (
        "_local_party",
        "_local_sequence",
        "_remote_party",
        "call_id",
        "flow",
        "local_tag",
        "local_uri",
        "remote_sequence",
        "remote_tag",
        "routes",
        "secure",
        "target",
    )

    def __init__(
        self,
        request: Request,
        flow: Flow,
        *,
        local_tag: str,
        local_party: str,
        target: Target,
        routes: list[Target],
    ) -> None:
        self.call_id = request.call_id
        self.local_tag = local_tag
        self.local_uri = request.to.uri
        self.remote_tag = request.from_.tag
        self.flow = flow
        self.target = target
        self.routes = routes
        self.remote_sequence = request.cseq.number
        self.secure = flow.transport == "tls" and split_scheme(request.uri)[0] == "sips"
        self._local_sequence = 0
        self._local_party = local_party
        self._remote_party = request.headers.get("from")

    def owns(self, request: Request) -> bool:
        """Whether a request with our tag in To is of this dialog."""
        return request.call_id == self.call_id and request.from_.tag == self.remote_tag

    def takes_in_order(self, request: Request) -> bool:
        """Whether the request's CSeq goes forward (§12.2.2); it is then the one to go beyond."""
        if request.cseq.number <= self.remote_sequence:
            return False
        self.remote_sequence = request.cseq.number
        return True

    def next_sequence(self) -> int:
        """The CSeq number for our next request."""
        self._local_sequence += 1
        return self._local_sequence

    def destination(self) -> Destination:
        """Where our requests go: the first route or the remote target, by address.

        A name needs DNS, which is not here: what named it is reached where it sent from. A
        connection that still stands is used whatever the addresses (RFC 5923).
        """
        hop = self.routes[0] if self.routes else self.target
        source, names = self.flow, self.flow.peer_names
        transport = "tls" if self.secure else _transport_of(hop.uri, source.transport)
        if _is_address(hop.uri.host):
            remote = (hop.uri.host, hop.uri.port or default_port(transport))
            named = Flow(transport, source.local, remote, peer_names=names)
        else:
            named = Flow(source.transport, source.local, source.remote, peer_names=names)
        if source.connection or (hop.behind_source and transport == source.transport):
            return Destination(source, named)
        return Destination(named, named)

    def request(
        self,
        method: str,
        sequence: int,
        via: str,
        headers: HeaderLines,
        body: bytes = b"",
    ) -> bytes:
        """Our request within the dialog; `via` is a whole Via value with its branch."""
        uri, routes = self.target.text, [route.text for route in self.routes]
        if routes and not self.routes[0].uri.is_loose_router:
            # A strict router wants its own address in the Request-URI, and the target last.
            uri, routes = routes[0], [*routes[1:], uri]
        fields = [
            f"Via: {via}",
            "Max-Forwards: 70",
            *(f"Route: <{route}>" for route in routes),
            f"From: {self._local_party}",
            f"To: {self._remote_party}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
        ]
        return write(f"{method} {uri} SIP/2.0", fields, headers, body)


def _transport_of(uri: Uri, otherwise: str) -> str:
    """How a URI wants to be reached (RFC 3263 §4.1); over TLS whatever its `transport`, if sips."""
    if uri.scheme == "sips":
        return "tls"
    asked = uri.transport
    return asked if asked is not None and asked in _TRANSPORTS else otherwise


def _is_address(host: str) -> bool:
    return ":" in host or _ADDRESS.issuperset(host)

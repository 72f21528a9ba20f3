"""Responses to one request (RFC 3261 §8.2.6) and where they go (§18.2.2, RFC 3581)."""

from collections.abc import Sequence

from ivr.sip.flow import Destination, Flow
from ivr.sip.grammar.via import Via
from ivr.sip.message import Request

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    603: "Decline",
}

HeaderLines = Sequence[tuple[str, str]]


def one_line(text: str) -> str:
    """`text` of ours in UTF-8 (§25.1), with nothing in it that could end a header line."""
    if not text.isprintable():
        text = " ".join(text.split())
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def write(start: str, fields: list[str], headers: HeaderLines, body: bytes) -> bytes:
    """A whole message. `fields` are lines as they go out; `headers` may come from anybody."""
    lines = [start, *fields]
    lines += [f"{one_line(name)}: {one_line(value)}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1", "replace") + body


class Replies:
    """Writes the responses to `request`, which came by `flow`.

    `tag` is ours, put on To where the request has none. `server` is what the Server header says,
    "" for none.
    """

    __slots__ = ("_head", "_record_routes", "_server", "_to", "destination", "tag")

    def __init__(self, request: Request, flow: Flow, tag: str, server: str) -> None:
        self.tag = tag
        self.destination = _destination(request.via, flow)
        headers = request.headers
        self._head = [f"Via: {via}" for via in headers.values("via")]
        self._head[0] = f"Via: {request.via.received_from(*flow.remote)}"
        self._record_routes = [f"Record-Route: {route}" for route in headers.fields("record-route")]
        # A request too broken for anything but a 400 may lack any of these.
        for name, written in (("From", "from"), ("Call-ID", "call-id"), ("CSeq", "cseq")):
            if written in headers:
                self._head.append(f"{name}: {headers.get(written)}")
        self._to = headers.get("to")
        self._server = [f"Server: {server}"] if server else []

    @property
    def local_party(self) -> str:
        """To, as our side is called in the dialog: with our tag."""
        return f"{self._to};tag={self.tag}"

    def write(
        self,
        status: int,
        headers: HeaderLines = (),
        body: bytes = b"",
        *,
        reason: str = "",
        record_route: bool = False,
    ) -> bytes:
        """One response. `record_route` copies Record-Route (§12.1.1): to what opens a dialog."""
        phrase = one_line(reason) or REASONS.get(status, "Unknown")
        fields = self._head + self._record_routes if record_route else self._head.copy()
        # A 100 opens no dialog, and To must stay as it came where it has a tag.
        if status == 100 or not self.tag:
            fields.append(f"To: {self._to}")
        elif self._to:
            fields.append(f"To: {self._to};tag={self.tag}")
        fields += self._server
        return write(f"SIP/2.0 {status} {phrase}", fields, headers, body)


def _destination(via: Via, flow: Flow) -> Destination:
    host, port = flow.remote[0], via.sent_by[1]
    backup = Flow(flow.transport, flow.local, (host, port), peer_names=flow.peer_names)
    if flow.reliable or "rport" in via.parameters:
        return Destination(flow, backup)
    return Destination(backup, backup)

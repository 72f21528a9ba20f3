"""SIP messages: bytes to `Request` or `Response` (RFC 3261 §7). Linear in the message's size."""

from dataclasses import dataclass, field

from ivr.sip.grammar.cseq import CSeq
from ivr.sip.grammar.headers import Headers, unfold
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.scan import is_token, number
from ivr.sip.grammar.via import VERSION, Via
from ivr.wire import WireError

MAX_MESSAGE = 65_535
MAX_HEADERS = 200
MAX_LINES = 1_000  # of the start and the header fields, before folded ones are joined
MAX_VIAS = 100  # Max-Forwards begins at 70 (RFC 3261 §8.1.1.6)
_GAPS = (";;", ";,", ",;", ",,")


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose Via, From, To, Call-ID and CSeq could be read; the rest is read when asked.

    `uri` and `headers` are the peer's text (Latin-1), free of CR and LF.
    """

    method: str
    uri: str
    version: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    via: Via
    from_: NameAddr = field(repr=False)
    to: NameAddr = field(repr=False)
    call_id: str
    cseq: CSeq


@dataclass(frozen=True, slots=True)
class Response:
    """A response, as far as it takes to find the transaction it answers."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    via: Via
    cseq: CSeq


def parse(data: bytes) -> Request | Response:
    """Read one message. Raises `WireError`, its reason fit for the reason phrase of a 400."""
    if len(data) > MAX_MESSAGE:
        raise WireError("Message too large")
    start, lines, body = _split(data)
    headers = Headers.parse(lines, MAX_HEADERS)
    if "content-length" in headers:
        length = number(headers.get("content-length"), MAX_MESSAGE)
        if length > len(body):
            raise WireError("Body shorter than Content-Length")
        body = body[:length]
    if start[:4].upper() == "SIP/":
        return _response(start, headers, body)
    request = _request(start, headers, body)
    if request.cseq.method != request.method:
        raise WireError("CSeq method does not match")
    if request.version == VERSION != request.via.protocol:
        raise WireError("Malformed Via header")
    return request


def salvage(data: bytes) -> Request | None:
    """What can be read of a request that `parse` refuses: enough to answer it, or None.

    Only the way back must be legible. What else is missing or malformed is empty here, and goes
    into the answer as it came (RFC 4475 §3.1.2.4, §3.1.2.6 and §3.3.1 want such a 400).
    """
    try:
        start, lines, _ = _split(data[:MAX_MESSAGE])
        if start[:4].upper() == "SIP/":
            return None
        headers = Headers.parse(lines, MAX_HEADERS, salvage=True)
        vias = headers.values("via")
        if not vias:
            return None
        via = Via.parse(vias[0])
    except WireError:
        return None
    method = start.partition(" ")[0]
    return Request(
        method,
        "",
        VERSION,
        headers,
        b"",
        via,
        _legible(headers, "from"),
        _legible(headers, "to"),
        headers.get("call-id"),
        CSeq(0, method),
    )


def _split(data: bytes) -> tuple[str, list[str], bytes]:
    """Start line, unfolded header lines, and what follows the empty line."""
    data = data.lstrip(b"\r\n")
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        # Line ends of LF alone break the RFC, but phones in the field do send them.
        head, _, body = data.partition(b"\n\n")
    text = head.decode("latin-1").replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", " ")
    if text.count("\n") > MAX_LINES:
        raise WireError("Too many header lines")
    start, _, rest = text.partition("\n")
    return start, unfold(rest.rstrip("\n")) if rest else [], body


def _request(start: str, headers: Headers, body: bytes) -> Request:
    # By spaces alone: str.split() would also take octets of UTF-8 for some.
    parts = [part for part in start.split(" ") if part]
    if len(parts) != 3 or not is_token(parts[0]):
        raise WireError("Malformed Request-Line")
    version = parts[2].upper()
    if not version.startswith("SIP/"):
        raise WireError("Malformed Request-Line")
    return _with_identity(parts[0], parts[1], version, headers, body)


def _with_identity(method: str, uri: str, version: str, headers: Headers, body: bytes) -> Request:
    via, cseq = _hop(headers)
    call_id = headers.get("call-id")
    if not call_id or " " in call_id:
        raise WireError("Missing or malformed Call-ID header")
    return Request(
        method,
        uri,
        version,
        headers,
        body,
        via,
        _party(headers, "from", "Missing or malformed From header"),
        _party(headers, "to", "Missing or malformed To header"),
        call_id,
        cseq,
    )


def _response(start: str, headers: Headers, body: bytes) -> Response:
    parts = start.split(None, 2)
    if len(parts) < 2 or parts[0].upper() != VERSION:
        raise WireError("Malformed Status-Line")
    status = number(parts[1], 699)
    if status < 100:
        raise WireError("Malformed Status-Line")
    via, cseq = _hop(headers)
    return Response(status, headers, body, via, cseq)


def _hop(headers: Headers) -> tuple[Via, CSeq]:
    vias = headers.values("via")
    if not vias:
        raise WireError("Missing Via header")
    if len(vias) > MAX_VIAS:
        raise WireError("Too many Via header fields")
    if any(_has_gap(field) for field in headers.fields("via")):
        raise WireError("Malformed Via header")
    if "cseq" not in headers:
        raise WireError("Missing CSeq header")
    return Via.parse(vias[0]), CSeq.parse(headers.get("cseq"))


def _has_gap(field: str) -> bool:
    """Whether nothing stands between two separators; one at the end is forgiven."""
    if '"' in field:
        return False
    packed = field.replace(" ", "").replace("\t", "")
    return any(gap in packed for gap in _GAPS)


def _legible(headers: Headers, name: str) -> NameAddr:
    try:
        return NameAddr.parse(headers.get(name))
    except WireError:
        return NameAddr("", "", {})


def _party(headers: Headers, name: str, fault: str) -> NameAddr:
    try:
        return NameAddr.parse(headers.get(name))
    except WireError as error:
        raise WireError(fault) from error

"""What is refused whatever the call: RFC 3261 §8.2.1 to §8.2.3, in its order."""

from ivr.sip.core import ALLOW
from ivr.sip.exchange import Refusal
from ivr.sip.grammar.media_type import MediaType
from ivr.sip.grammar.uri import Uri, split_scheme
from ivr.sip.grammar.via import VERSION
from ivr.sip.message import Request
from ivr.wire import WireError

SDP = "application/sdp"
MAX_URI = 4_096  # octets of a Request-URI
_COVERS_SDP = frozenset({SDP, "application/*", "*/*"})
_SERVED = frozenset(
    {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "NOTIFY", "PRACK"}
)
_KNOWN = frozenset({"MESSAGE", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE"})
METHODS = _SERVED | _KNOWN
_EXTENSIONS = frozenset({"timer", "100rel"})
_SCHEMES = frozenset({"sip", "tel"})
_SECURE_SCHEMES = _SCHEMES | {"sips"}
# A CANCEL must not fail for what its INVITE requires (§8.2.2.3).
_WITHOUT_REQUIRE = frozenset({"ACK", "CANCEL"})


def screen(request: Request, *, secure: bool) -> Refusal | None:
    """Why the request is refused, None when it may go on. `secure`: it came over TLS."""
    if request.version != VERSION:
        return Refusal(505)
    if request.method not in _SERVED:
        return Refusal(405, [ALLOW]) if request.method in _KNOWN else Refusal(501, [ALLOW])
    if len(request.uri) > MAX_URI:
        return Refusal(414)
    try:
        # A sips URI wants TLS on every hop, and the last one is ours (§26.2.2).
        schemes = _SECURE_SCHEMES if secure else _SCHEMES
        if split_scheme(request.uri)[0] not in schemes:
            return Refusal(416)
        if Uri.parse(request.uri).headers:
            # Not allowed there (§19.1.1); to leave them out is to guess (RFC 4475 §3.1.2.11).
            return Refusal(400, reason="Headers in the Request-URI")
        if "require" in request.headers and request.method not in _WITHOUT_REQUIRE:
            unknown = [
                tag for tag in request.headers.values("require") if tag.lower() not in _EXTENSIONS
            ]
            if unknown:
                return Refusal(420, [("Unsupported", ", ".join(unknown))])
        if request.method in ("INVITE", "UPDATE", "PRACK"):
            return _screen_session(request)
    except WireError as error:
        return Refusal(400, reason=error.reason)
    return None


def media_type(request: Request) -> str:
    """The body's media type, "" when there is no body. Raises `WireError`."""
    if not request.body:
        return ""
    return MediaType.parse(request.headers.get("content-type")).name


def _screen_session(request: Request) -> Refusal | None:
    if "accept" in request.headers and not _takes_sdp(request):
        return Refusal(406)
    if not request.body:
        return None
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return Refusal(415, [("Accept-Encoding", "identity")])
    if media_type(request) != SDP:
        return Refusal(415, [("Accept", SDP)])
    return None


def _takes_sdp(request: Request) -> bool:
    """Whether an Accept lets us answer with SDP (§20.1): without that there is no session."""
    accepted = request.headers.values("accept")
    return any(MediaType.parse(value).name in _COVERS_SDP for value in accepted)

"""What is refused whatever the call: RFC 3261 §8.2.1 to §8.2.3, in its order."""

from ivr.sip.core import ALLOW
from ivr.sip.exchange import Refusal
from ivr.sip.grammar.media_type import MediaType
from ivr.sip.grammar.uri import split_scheme
from ivr.sip.message import VERSION, Request
from ivr.wire import WireError

SDP = "application/sdp"
_SERVED = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "NOTIFY"})
_KNOWN = frozenset({"MESSAGE", "PRACK", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE"})
_SCHEMES = frozenset({"sip", "tel"})
# A CANCEL must not fail for what its INVITE requires (§8.2.2.3).
_WITHOUT_REQUIRE = frozenset({"ACK", "CANCEL"})


def screen(request: Request) -> Refusal | None:
    """Why the request is refused, None when it may go on."""
    if request.version != VERSION:
        return Refusal(505)
    if request.method not in _SERVED:
        return Refusal(405, [ALLOW]) if request.method in _KNOWN else Refusal(501, [ALLOW])
    try:
        if split_scheme(request.uri)[0] not in _SCHEMES:
            return Refusal(416)
        required = request.headers.values("require")
        if required and request.method not in _WITHOUT_REQUIRE:
            return Refusal(420, [("Unsupported", ", ".join(required))])
        if request.method in ("INVITE", "UPDATE"):
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
    if not request.body:
        return None
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return Refusal(415, [("Accept-Encoding", "identity")])
    if media_type(request) != SDP:
        return Refusal(415, [("Accept", SDP)])
    return None

"""Session descriptions (RFC 4566) and the offer/answer model (RFC 3264) for one G.711 stream."""

from ivr.sip.sdp.crypto import Crypto, SecureSound, Suite, fresh, fresh_offer
from ivr.sip.sdp.description import (
    Direction,
    MediaDescription,
    Origin,
    SessionDescription,
    parse,
)
from ivr.sip.sdp.offer_answer import (
    Capabilities,
    LocalMedia,
    Negotiated,
    accept_answer,
    answer,
    negotiate,
    offer,
)

__all__ = [
    "Capabilities",
    "Crypto",
    "Direction",
    "LocalMedia",
    "MediaDescription",
    "Negotiated",
    "Origin",
    "SecureSound",
    "SessionDescription",
    "Suite",
    "accept_answer",
    "answer",
    "fresh",
    "fresh_offer",
    "negotiate",
    "offer",
    "parse",
]

"""What the user agent tells its application: frozen values, in the order things happened.

`call` is the opaque name of one dialog, the same from `Invited` to `Released`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from ivr.sip.flow import Flow
from ivr.sip.message import Request


class DropReason(StrEnum):
    """Why a message was not acted upon: a fixed vocabulary, fit for a metric's label."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNFRAMED = "unframed"
    HANDSHAKE = "handshake"
    FLOOD = "flood"
    OVERLOAD = "overload"
    STRAY_ACK = "stray_ack"
    STRAY_RESPONSE = "stray_response"
    LATE_INVITE = "late_invite"
    STRANGER = "stranger"
    UNAUTHENTICATED = "unauthenticated"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    TOO_MANY_GUESSES = "too_many_guesses"


@dataclass(frozen=True, slots=True)
class Invited:
    """A new call: answer with `ring`, `accept` or `reject`.

    `line` is the user part of the Request-URI and `caller` that of From, both unescaped ("" when
    there is none). `sdp` is the offer, or None when we are to make one in `accept`.
    """

    call: str
    line: str
    caller: str
    flow: Flow
    sdp: bytes | None = field(repr=False)
    call_id: str
    request: Request = field(repr=False, compare=False)
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A new call that got no room: answered already, and nothing of it is kept.

    `why` is the application's own word. A copy of its INVITE is judged, and told, again.
    """

    line: str
    caller: str
    call_id: str
    trunk: str
    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK to our answer came; `sdp` is its answer where our 200 had made the offer.

    Comes once for the call, and again for a re-INVITE in whose 200 we made an offer.
    """

    call: str
    sdp: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before the answer; 487 has been sent."""

    call: str


@dataclass(frozen=True, slots=True)
class Offered:
    """A re-INVITE, an UPDATE or a PRACK with an offer: answer with `answer` or `refuse_offer`.

    `sdp` is None for a re-INVITE that wants an offer from us.
    """

    call: str
    sdp: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The answer to an offer that we sent in a re-INVITE, which was the session as it stood."""

    call: str
    sdp: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """A key that came in an INFO, already answered. `content_type` is in lower case."""

    call: str
    content_type: str
    body: bytes = field(repr=False)
    key: str = field(repr=False)
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ByeReceived:
    """The caller hung up; 200 has been sent."""

    call: str


@dataclass(frozen=True, slots=True)
class NotAcknowledged:
    """No ACK for 32 s: BYE has been sent and the call is over (RFC 3261 §13.3.1.4).

    Or no PRACK for 32 s: 500 has been sent (RFC 3262 §3).
    """

    call: str


@dataclass(frozen=True, slots=True)
class SessionExpired:
    """No refresh came in time, or ours was in vain: BYE has been sent (RFC 4028 §10)."""

    call: str


@dataclass(frozen=True, slots=True)
class Referred:
    """How a transfer ended: the final status that NOTIFY told, or (`refused`) of the REFER itself.

    408 stands for a REFER that nobody answered, for a NOTIFY that ended without a final status and
    for none in time.
    """

    call: str
    status: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """How a transfer goes: the provisional status that NOTIFY told."""

    call: str
    status: int


@dataclass(frozen=True, slots=True)
class Released:
    """The last event of a call: its dialog is in no table any more."""

    call: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of the registration of that name: a word of `registration.State`, and the status
    that it was answered with."""

    name: str
    state: str
    status: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message was not acted upon; or `count` of them, of which `flow` is the last one's."""

    reason: DropReason
    flow: Flow
    count: int = 1


Event = (
    Invited
    | TurnedAway
    | Confirmed
    | Cancelled
    | Offered
    | OfferAnswered
    | InfoReceived
    | ByeReceived
    | NotAcknowledged
    | SessionExpired
    | Referred
    | ReferProgress
    | Released
    | Registered
    | Dropped
)

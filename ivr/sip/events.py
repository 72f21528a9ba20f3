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
    OVERLOAD = "overload"
    STRAY_ACK = "stray_ack"
    STRAY_RESPONSE = "stray_response"
    LATE_INVITE = "late_invite"


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
    """A re-INVITE or an UPDATE: answer with `answer` or `refuse_offer`.

    `sdp` is None for a re-INVITE that wants an offer from us.
    """

    call: str
    sdp: bytes | None = field(repr=False)


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
    """No ACK for 32 s: BYE has been sent and the call is over (RFC 3261 §13.3.1.4)."""

    call: str


@dataclass(frozen=True, slots=True)
class Referred:
    """How a transfer ended: the final status that NOTIFY told, or that of the REFER itself.

    408 stands for a REFER that nobody answered and for a NOTIFY that ended without a final status.
    """

    call: str
    status: int


@dataclass(frozen=True, slots=True)
class Released:
    """The last event of a call: its dialog is in no table any more."""

    call: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message was not acted upon."""

    reason: DropReason
    flow: Flow


Event = (
    Invited
    | Confirmed
    | Cancelled
    | Offered
    | InfoReceived
    | ByeReceived
    | NotAcknowledged
    | Referred
    | Released
    | Dropped
)

"""Who is let in, asked before anything of a request is kept: a transaction costs memory for 32 s.

The user agent asks; the application answers. What is refused here is answered once for each copy
that comes, from the request alone, and nothing of it is remembered.
"""

from dataclasses import dataclass
from typing import Protocol

from ivr.sip.events import DropReason
from ivr.sip.exchange import Refusal
from ivr.sip.flow import Flow
from ivr.sip.message import Request

# Bytes of an answer to somebody not let in: one datagram on any path, whatever was in the request.
MAX_REJECTION = 1_200


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request goes on; `trunk` is whom it comes from, for `Invited`."""

    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It does not, for `reason`; `refusal` is what its sender is told, None for silence."""

    reason: DropReason
    refusal: Refusal | None = None


class Admission(Protocol):
    """What a user agent asks about requests that belong to no call and no transaction."""

    def recognise(self, request: Request, flow: Flow, now: float) -> Admitted | Rejected:
        """Whether this sender is served at all."""

    def is_known(self, flow: Flow) -> bool:
        """Whether what can't be read is answered with 400; else it is dropped."""

    def take_call(self, trunk: str, now: float) -> Refusal | None:
        """Take one more call of `trunk`, or say why not. One taken lasts until `Released`."""

    def health(self, trunk: str, now: float) -> Refusal | None:
        """What OPTIONS is answered with; None for 200."""


class Everybody:
    """Lets everybody in, without limit."""

    def recognise(self, request: Request, flow: Flow, now: float) -> Admitted | Rejected:
        return Admitted()

    def is_known(self, flow: Flow) -> bool:
        return True

    def take_call(self, trunk: str, now: float) -> Refusal | None:
        return None

    def health(self, trunk: str, now: float) -> Refusal | None:
        return None

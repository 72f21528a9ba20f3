"""CSeq (RFC 3261 §20.16)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import is_token, number
from ivr.wire import WireError

LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CSeq:
    """A sequence number, below 2**31, and the method it numbers."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read `4711 INVITE`. Raises `WireError`."""
        parts = text.split()
        if len(parts) != 2 or not is_token(parts[1]):
            raise WireError("Malformed CSeq header")
        try:
            return cls(number(parts[0], LARGEST), parts[1])
        except WireError as error:
            raise WireError("Malformed CSeq header") from error

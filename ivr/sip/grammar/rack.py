"""RAck (RFC 3262 §7.2): which reliable provisional response a PRACK is about."""

from dataclasses import dataclass

from ivr.sip.grammar.cseq import CSeq
from ivr.sip.grammar.scan import number
from ivr.wire import WireError

LARGEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class RAck:
    """The RSeq of the response, and the CSeq of the request that it answered."""

    response: int
    request: CSeq

    @classmethod
    def parse(cls, text: str) -> "RAck":
        """Read `776656 1 INVITE`. Raises `WireError`."""
        parts = text.split(None, 1)
        if len(parts) != 2:
            raise WireError("Missing or malformed RAck header")
        return cls(number(parts[0], LARGEST), CSeq.parse(parts[1]))

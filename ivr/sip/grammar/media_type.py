"""Content-Type and its like (RFC 3261 §20.15)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import Parameters, is_token, parameters
from ivr.wire import WireError


@dataclass(frozen=True, slots=True)
class MediaType:
    """`type/subtype;parameters`; `name` is `type/subtype` in lower case."""

    name: str
    parameters: Parameters

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read a media type. Raises `WireError`."""
        essence, _, tail = text.partition(";")
        kind, slash, subtype = essence.partition("/")
        kind, subtype = kind.strip().lower(), subtype.strip().lower()
        if not slash or not is_token(kind) or not is_token(subtype):
            raise WireError("Malformed Content-Type header")
        return cls(f"{kind}/{subtype}", parameters(tail))

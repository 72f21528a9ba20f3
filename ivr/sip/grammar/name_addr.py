"""name-addr and addr-spec with header parameters: From, To, Contact, Route (RFC 3261 §20.10)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import BLANK, Parameters, end_of_quoted, parameters, unquoted
from ivr.sip.grammar.uri import split_scheme
from ivr.wire import WireError

# What would end a URI where we write it again, in a Request-URI or between angle brackets.
_NOT_IN_URIS = frozenset([*map(chr, range(0x21)), "\x7f", "<", ">", '"'])


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"display" <uri>;parameters`. `uri` is the peer's text; parse it with `Uri` when needed."""

    display: str
    uri: str
    parameters: Parameters

    @property
    def tag(self) -> str | None:
        """The `tag` parameter, or None."""
        return self.parameters.get("tag")

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read one address. Raises `WireError`.

        Without angle brackets, what follows a semicolon belongs to the header (§20.10).
        """
        text = text.strip(BLANK)
        begin = end_of_quoted(text, 0) + 1 if text.startswith('"') else 0
        opening = text.find("<", begin)
        if opening < 0:
            if begin:
                raise WireError("Display name without an address")
            uri, _, tail = text.partition(";")
            display = ""
        else:
            closing = text.find(">", opening)
            if closing < 0:
                raise WireError("Unterminated angle bracket")
            display = text[:opening].strip(BLANK)
            uri = text[opening + 1 : closing]
            tail = text[closing + 1 :].lstrip(BLANK)
            if tail and tail[0] != ";":
                raise WireError("Text after the address")
            tail = tail[1:]
        uri = uri.strip(BLANK)
        split_scheme(uri)
        if not _NOT_IN_URIS.isdisjoint(uri):
            raise WireError("Malformed URI")
        found = parameters(tail)
        if found.get("tag", "") is None:
            raise WireError("Tag without a value")
        return cls(unquoted(display), uri, found)

"""Privacy (RFC 3323 §4.2, RFC 3325 §9.3): what a caller wants kept from the one who is called."""

from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.scan import split


def privacy(headers: Headers) -> frozenset[str]:
    """The kinds of privacy that are asked for, in lower case. Raises `WireError`."""
    fields = headers.fields("privacy")
    # Semicolons stand between them; commas are seen, too.
    return frozenset(
        kind.lower() for field in fields for part in split(field, ";") for kind in split(part, ",")
    )

"""P-Asserted-Identity (RFC 3325 §9.1): who calls, by the word of a network that one trusts."""

from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.name_addr import NameAddr


def asserted_identities(headers: Headers) -> list[NameAddr]:
    """A sip or sips URI, a tel URI, or one of each. Raises `WireError`."""
    return [NameAddr.parse(value) for value in headers.values("p-asserted-identity")]

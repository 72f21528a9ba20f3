"""Diversion (RFC 5806): who sent a call on, each on top of the one before."""

from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.name_addr import NameAddr


def diversions(headers: Headers) -> list[NameAddr]:
    """Who sent the call on, the first one first: the reverse of how they stand.

    Raises `WireError`.
    """
    return [NameAddr.parse(value) for value in headers.values("diversion")][::-1]

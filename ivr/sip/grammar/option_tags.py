"""Option tags: the names of extensions in Supported, Require and their like (RFC 3261 §19.2)."""

from ivr.sip.grammar.headers import Headers


def option_tags(headers: Headers, *names: str) -> frozenset[str]:
    """The option tags in the fields of those names, in lower case. Raises `WireError`."""
    return frozenset(tag.lower() for name in names for tag in headers.values(name))

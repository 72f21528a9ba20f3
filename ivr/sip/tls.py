"""What TLS says of a peer (RFC 5922), and the settings that a connection is made with."""

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Protocol


class TlsContexts(Protocol):
    """The settings of a connection, asked for at each new one: certificates may change."""

    def server(self) -> ssl.SSLContext:
        """For a connection that comes in."""

    def client(self) -> ssl.SSLContext:
        """For one that we open. Names are compared by `peer_names`, not by this context."""


def peer_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The SIP domains (RFC 5922 §7.1) and IP addresses that a verified certificate is for.

    `certificate`: as `SSLObject.getpeercert` gives it; None or empty when none was verified. In
    lower case: the hosts of `sip` URIs, or the DNS names where there is no such URI.
    """
    names: Any = (certificate or {}).get("subjectAltName", ())
    domains = [
        value[4:].lower()
        for kind, value in names
        if kind == "URI" and value[:4].lower() == "sip:" and "@" not in value
    ] or [value.lower() for kind, value in names if kind == "DNS"]
    # OpenSSL writes IPv6 in full, and whoever compares writes it short.
    addresses = [str(ip_address(value)) for kind, value in names if kind == "IP Address"]
    return tuple(dict.fromkeys((*domains, *addresses)))

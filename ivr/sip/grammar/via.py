"""Via (RFC 3261 §20.42), with `received` and `rport` (RFC 3581)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import (
    Parameters,
    host_port,
    is_token,
    parameters,
    write_host,
    write_parameters,
)
from ivr.wire import WireError

MAGIC_COOKIE = "z9hG4bK"
DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True)
class Via:
    """One hop. `transport` is in upper case, `host` in lower case; `port` is None when absent."""

    transport: str
    host: str
    port: int | None
    parameters: Parameters

    @property
    def branch(self) -> str:
        """The branch, or "" when there is none (an RFC 2543 client)."""
        return self.parameters.get("branch") or ""

    @property
    def has_cookie(self) -> bool:
        """Whether the branch names the transaction by itself (RFC 3261 §8.1.1.7)."""
        return self.branch[:7].lower() == MAGIC_COOKIE.lower()

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host and port that responses go to, unless `received` or `rport` say otherwise."""
        return self.host, self.port or DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one Via value. Raises `WireError`."""
        parts = text.split("/", 2)
        if len(parts) < 3 or parts[0].strip().upper() != "SIP" or parts[1].strip() != "2.0":
            raise WireError("Malformed Via header")
        protocol = parts[2].split(None, 1)
        if len(protocol) < 2 or not is_token(protocol[0]):
            raise WireError("Malformed Via header")
        address, _, tail = protocol[1].partition(";")
        host, port = host_port(address)
        return cls(protocol[0].upper(), host.lower(), port, parameters(tail))

    def received_from(self, host: str, port: int) -> "Via":
        """As it goes back in responses: with the source address that the request came from."""
        if "rport" not in self.parameters and self.host == host:
            return self
        extended = dict(self.parameters)
        if "rport" in extended:
            extended["rport"] = str(port)
        extended["received"] = host
        return Via(self.transport, self.host, self.port, extended)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return (
            f"SIP/2.0/{self.transport} {write_host(self.host)}{port}"
            f"{write_parameters(self.parameters)}"
        )

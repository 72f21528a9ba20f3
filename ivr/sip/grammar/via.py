"""Via (RFC 3261 §20.42), with `received` and `rport` (RFC 3581)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import (
    BLANK,
    Parameters,
    host_port,
    is_token,
    parameters,
    write_host,
    write_parameters,
)
from ivr.wire import WireError

VERSION = "SIP/2.0"
MAGIC_COOKIE = "z9hG4bK"
DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061


@dataclass(frozen=True, slots=True)
class Via:
    """One hop. `transport` is in upper case, `host` in lower case; `port` is None when absent.

    `protocol` is SIP/2.0 but in messages of another version, which are answered all the same.
    """

    transport: str
    host: str
    port: int | None
    parameters: Parameters
    protocol: str = VERSION

    @property
    def branch(self) -> str:
        """The branch, or "" when there is none (an RFC 2543 client)."""
        return self.parameters.get("branch") or ""

    @property
    def has_cookie(self) -> bool:
        """Whether the branch names the transaction by itself (RFC 3261 §8.1.1.7).

        The cookie with nothing after it names none (RFC 4475 §3.2.1).
        """
        branch = self.branch
        return len(branch) > 7 and branch[:7].lower() == MAGIC_COOKIE.lower()

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host and port that responses go to, unless `received` or `rport` say otherwise."""
        return self.host, self.port or default_port(self.transport)

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one Via value. Raises `WireError`."""
        parts = text.split("/", 2)
        if len(parts) < 3:
            raise WireError("Malformed Via header")
        name, version = parts[0].strip(BLANK).upper(), parts[1].strip(BLANK)
        hop = parts[2].split(None, 1)
        if name != "SIP" or not is_token(version) or len(hop) < 2 or not is_token(hop[0]):
            raise WireError("Malformed Via header")
        address, _, tail = hop[1].partition(";")
        host, port = host_port(address)
        return cls(hop[0].upper(), host.lower(), port, parameters(tail), f"SIP/{version}")

    def received_from(self, host: str, port: int) -> "Via":
        """As it goes back in responses: with the source address that the request came from."""
        if "rport" not in self.parameters and self.host == host:
            return self
        extended = dict(self.parameters)
        if "rport" in extended:
            extended["rport"] = str(port)
        extended["received"] = host
        return Via(self.transport, self.host, self.port, extended, self.protocol)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return (
            f"{self.protocol}/{self.transport} {write_host(self.host)}{port}"
            f"{write_parameters(self.parameters)}"
        )


def default_port(transport: str) -> int:
    """The port that is meant where none is given (RFC 3261 §18.1.1, §19.1.2)."""
    return DEFAULT_TLS_PORT if transport.upper() == "TLS" else DEFAULT_PORT

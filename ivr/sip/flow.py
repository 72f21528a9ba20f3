"""Where messages come from and go to."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Flow:
    """A path between one of our addresses and a peer's.

    `transport` is "udp", "tcp" or "tls". `connection` is the id of a TCP or TLS connection; 0 means
    none: the transport then opens one to `remote`, or takes one that is open. `peer_names`: the SIP
    domains and addresses of the peer's verified certificate (RFC 5922 §7.1), in lower case; a new
    connection that is to replace this one must show one of them.
    """

    transport: str
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0
    peer_names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself (RFC 3261 §17: several timers are zero)."""
        return self.transport != "udp"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one peer's messages go: `flow`, or `backup` once its connection is gone."""

    flow: Flow
    backup: Flow


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. `transaction`: the branch of a request of ours, whose client transaction
    wants to know when no connection can be had for it."""

    flow: Flow
    data: bytes
    transaction: str = ""

"""Where messages come from and go to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """A path between one of our addresses and a peer's.

    `transport` is "udp" or "tcp". `connection` is the id of a TCP connection; 0 means none: the
    transport then opens one to `remote`, or takes one that is open.
    """

    transport: str
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0

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
    """One message to send."""

    flow: Flow
    data: bytes

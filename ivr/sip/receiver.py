"""What the sockets hand things to: `transport.py` is one, a test may have its own."""

from collections.abc import Callable
from typing import Protocol

from ivr.sip.events import DropReason
from ivr.sip.flow import Flow, Outgoing


class Receiver(Protocol):
    """Takes what came in. After one or several `received`, the socket calls `pump` once."""

    clock: Callable[[], float]

    def received(self, data: bytes, flow: Flow) -> bool:
        """One datagram, or one message of a stream. False: its sender has had its share."""

    def admits(self, flow: Flow, cost: float) -> bool:
        """Whether a connection may be made that costs as much as so many messages."""

    def connection_lost(self, flow: Flow) -> None:
        """A connection is gone."""

    def undelivered(self, message: Outgoing) -> None:
        """A message could not be sent: there is no connection, and none could be opened."""

    def dropped(self, reason: DropReason, flow: Flow) -> None:
        """Something never became a message."""

    def pump(self) -> None:
        """Send what came of it."""


Address = tuple[str, int]

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104


def plain(host: str) -> str:
    """An IPv4 address that an IPv6 socket shows, as IPv4."""
    return host.removeprefix("::ffff:") if "." in host else host

"""What systemd, or whoever else speaks sd_notify(3), is told about us: ready, alive, ending.

Does nothing where nobody asked to be told (`NOTIFY_SOCKET`).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping


class ServiceManager:
    """The other end of `NOTIFY_SOCKET`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is one of the abstract namespace (unix(7)).
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = _watchdog_seconds(environment)

    def ready(self, status: str) -> None:
        """Calls can be taken."""
        self._tell("READY=1", f"STATUS={status}")

    def stopping(self, status: str, seconds: float) -> None:
        """No call is taken any more; it may take so many seconds until all is over."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    async def keep_informed(self, status: Callable[[], str]) -> None:
        """Tell again and again that this event loop turns, and the status. Never ends, unless
        nobody listens."""
        if not self._address:
            return
        while True:
            self._tell("WATCHDOG=1", f"STATUS={status()}")
            await asyncio.sleep(self._watchdog)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A manager that does not listen is no reason to take no calls.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours, contextlib.suppress(OSError):
            ours.setblocking(False)
            ours.sendto("\n".join(lines).encode(), self._address)


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """How often to tell that we are alive: three times within what is allowed, at most every 5 s.

    `WATCHDOG_PID` may say that it is another process that is watched (sd_watchdog_enabled(3)).
    """
    usual = 5.0
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    allowed = environment.get("WATCHDOG_USEC", "")
    return min(usual, int(allowed) / 3e6) if ours and allowed.isdecimal() else usual

"""Pairs of UDP ports for calls: RTP on the even one, RTCP on the next (RFC 3550 section 11)."""

import contextlib
import errno
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ivr.media.stream import Address, NoPortsLeft

_TRIES = 64  # pairs that the system may offer half taken before we give up


@dataclass(frozen=True, slots=True)
class PortPair:
    """Two bound, non-blocking sockets on neighbouring ports."""

    rtp: socket.socket
    rtcp: socket.socket
    port: int

    def connect(self, remote: Address) -> socket.socket:
        """A socket on the RTP port for `remote` alone; `rtp` goes on to hear everybody else.

        Raises OSError: no way leads to `remote`, or no descriptor is left.
        """
        udp = socket.socket(self.rtp.family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            _share(self.rtp, udp, allowed=True)
            udp.bind(self.rtp.getsockname())
            udp.connect(remote)
        except OSError:
            udp.close()
            raise
        finally:
            _share(self.rtp, udp, allowed=False)  # from here on nobody else can bind the port
        with contextlib.suppress(OSError):
            while True:
                udp.recv(1)  # may be anybody's: it came before the connection was made
        return udp

    def close(self) -> None:
        """Give the ports back to the system."""
        self.rtp.close()
        self.rtcp.close()


class PortPool:
    """The pairs of a worker. A pair rests after a call: packets to the last do not reach the next.

    `low`, `high`: the range, (0, 0) for whatever the system gives; of its pairs this pool uses each
    `shares`th from number `share`. `rest`: seconds.
    """

    def __init__(
        self, host: str, port_range: tuple[int, int], *, share: int, shares: int, rest: float
    ) -> None:
        self._host = host
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        low, high = port_range
        self._any = high == 0
        self._free = deque(range(low + low % 2, high, 2)[share::shares])
        self._rest = rest
        self._resting: deque[tuple[float, PortPair]] = deque()
        self.in_use = 0

    @property
    def resting(self) -> int:
        """Pairs that are bound but closed to calls."""
        return len(self._resting)

    @property
    def deadline(self) -> float | None:
        """When `advance` is due, or None."""
        return self._resting[0][0] if self._resting else None

    def acquire(self) -> PortPair:
        """Bind a pair; the one that was used longest ago comes first. Raises `NoPortsLeft`."""
        pair = next(filter(None, self._offers()), None)
        if pair is None:
            raise NoPortsLeft
        self.in_use += 1
        return pair

    def _offers(self) -> Iterator[PortPair | None]:
        if self._any:
            for _ in range(_TRIES):
                yield self._bind_any()
        for _ in range(len(self._free)):
            port = self._free.popleft()
            pair = self._bind(port)
            if pair is None:
                self._free.append(port)
            yield pair

    def release(self, pair: PortPair, now: float) -> None:
        """End the use of a pair; its rest begins."""
        self.in_use -= 1
        for ear in (pair.rtp, pair.rtcp):
            # The least the kernel allows: what still comes in is not worth its memory.
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        self._resting.append((now + self._rest, pair))

    def advance(self, now: float) -> None:
        """Free the pairs that have rested."""
        while self._resting and self._resting[0][0] <= now:
            _, pair = self._resting.popleft()
            pair.close()
            if not self._any:
                self._free.append(pair.port)

    def close(self) -> None:
        """Give back the pairs at rest."""
        self.advance(float("inf"))

    def _bind(self, port: int) -> PortPair | None:
        """The pair from even `port`, or None when another program has one of the two."""
        with contextlib.ExitStack() as undo:
            try:
                rtp = undo.enter_context(self._socket(port))
                rtcp = undo.enter_context(self._socket(port + 1))
            except OSError as error:
                _must_be_taken(error)
                return None
            undo.pop_all()
            return PortPair(rtp, rtcp, port)

    def _bind_any(self) -> PortPair | None:
        with contextlib.ExitStack() as undo:
            try:
                first = undo.enter_context(self._socket(0))
                port = first.getsockname()[1]
                second = undo.enter_context(self._socket(port ^ 1))
            except OSError as error:
                _must_be_taken(error)
                return None
            undo.pop_all()
        if port % 2:
            return PortPair(second, first, port - 1)
        return PortPair(first, second, port)

    def _socket(self, port: int) -> socket.socket:
        udp = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.bind((self._host, port))
        except OSError:
            udp.close()
            raise
        return udp


def _share(*sockets: socket.socket, allowed: bool) -> None:
    """Let sockets that are open bind one port, or no longer."""
    for udp in sockets:
        if udp.fileno() != -1:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(allowed))


def _must_be_taken(error: OSError) -> None:
    """Another program's port is passed over; any other fault would meet every port."""
    if error.errno != errno.EADDRINUSE:
        raise NoPortsLeft(error.strerror) from error

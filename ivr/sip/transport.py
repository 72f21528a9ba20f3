"""UDP, TCP and TLS for a user agent, on asyncio. With its two kinds of sockets, `datagrams.py` and
`streams.py`, it is all of `ivr.sip` that knows of a loop.

No rule of SIP lives here. After every message, every timer and every call of the application, the
same `pump` sends what is pending, delivers events and re-arms the one timer.
"""

import asyncio
import time
from collections.abc import Callable

from ivr.sip.datagrams import DatagramSocket
from ivr.sip.events import Dropped, DropReason, Event
from ivr.sip.fair_share import FAULT_COST, FairShare
from ivr.sip.flow import Flow, Outgoing
from ivr.sip.grammar.scan import write_host
from ivr.sip.receiver import Address
from ivr.sip.streams import Streams
from ivr.sip.tls import TlsContexts
from ivr.sip.user_agent import UserAgent

_FAULTS = frozenset({DropReason.MALFORMED, DropReason.TOO_LARGE, DropReason.UNFRAMED})


class Transport:
    """The listeners of one user agent. Use it from one event loop.

    `tls`: the settings of TLS connections; without them there are none. `fair_share`: how much of
    each source is read; without it, everything.
    """

    def __init__(
        self,
        agent: UserAgent,
        on_event: Callable[[Event], None],
        *,
        tls: TlsContexts | None = None,
        fair_share: FairShare | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._agent = agent
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._addresses: list[str] = []
        self._datagrams: dict[Address, DatagramSocket] = {}
        self._share = fair_share
        self._flood: Dropped | None = None
        self._streams = Streams(self, tls)
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._closed = False

    @property
    def addresses(self) -> list[str]:
        """Where calls come in, such as "udp:127.0.0.1:5060"; an IPv6 address is in brackets."""
        return self._addresses.copy()

    def port(self, transport: str) -> int:
        """The port that we listen on by that transport, 0 when we don't."""
        shown = (address for address in self._addresses if address.startswith(f"{transport}:"))
        return int(next(shown, ":0").rpartition(":")[2])

    async def listen(self, transport: str, host: str, port: int) -> Address:
        """Listen on "udp", "tcp" or "tls"; port 0 picks one. Raises `OSError` when it can't be."""
        if transport == "udp":
            datagrams = DatagramSocket(self, host, port)
            local = datagrams.local
            self._datagrams[local] = datagrams
        else:
            local = await self._streams.listen(transport, host, port)
        self._addresses.append(f"{transport}:{write_host(local[0])}:{local[1]}")
        return local

    def pump(self) -> None:
        """Send what is pending, deliver events, re-arm the timer. Call it after each call of ours.

        An event's handler may call the user agent and pump itself: the outer one carries on.
        """
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            while True:
                outgoing = self._agent.outgoing()
                for message in outgoing:
                    self._send(message)
                events = self._agent.events()
                if self._flood:
                    events.append(self._flood)
                    self._flood = None
                if not events and not outgoing:  # what can't be sent may be sent otherwise
                    break
                for event in events:
                    self._deliver(event)
        finally:
            self._pumping = False
        self._arm()

    async def close(self) -> None:
        """Close every socket and connection. What is pending is not sent any more."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._streams.close()
        for datagrams in self._datagrams.values():
            datagrams.close()
        self._datagrams.clear()
        # The loop closes sockets of streams in its next turn.
        await asyncio.sleep(0)

    def received(self, data: bytes, flow: Flow) -> bool:
        """Hand one message to the user agent; `pump` is the caller's next step."""
        now = self.clock()
        if self._share is not None and not self._share.takes(flow.remote[0], data, now):
            self._note_flood(flow)
            return False
        self._agent.receive(data, flow, now)
        return True

    def admits(self, flow: Flow, cost: float) -> bool:
        """Charge a connection to its source; False when that has had its share."""
        now = self.clock()
        if self._share is None:
            return True
        if not self._share.takes(flow.remote[0], b"", now):
            self._note_flood(flow)
            return False
        self._share.charge(flow.remote[0], cost - 1, now)
        return True

    def _note_flood(self, flow: Flow) -> None:
        # One event for a wake-up: to tell of each would cost more than to drop it.
        count = self._flood.count if self._flood else 0
        self._flood = Dropped(DropReason.FLOOD, flow, count + 1)

    def connection_lost(self, flow: Flow) -> None:
        """Tell the user agent that a connection is gone."""
        self._agent.connection_lost(flow, self.clock())
        self.pump()

    def undelivered(self, message: Outgoing) -> None:
        """Tell the user agent that a request of its own was not sent."""
        if message.transaction:
            self._agent.undelivered(message.transaction, self.clock())
            self.pump()

    def dropped(self, reason: DropReason, flow: Flow) -> None:
        """Tell the application of something that never reached the user agent."""
        self._deliver(Dropped(reason, flow))

    def _deliver(self, event: Event) -> None:
        if self._share is not None and isinstance(event, Dropped) and event.reason in _FAULTS:
            self._share.charge(event.flow.remote[0], FAULT_COST, self.clock())
        try:
            self._on_event(event)
        except Exception as error:
            # The next event, or the next caller, must not pay for this one.
            self._loop.call_exception_handler(
                {"message": "a handler of SIP events failed", "exception": error}
            )

    def _send(self, message: Outgoing) -> None:
        if message.flow.reliable:
            self._streams.send(message)
            return
        datagrams = self._socket_for(message.flow)
        if datagrams:
            datagrams.send(message)

    def _socket_for(self, flow: Flow) -> DatagramSocket | None:
        exact = self._datagrams.get(flow.local)
        if exact:
            return exact
        is_v6 = ":" in flow.remote[0]
        for datagrams in self._datagrams.values():
            if datagrams.is_v6 == is_v6 or datagrams.is_wildcard:
                return datagrams
        return None

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        deadline = self._agent.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - self.clock()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._agent.advance(self.clock())
        self.pump()

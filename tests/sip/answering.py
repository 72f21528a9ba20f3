"""A small application that answers every call with a fixed body: the signalling alone, for sipp."""

import time
from collections import Counter
from types import TracebackType

from ivr.sip.events import Dropped, Event, Invited
from ivr.sip.transport import Transport
from ivr.sip.user_agent import UserAgent

BODY = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Answering:
    """`async with Answering() as answering`: listens on UDP and TCP, counts events by name."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.agent = UserAgent(server_name="test")
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> "Answering":
        self.transport = Transport(self.agent, self._on_event)
        for protocol in ("udp", "tcp"):
            _, self.ports[protocol] = await self.transport.listen(protocol, self.host, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.transport.close()

    def _on_event(self, event: Event) -> None:
        self.counts[type(event).__name__] += 1
        if isinstance(event, Dropped):
            self.dropped[event.reason] += 1
        if isinstance(event, Invited):
            now = time.monotonic()
            self.agent.ring(event.call, now)
            self.agent.accept(event.call, BODY, now)
            self.transport.pump()

"""A small application that answers every call with a fixed body: the signalling alone, for sipp.

A line with `early` in its name gets that body in a 183 first.
"""

import asyncio
import random
import time
from collections import Counter
from types import TracebackType

from ivr.sip.events import Dropped, Event, Invited, Offered
from ivr.sip.fair_share import FairShare
from ivr.sip.session_terms import SessionPolicy
from ivr.sip.tls import TlsContexts
from ivr.sip.transport import Transport
from ivr.sip.user_agent import UserAgent

NO_TIMERS = SessionPolicy()
BODY = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Answering:
    """`async with Answering() as answering`: listens on UDP, TCP and, with `tls`, TLS; counts
    events by name.

    `ringing`: the most seconds that a call rings, the least being none.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        sessions: SessionPolicy = NO_TIMERS,
        *,
        ringing: float = 0.0,
        tls: TlsContexts | None = None,
        fair_share: FairShare | None = None,
    ) -> None:
        self.host = host
        self.tls = tls
        self.fair_share = fair_share
        self.events: list[Event] = []
        self.ringing = ringing
        self._chance = random.Random(3261)
        self.agent = UserAgent(server_name="test", sessions=sessions)
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> "Answering":
        self.transport = Transport(
            self.agent, self._on_event, tls=self.tls, fair_share=self.fair_share
        )
        for protocol in ("udp", "tcp", *(("tls",) if self.tls else ())):
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
        self.events.append(event)
        self.counts[type(event).__name__] += 1
        if isinstance(event, Dropped):
            self.dropped[event.reason] += event.count
        if isinstance(event, Invited):
            now = time.monotonic()
            self.agent.ring(event.call, now)
            if "early" in event.line:
                self.agent.progress(event.call, BODY, now)
            if self.ringing:
                after = self._chance.uniform(0, self.ringing)
                asyncio.get_running_loop().call_later(after, self._accept, event.call)
            else:
                self.agent.accept(event.call, BODY, now)
            self.transport.pump()
        if isinstance(event, Offered):
            self.agent.answer(event.call, BODY, time.monotonic())
            self.transport.pump()

    def _accept(self, call: str) -> None:
        self.agent.accept(call, BODY, time.monotonic())
        self.transport.pump()

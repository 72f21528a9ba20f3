"""A wire between a user agent and a scripted peer: lose the exact message you mean, jump in time.

Nothing here sleeps or opens a socket. `Wire.now` is the only clock, and it moves to the next
deadline of the user agent or to where a test puts it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from ivr.sip.admission import Admission, Everybody
from ivr.sip.events import Event
from ivr.sip.flow import Flow, Outgoing
from ivr.sip.session_terms import SessionPolicy
from ivr.sip.user_agent import Limits, UserAgent

HERE = ("192.0.2.1", 5060)
THERE = ("192.0.2.99", 5080)
START = 1000.0

E = TypeVar("E")


@dataclass(frozen=True)
class Sent:
    """One message that the user agent sent: when (seconds since the start), where, what."""

    at: float
    flow: Flow
    data: bytes

    @property
    def lines(self) -> list[str]:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")

    @property
    def start(self) -> str:
        """The start line."""
        return self.lines[0]

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """The method of a request, or that of CSeq for a response."""
        return self.header("CSeq").split()[1]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def headers(self, name: str) -> list[str]:
        """The values of a header, in order."""
        prefix = f"{name}: ".lower()
        return [line[len(prefix) :] for line in self.lines if line.lower().startswith(prefix)]

    def header(self, name: str) -> str:
        """The value of a header that comes once."""
        values = self.headers(name)
        if len(values) != 1:
            raise AssertionError(f"{name} comes {len(values)} times in {self.data!r}")
        return values[0]

    @property
    def to_tag(self) -> str:
        return self.header("To").partition(";tag=")[2]


class Recorder:
    """A network that keeps what is sent and delivers nothing."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def carry(self, messages: list[Outgoing], at: float) -> None:
        self.sent += [Sent(at, message.flow, message.data) for message in messages]


class Wire:
    """A user agent, its peer's flow, and the time."""

    def __init__(
        self,
        *,
        transport: str = "udp",
        advertised_host: str | None = None,
        limits: Limits | None = None,
        sessions: SessionPolicy | None = None,
        admission: Admission | None = None,
        local: tuple[str, int] = HERE,
        remote: tuple[str, int] = THERE,
    ) -> None:
        numbers = count(1)
        self.agent = UserAgent(
            server_name="test",
            advertised_host=advertised_host,
            entropy=lambda size: next(numbers).to_bytes(size, "big"),
            limits=limits or Limits(),
            sessions=sessions or SessionPolicy(),
            admission=admission or Everybody(),
        )
        self.flow = Flow(transport, local, remote, 0 if transport == "udp" else 1)
        self.now = START
        self.network = Recorder()
        self.events: list[Event] = []
        self._taken = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - START

    @property
    def sent(self) -> list[Sent]:
        """Everything the user agent sent."""
        return self.network.sent

    def deliver(self, data: bytes | str, flow: Flow | None = None) -> list[Sent]:
        """Give the user agent a message; what it sends at once comes back."""
        octets = data.encode("latin-1") if isinstance(data, str) else data
        self.agent.receive(octets, flow or self.flow, self.now)
        return self.take()

    def do(self, action: Callable[[UserAgent], None]) -> list[Sent]:
        """Let the application call the user agent; what it sends at once comes back."""
        action(self.agent)
        return self.take()

    def take(self) -> list[Sent]:
        """What was sent since the last time."""
        self._collect()
        fresh = self.sent[self._taken :]
        self._taken = len(self.sent)
        return fresh

    def forget(self) -> None:
        """Drop what was kept so far, in a test that is too long to keep it all."""
        self.take()
        self.sent.clear()
        self.events.clear()
        self._taken = 0

    def jump(self) -> bool:
        """Go to the next deadline; False when nothing waits."""
        deadline = self.agent.next_deadline()
        if deadline is None:
            return False
        self.now = max(self.now, deadline)
        self.agent.advance(self.now)
        self._collect()
        return True

    def run_until(self, elapsed: float) -> list[Sent]:
        """Fire every deadline up to `elapsed` seconds since the start; what was sent comes back."""
        while (deadline := self.agent.next_deadline()) is not None and deadline <= START + elapsed:
            self.jump()
        self.now = START + elapsed
        return self.take()

    def run_out(self, horizon: float = 200.0) -> list[Sent]:
        """Fire every deadline there is; what was sent comes back."""
        while self.jump():
            if self.elapsed > horizon:
                raise AssertionError("the user agent never comes to rest")
        return self.take()

    def only(self, kind: type[E]) -> E:
        """The one event of that kind since the start."""
        found = self.all(kind)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} {kind.__name__} in {self.events}")
        return found[0]

    def all(self, kind: type[E]) -> list[E]:
        """The events of that kind since the start."""
        return [event for event in self.events if isinstance(event, kind)]

    def _collect(self) -> None:
        self.network.carry(self.agent.outgoing(), self.elapsed)
        self.events += self.agent.events()

"""A fleet of callers on this machine: SIP over one UDP socket, two-way RTP, keys by RFC 4733.

One thread, absolute 20 ms deadlines. It measures its own lateness, so that a benchmark can refuse
to conclude when the callers, not the server, were slow.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

PACKET = 20e-3
SAMPLES = 160
GRAIN = 2e-3
"""Seconds between two looks at the sockets: how exactly arrivals are known."""
EVENT_PAYLOAD_TYPE = 101
EVENT_PACKETS = 5
EVENT_ENDS = 3
KEY_GAP_PACKETS = 4
EVENT_CODES = {key: code for code, key in enumerate("0123456789*#")}

_OFFER = (
    "v=0\r\no=fleet {id} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
)


@dataclass(slots=True)
class _Caller:
    """One call of the fleet, from its INVITE to the answer to its BYE."""

    index: int
    rtp: socket.socket
    invited: float
    remote: tuple[str, int] | None = None
    to_header: str = ""
    contact: str = ""
    answered: float | None = None
    first_sound: float | None = None
    ended: bool = False
    sequence: int = 0
    timestamp: int = 0
    received: int = 0
    last_arrival: float = 0.0
    last_sequence: int = -1
    lost: int = 0
    event: int | None = None
    event_step: int = 0
    event_timestamp: int = 0
    gap: int = 0
    keys: str = ""


@dataclass(slots=True)
class FleetReport:
    """What the callers saw. Times in seconds; `gaps` are the inter-arrival times of RTP packets."""

    calls: int = 0
    failed: int = 0
    call_seconds: float = 0.0
    sent: int = 0
    received: int = 0
    lost: int = 0
    set_up: list[float] = field(default_factory=list)
    first_packet: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)


class Fleet:
    """`count` calls to `line` at `target`, `rate` started a second, each keying `keys` in rounds.

    `pause` is the time in seconds between two rounds of `keys`.
    """

    def __init__(
        self,
        target: tuple[str, int],
        line: str,
        *,
        count: int,
        rate: float,
        keys: str,
        pause: float,
    ) -> None:
        self._target = target
        self._line = line
        self._count = count
        self._rate = rate
        self._keys = keys
        self._pause_packets = max(1, round(pause / PACKET))
        self._callers: list[_Caller] = []
        self._by_call_id: dict[str, _Caller] = {}
        self._by_descriptor: dict[int, _Caller] = {}
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sip.bind(("127.0.0.1", 0))
        self._sip.setblocking(False)
        self._port = self._sip.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._sip, select.EPOLLIN)
        self._report = FleetReport()
        self._measuring = False

    def ramp_up(self) -> None:
        """Place every call and wait until each is answered or 10 s have passed."""
        start = time.monotonic()
        placed = 0

        def place(now: float) -> bool:
            nonlocal placed
            due = min(self._count, int((now - start) * self._rate) + 1)
            while placed < due:
                self._invite(placed, now)
                placed += 1
            waiting = any(c.answered is None and not c.ended for c in self._callers)
            return placed < self._count or (waiting and now < start + self._count / self._rate + 10)

        self._run(place)

    def measure(self, seconds: float) -> None:
        """Let the calls go on for `seconds`; what is counted for the report is counted here."""
        self._measuring = True
        start = time.monotonic()
        live = sum(1 for c in self._callers if c.answered is not None and not c.ended)
        self._run(lambda now: now < start + seconds)
        self._report.call_seconds += live * (time.monotonic() - start)
        self._measuring = False

    def hang_up(self) -> FleetReport:
        """End every call with a BYE, wait for the answers, and report."""
        for caller in self._callers:
            if caller.answered is not None and not caller.ended:
                self._request("BYE", caller, 2)
        start = time.monotonic()
        self._run(lambda now: now < start + 1.0)
        self._report.calls = sum(1 for c in self._callers if c.answered is not None)
        self._report.failed = len(self._callers) - self._report.calls
        for caller in self._callers:
            if caller.answered is not None:
                self._report.set_up.append(caller.answered - caller.invited)
                if caller.first_sound is not None:
                    self._report.first_packet.append(caller.first_sound - caller.answered)
            caller.rtp.close()
        self._sip.close()
        self._epoll.close()
        return self._report

    def _run(self, go_on: Callable[[float], bool]) -> None:
        deadline = time.monotonic()
        while go_on(now := time.monotonic()):
            if self._measuring:
                self._report.lateness.append(now - deadline)
            self._send_packets()
            deadline += PACKET
            while (left := deadline - time.monotonic()) > 0:
                # Asleep, not waiting on the sockets: a server on the same machine would pay for
                # waking us at each packet, which no server pays for a caller across a network.
                time.sleep(min(GRAIN, left))
                self._receive()

    def _receive(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            if descriptor == self._sip.fileno():
                self._receive_signalling()
            else:
                self._receive_sound(self._by_descriptor[descriptor])

    def _receive_sound(self, caller: _Caller) -> None:
        while True:
            try:
                data = caller.rtp.recv(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return  # nothing more, or the far end has closed
            now = time.monotonic()
            if caller.first_sound is None:
                caller.first_sound = now
            sequence = data[2] << 8 | data[3]
            if self._measuring:
                self._report.received += 1
                if caller.received:
                    self._report.gaps.append(now - caller.last_arrival)
                    self._report.lost += (sequence - caller.last_sequence - 1) & 0xFFFF
                caller.received += 1
            caller.last_arrival = now
            caller.last_sequence = sequence

    def _receive_signalling(self) -> None:
        while True:
            try:
                text = self._sip.recv(65535).decode("latin-1")
            except BlockingIOError:
                return
            headers = _headers(text)
            caller = self._by_call_id.get(headers.get("call-id", ""))
            if caller is None:
                continue
            if not text.startswith("SIP/2.0"):
                self._answer(text, caller)
                continue
            status = int(text[8:11])
            if status < 200 or not headers["cseq"].endswith("INVITE"):
                continue
            if status >= 300:
                caller.ended = True
                continue
            caller.to_header = headers["to"]
            caller.contact = headers["contact"].strip("<>").split(">")[0]
            if caller.answered is None:
                caller.answered = time.monotonic()
                port = int(text.split("m=audio ", 1)[1].split(" ", 1)[0])
                caller.remote = ("127.0.0.1", port)
                caller.rtp.connect(caller.remote)
            self._request("ACK", caller, 1)

    def _answer(self, request: str, caller: _Caller) -> None:
        caller.ended = True
        kept = [
            line
            for line in request.split("\r\n\r\n", 1)[0].split("\r\n")[1:]
            if line.split(":", 1)[0].lower() in ("via", "from", "to", "call-id", "cseq")
        ]
        reply = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
        self._sip.sendto(reply.encode("latin-1"), self._target)

    def _invite(self, index: int, now: float) -> None:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind(("127.0.0.1", 0))
        rtp.setblocking(False)
        caller = _Caller(index, rtp, now, gap=1 + index % self._pause_packets, keys=self._keys)
        self._callers.append(caller)
        self._by_call_id[f"fleet-{self._port}-{index}"] = caller
        self._by_descriptor[rtp.fileno()] = caller
        self._epoll.register(rtp, select.EPOLLIN)
        body = _OFFER.format(id=index, port=rtp.getsockname()[1])
        self._request("INVITE", caller, 1, body)

    def _request(self, method: str, caller: _Caller, cseq: int, body: str = "") -> None:
        host, port = self._target
        uri = caller.contact or f"sip:{self._line}@{host}:{port}"
        to_header = caller.to_header or f"<sip:{self._line}@{host}:{port}>"
        branch = f"z9hG4bK{method}{caller.index}"
        caller_uri = f"sip:06000{caller.index:05d}@127.0.0.1"
        message = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <{caller_uri}>;tag=f{caller.index}\r\n"
            f"To: {to_header}\r\nCall-ID: fleet-{self._port}-{caller.index}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:fleet@127.0.0.1:{self._port}>\r\n"
        )
        if body:
            message += "Content-Type: application/sdp\r\n"
        message += f"Content-Length: {len(body)}\r\n\r\n{body}"
        self._sip.sendto(message.encode("latin-1"), self._target)

    def _send_packets(self) -> None:
        for caller in self._callers:
            if caller.remote is None or caller.ended:
                continue
            packet = self._next_packet(caller)
            try:
                caller.rtp.send(packet)
            except ConnectionRefusedError:
                continue
            if self._measuring:
                self._report.sent += 1

    def _next_packet(self, caller: _Caller) -> bytes:
        caller.sequence = (caller.sequence + 1) & 0xFFFF
        caller.timestamp = (caller.timestamp + SAMPLES) & 0xFFFFFFFF
        if caller.event is None:
            caller.gap -= 1
            if caller.gap <= 0 and caller.keys:
                caller.event = EVENT_CODES[caller.keys[0]]
                caller.keys = caller.keys[1:]
                caller.event_step = 0
                caller.event_timestamp = caller.timestamp
        if caller.event is None:
            header = struct.pack(
                "!BBHII", 0x80, 8, caller.sequence, caller.timestamp, caller.index + 1
            )
            return header + _SILENCE
        ending = caller.event_step >= EVENT_PACKETS
        duration = min(caller.event_step + 1, EVENT_PACKETS + 1) * SAMPLES
        marker = 0x80 if caller.event_step == 0 else 0
        packet = struct.pack(
            "!BBHIIBBH",
            0x80,
            marker | EVENT_PAYLOAD_TYPE,
            caller.sequence,
            caller.event_timestamp,
            caller.index + 1,
            caller.event,
            (0x80 if ending else 0) | 10,
            duration,
        )
        caller.event_step += 1
        if caller.event_step == EVENT_PACKETS + EVENT_ENDS:
            caller.event = None
            caller.gap = KEY_GAP_PACKETS
            if not caller.keys:
                caller.keys = self._keys
                caller.gap = self._pause_packets
        return packet


_SILENCE = bytes([0xD5]) * SAMPLES


def _headers(text: str) -> dict[str, str]:
    lines = text.split("\r\n\r\n", 1)[0].split("\r\n")[1:]
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The `share` (0…1) percentile of `values`, nearest rank; 0 of an empty list."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

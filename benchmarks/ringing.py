"""The signalling of many callers: one call each, from its INVITE to the answer to a BYE.

Text and `now` in, text out; `fleet` has the socket and the clock. Only what a caller on this
machine needs: no authentication, no redirection, and a request is repeated as over UDP (RFC 3261
section 17.1.1.2, timer A).
"""

from collections import Counter
from dataclasses import dataclass, field

T1 = 0.5
GIVE_UP = 8.0  # s without a final answer; a caller would wait for 32

_OFFER = (
    "v=0\r\no=fleet {id} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
)
_COPIED = ("via", "from", "to", "call-id", "cseq")


@dataclass(slots=True)
class Call:
    """One call. Times in seconds since 1970; `remote`: where its sound goes."""

    number: int
    row: int
    script: int
    delay: float  # s, from the answer to the script
    stays: float  # s, from the answer to our BYE
    invited: float
    remote: tuple[str, int] = ("", 0)
    to_header: str = ""
    contact: str = ""
    answered: float = 0.0
    over: bool = False


@dataclass(slots=True)
class _Request:
    """A request that has no answer yet."""

    call: Call
    method: str
    message: bytes
    first: float
    wait: float = T1
    again: float = 0.0


@dataclass(slots=True)
class Tally:
    """What became of the calls. `statuses`: final answers other than 200 to an INVITE;
    `hung_up`: calls that the server ended; `repeated`: requests that had to be sent again."""

    placed: int = 0
    answered: int = 0
    unanswered: int = 0
    hung_up: int = 0
    repeated: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    set_up: list[float] = field(default_factory=list)


class Switchboard:
    """The calls to `line` at `target`, our signalling on `port`.

    `out` collects what to send; `begun` and `ended` the calls whose sound begins and ends.
    """

    def __init__(self, target: tuple[str, int], line: str, port: int) -> None:
        self._target = target
        self._line = line
        self._port = port
        self._calls: dict[str, Call] = {}
        self._requests: dict[tuple[str, str], _Request] = {}
        self.tally = Tally()
        self.out: list[bytes] = []
        self.begun: list[Call] = []
        self.ended: list[Call] = []

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._requests)

    def invite(self, call: Call, rtp_port: int) -> None:
        """Place a call that listens on `rtp_port`."""
        self.tally.placed += 1
        self._calls[self._call_id(call)] = call
        self._request("INVITE", call, 1, call.invited, _OFFER.format(id=call.number, port=rtp_port))

    def hang_up(self, call: Call, now: float) -> None:
        """Send a BYE, unless the call is over."""
        if not call.over:
            call.over = True
            self.ended.append(call)
            self._request("BYE", call, 2, now)

    def advance(self, now: float) -> None:
        """Repeat what got no answer, give up what never does."""
        for key, request in [*self._requests.items()]:
            if now >= request.first + GIVE_UP:
                del self._requests[key]
                if request.method == "INVITE":
                    self.tally.unanswered += 1
                    self._forget(request.call)
            elif now >= request.again:
                self.tally.repeated += 1
                self._put(request, now)

    def receive(self, data: bytes, now: float) -> None:
        """Take a message that came at `now`."""
        text = data.decode("latin-1")
        headers = _headers(text)
        call = self._calls.get(headers.get("call-id", ""))
        if call is None:
            return
        if not text.startswith("SIP/2.0"):
            self._answer(text, call)
            return
        status, method = int(text[8:11]), headers["cseq"].rpartition(" ")[2]
        if status >= 200 or method == "INVITE":
            self._requests.pop((headers["call-id"], method), None)
        if status < 200:
            return
        if method == "BYE":
            self._calls.pop(headers["call-id"], None)
        elif status < 300:
            self._accepted(call, headers, text, now)
        else:
            self.tally.statuses[status] += 1
            call.to_header = headers["to"]
            self._send("ACK", call, 1)
            self._forget(call)

    def _accepted(self, call: Call, headers: dict[str, str], text: str, now: float) -> None:
        if not call.answered:
            call.answered = now
            call.to_header = headers["to"]
            call.contact = headers["contact"].partition("<")[2].partition(">")[0]
            host = text.partition("\r\nc=IN IP4 ")[2].partition("\r\n")[0].strip()
            port = text.partition("\r\nm=audio ")[2].partition(" ")[0]
            call.remote = (host, int(port))
            self.tally.answered += 1
            self.tally.set_up.append(now - call.invited)
            self.begun.append(call)
        self._send("ACK", call, 1)

    def _forget(self, call: Call) -> None:
        """The call never came about."""
        call.over = True
        self._calls.pop(self._call_id(call), None)
        self.ended.append(call)

    def _answer(self, request: str, call: Call) -> None:
        if request.startswith("BYE ") and not call.over:
            call.over = True
            self.tally.hung_up += 1
            self.ended.append(call)
        kept = [
            line
            for line in request.partition("\r\n\r\n")[0].split("\r\n")[1:]
            if line.partition(":")[0].lower() in _COPIED
        ]
        reply = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
        self.out.append(reply.encode("latin-1"))

    def _request(self, method: str, call: Call, cseq: int, now: float, body: str = "") -> None:
        request = _Request(call, method, self._message(method, call, cseq, body), now)
        self._requests[self._call_id(call), method] = request
        self._put(request, now)

    def _put(self, request: _Request, now: float) -> None:
        self.out.append(request.message)
        request.again = now + request.wait
        request.wait *= 2

    def _send(self, method: str, call: Call, cseq: int) -> None:
        self.out.append(self._message(method, call, cseq))

    def _call_id(self, call: Call) -> str:
        return f"fleet-{self._port}-{call.number}"

    def _message(self, method: str, call: Call, cseq: int, body: str = "") -> bytes:
        host, port = self._target
        number = call.number
        uri = call.contact or f"sip:{self._line}@{host}:{port}"
        message = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};rport;branch=z9hG4bK{method}{number}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:06{number:08d}@127.0.0.1>;tag=f{number}\r\n"
            f"To: {call.to_header or f'<sip:{self._line}@{host}:{port}>'}\r\n"
            f"Call-ID: {self._call_id(call)}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:fleet@127.0.0.1:{self._port}>\r\n"
            f"{'Content-Type: application/sdp' + chr(13) + chr(10) if body else ''}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        return message.encode("latin-1")


def _headers(text: str) -> dict[str, str]:
    lines = text.partition("\r\n\r\n")[0].split("\r\n")[1:]
    return {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }

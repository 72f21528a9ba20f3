"""A scripted caller: builds the messages of one call, as a phone would, one at a time."""

from ivr.sip.events import Invited
from ivr.sip.flow import Flow
from tests.wire import THERE, Sent, Wire

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.99\r\ns=-\r\nt=0 0\r\n"
CONTACT = f"<sip:caller@{THERE[0]}:{THERE[1]}>"


class Caller:
    """One call over a wire. `headers` are lines to add to every request."""

    def __init__(
        self,
        wire: Wire,
        *,
        call_id: str = "call-1@192.0.2.99",
        tag: str = "caller-tag",
        contact: str = CONTACT,
        rport: bool = True,
        record_route: str = "",
    ) -> None:
        self.wire = wire
        self.call_id = call_id
        self.tag = tag
        self.contact = contact
        self.rport = rport
        self.record_route = record_route
        self.to_tag = ""
        self.cseq = 0
        self.call = ""
        self._branches = 0

    def request(
        self,
        method: str,
        *,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: str = "",
        cseq: int | None = None,
        branch: str | None = None,
        to_tag: str | None = None,
        contact: str | None = None,
        uri: str = "sip:0810257510@192.0.2.1",
    ) -> bytes:
        """A request of this call; the next CSeq number and a fresh branch unless they are given."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        if branch is None:
            self._branches += 1
            branch = f"z9hG4bK-{self.call_id}-{self._branches}"
        tag = self.to_tag if to_tag is None else to_tag
        protocol = self.wire.flow.transport.upper()
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{protocol} {THERE[0]}:{THERE[1]};branch={branch}"
            + (";rport" if self.rport else ""),
            f'From: "Caller" <sip:0612345678@192.0.2.99>;tag={self.tag}',
            "To: <sip:0810257510@192.0.2.1>" + (f";tag={tag}" if tag else ""),
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: {contact or self.contact}",
            "Max-Forwards: 70",
        ]
        if self.record_route:
            lines.append(f"Record-Route: {self.record_route}")
        if headers:
            lines.append(headers)
        if body:
            lines.append(f"Content-Type: {content_type}")
        lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def invite(self, *, body: bytes = SDP, headers: str = "") -> bytes:
        """Ring; the INVITE that was sent comes back. `call` is set from what came of it."""
        message = self.request("INVITE", body=body, headers=headers)
        self.wire.deliver(message)
        self.call = self.wire.all(Invited)[-1].call
        return message

    def answered(self, *, body: bytes = SDP, headers: str = "") -> Sent:
        """Ring and be answered; the 200 comes back."""
        self.invite(body=body, headers=headers)
        (ok,) = self.wire.do(lambda agent: agent.accept(self.call, SDP, self.wire.now))
        self.to_tag = ok.to_tag
        return ok

    def connected(self, *, body: bytes = SDP, headers: str = "") -> Sent:
        """Ring, be answered and acknowledge; the 200 comes back."""
        ok = self.answered(body=body, headers=headers)
        self.acknowledge()
        return ok

    def acknowledge(self, *, body: bytes = b"", cseq: int | None = None) -> list[Sent]:
        """The ACK to a 200."""
        number = self.cseq if cseq is None else cseq
        return self.wire.deliver(self.request("ACK", cseq=number, body=body))

    def send(
        self,
        method: str,
        *,
        flow: Flow | None = None,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: str = "",
        cseq: int | None = None,
        contact: str | None = None,
    ) -> Sent:
        """A request within the dialog; its final response comes back."""
        message = self.request(
            method,
            body=body,
            content_type=content_type,
            headers=headers,
            cseq=cseq,
            contact=contact,
        )
        return final(self.wire.deliver(message, flow))


def final(messages: list[Sent]) -> Sent:
    """The one final response among what was sent."""
    (response,) = [message for message in messages if message.status >= 200]
    return response


def response_to(request: Sent, status: int, *, headers: str = "", body: bytes = b"") -> bytes:
    """What a peer answers to a request of ours; `headers` are lines to add."""
    lines = [f"SIP/2.0 {status} Whatever"]
    lines += [f"Via: {via}" for via in request.headers("Via")]
    lines += [f"{name}: {request.header(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
    lines += [headers] if headers else []
    lines += ["Content-Type: application/sdp"] if body else []
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def acknowledgement(invite: bytes, refusal: Sent) -> bytes:
    """The ACK to a failure: of the INVITE's own branch (RFC 3261 §17.1.1.3)."""
    head = invite.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    kept = [line for line in head if line.split(":")[0] in ("Via", "From", "Call-ID")]
    uri = head[0].split()[1]
    number = next(line for line in head if line.startswith("CSeq")).split()[1]
    lines = [f"ACK {uri} SIP/2.0", *kept, f"To: {refusal.header('To')}", f"CSeq: {number} ACK"]
    return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode("latin-1")


def cancellation(invite: bytes) -> bytes:
    """The CANCEL of an INVITE (RFC 3261 §9.1)."""
    text = invite.partition(b"\r\n\r\n")[0].decode("latin-1")
    kept = [
        line
        for line in text.split("\r\n")
        if line.split(":")[0] in ("Via", "From", "To", "Call-ID")
    ]
    uri = text.split()[1]
    number = text.partition("CSeq: ")[2].split()[0]
    lines = [f"CANCEL {uri} SIP/2.0", *kept, f"CSeq: {number} CANCEL", "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

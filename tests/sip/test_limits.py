"""How much of anything a peer may send: at each limit it is served, one beyond it is not."""

from collections.abc import Callable

import pytest

from ivr.sip import info, sdp
from ivr.sip.events import Dropped, DropReason, Invited
from ivr.sip.framing import StreamFramer
from ivr.sip.grammar.cseq import LARGEST
from ivr.sip.grammar.headers import MAX_FIELD
from ivr.sip.message import MAX_HEADERS, MAX_LINES, MAX_MESSAGE, MAX_VIAS
from ivr.sip.screening import MAX_URI
from ivr.sip.sdp.description import MAX_MEDIA, MAX_SIZE
from ivr.sip.user_agent import Limits
from ivr.wire import WireError
from tests.sip.caller import SDP, Caller, final
from tests.wire import Wire

OWN_HEADERS = 8  # Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Content-Length
VIA = "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx"


def headers(count: int) -> str:
    return "\r\n".join(["X: y"] * (count - OWN_HEADERS))


def sized(size: int) -> str:
    """Header lines that make a message `size` octets long, none of them too long itself."""
    filler = "X: " + "y" * (MAX_FIELD - 5)
    bare = len(Caller(Wire()).request("OPTIONS", headers="X: "))
    lines = [filler] * ((size - bare) // (len(filler) + 2))
    rest = size - bare - sum(len(line) + 2 for line in lines)
    return "\r\n".join([*lines, "X: " + "y" * rest])


@pytest.mark.parametrize(
    ("limit", "lines", "reason"),
    [
        (MAX_HEADERS, headers, "Too many header fields"),
        (MAX_FIELD, lambda size: "Subject: " + "x" * (size - 9), "Header field too long"),
        (MAX_FIELD, lambda size: "S:\r\n " + "x" * (size - 3),
         "Header field too long"),
        (MAX_VIAS, lambda count: "\r\n".join([VIA] * (count - 1)), "Too many Via header fields"),
        (MAX_VIAS, lambda count: ",".join([VIA] + [VIA[5:]] * (count - 2)),
         "Too many Via header fields"),
        (MAX_MESSAGE, sized, "Message too large"),
    ],
    ids=["header fields", "octets of one", "octets of a folded one", "Via fields", "Vias in one",
         "octets of a message"],
)  # fmt: skip
def test_a_message_at_a_limit_is_served_and_beyond_it_gets_400(
    limit: int, lines: Callable[[int], str], reason: str
) -> None:
    wire = Wire()
    caller = Caller(wire)
    assert final(wire.deliver(caller.request("OPTIONS", headers=lines(limit)))).status == 200
    refused = wire.deliver(caller.request("OPTIONS", headers=lines(limit + 1)))
    assert final(refused).start == f"SIP/2.0 400 {reason}"
    assert wire.only(Dropped).reason in (DropReason.MALFORMED, DropReason.TOO_LARGE)


def test_a_message_of_too_many_lines_is_dropped_unread() -> None:
    wire = Wire()
    caller = Caller(wire)
    folded = "Subject: x" + "\r\n y" * (MAX_LINES - OWN_HEADERS - 1)
    assert final(wire.deliver(caller.request("OPTIONS", headers=folded))).status == 200
    assert wire.deliver(caller.request("OPTIONS", headers=f"{folded}\r\n y")) == []
    assert wire.only(Dropped).reason is DropReason.MALFORMED


def test_a_request_uri_at_the_limit_is_served_and_beyond_it_gets_414() -> None:
    wire = Wire()
    caller = Caller(wire)
    uri = "sip:" + "1" * (MAX_URI - 10) + "@a.b"
    assert final(wire.deliver(caller.request("OPTIONS", uri=f"{uri}cd"))).status == 200
    assert final(wire.deliver(caller.request("OPTIONS", uri=f"{uri}cde"))).status == 414


def test_a_cseq_number_at_the_limit_is_served_and_beyond_it_gets_400() -> None:
    caller = Caller(wire := Wire())
    assert final(wire.deliver(caller.request("OPTIONS", cseq=LARGEST))).status == 200
    assert final(wire.deliver(caller.request("OPTIONS", cseq=LARGEST + 1))).status == 400


def test_a_stream_holds_no_more_than_a_message() -> None:
    framer = StreamFramer()
    framer.feed(b"x" * MAX_MESSAGE)
    with pytest.raises(WireError, match="too large"):
        framer.feed(b"x")


def test_a_description_has_so_many_media_and_octets() -> None:
    stream = b"m=audio 9 RTP/AVP 0\r\n"
    assert len(sdp.parse(b"v=0\r\n" + stream * MAX_MEDIA).media) == MAX_MEDIA
    with pytest.raises(WireError, match="Too many media"):
        sdp.parse(b"v=0\r\n" + stream * (MAX_MEDIA + 1))
    assert sdp.parse(b"v=0\r\n" + b"\n" * (MAX_SIZE - 5)).media == ()
    with pytest.raises(WireError, match="too large"):
        sdp.parse(b"v=0\r\n" + b"\n" * (MAX_SIZE - 4))


def test_a_key_in_an_info_is_held_so_long_and_its_body_is_so_big() -> None:
    whole = b"Signal=1\r\nDuration=%d\r\n" % info.LONGEST_MS
    assert info.parse(info.DTMF_RELAY, whole).duration_ms == info.LONGEST_MS
    with pytest.raises(WireError):
        info.parse(info.DTMF_RELAY, b"Signal=1\r\nDuration=%d\r\n" % (info.LONGEST_MS + 1))
    info.parse(info.DTMF_RELAY, b"Signal=1\r\n".ljust(info.MAX_BODY))
    with pytest.raises(WireError):
        info.parse(info.DTMF_RELAY, b"Signal=1\r\n".ljust(info.MAX_BODY + 1))


@pytest.mark.parametrize("limits", [Limits(dialogs=2), Limits(transactions=2)], ids=str)
def test_so_many_calls_and_one_more_gets_503_and_leaves_nothing(limits: Limits) -> None:
    wire = Wire(limits=limits)
    callers = [Caller(wire, call_id=str(number)) for number in range(3)]
    for caller in callers[:2]:
        caller.invite()
    before = wire.agent.counts()
    answer = final(wire.deliver(callers[2].request("INVITE", body=SDP)))
    assert (answer.status, len(answer.headers("Retry-After"))) == (503, 1)
    assert wire.only(Dropped).reason is DropReason.OVERLOAD
    assert len(wire.all(Invited)) == 2
    assert wire.agent.counts() == before

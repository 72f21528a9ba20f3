"""Messages out of a stream, however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.sip.framing import StreamFramer
from ivr.sip.message import MAX_LINES, MAX_MESSAGE
from ivr.wire import WireError
from tests.mutation import damaged
from tests.sip.caller import SDP, Caller
from tests.wire import Wire

CALLER = Caller(Wire())
MESSAGES = [CALLER.request("INVITE", body=SDP), CALLER.request("ACK"), CALLER.request("BYE")]
STREAM = b"\r\n\r\n" + MESSAGES[0] + b"\r\n" + MESSAGES[1] + b"\r\n\r\n\r\n\r\n" + MESSAGES[2]


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_messages_come_out_whole_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    framer = StreamFramer()
    places = [0, *sorted(cuts), len(STREAM)]
    found: list[bytes] = []
    for begin, end in pairwise(places):
        found += framer.feed(STREAM[begin:end])
    assert [message.lstrip(b"\r\n") for message in found] == MESSAGES
    assert framer.pings == 3
    assert not framer.holds_part


def test_byte_by_byte() -> None:
    framer = StreamFramer()
    found = [message for octet in STREAM for message in framer.feed(bytes([octet]))]
    assert len(found) == 3


def test_a_compact_folded_content_length_counts() -> None:
    data = b"BYE sip:a SIP/2.0\r\nl :\r\n  3\r\n\r\nabcBYE"
    framer = StreamFramer()
    assert framer.feed(data) == [data[:-3]]
    assert framer.holds_part


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"BYE sip:a SIP/2.0\r\nVia: x\r\n\r\n", "Content-Length missing or repeated"),
        (b"BYE sip:a SIP/2.0\r\nl: 0\r\nl: 9\r\n\r\n", "Content-Length missing or repeated"),
        (b"BYE sip:a SIP/2.0\r\nl: -3\r\n\r\n", "Malformed number"),
        (b"BYE sip:a SIP/2.0\r\nl: 65536\r\n\r\n", "Number out of range"),
        (b"BYE sip:a SIP/2.0\r\nl: 65535\r\n\r\n", "Message too large"),
        (b"x" * (MAX_MESSAGE + 1), "Message too large"),
        (b"BYE sip:a SIP/2.0\n" + b"\n " * MAX_LINES + b"\r\n\r\n", "Too many header lines"),
    ],
)
def test_a_stream_that_cannot_be_followed_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        StreamFramer().feed(data)
    assert caught.value.reason == reason


def test_messages_before_a_fault_are_not_lost() -> None:
    framer = StreamFramer()
    assert framer.feed(MESSAGES[0] + b"BYE sip:a SIP/2.0\r\n\r\n") == [MESSAGES[0]]
    with pytest.raises(WireError):
        framer.feed(b"")


def test_a_pong_is_no_part_of_a_message() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n") == []
    assert not framer.holds_part
    assert framer.feed(MESSAGES[0][:5]) == []
    assert framer.holds_part


def test_nothing_but_wire_error_escapes() -> None:
    for data in damaged([STREAM]):
        framer = StreamFramer()
        try:
            for begin in range(0, len(data), 200):
                framer.feed(data[begin : begin + 200])
        except WireError:
            pass

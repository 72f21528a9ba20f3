"""RTCP: what we send is a lawful compound packet; what we get is read or refused."""

import struct

import pytest

from ivr.media import rtcp
from ivr.media.reception import ReportBlock
from ivr.wire import WireError

BLOCK = ReportBlock(
    ssrc=9, fraction_lost=25, cumulative_lost=300, highest_sequence=70_000, jitter=41
)
SENDER = rtcp.SenderInfo(ntp=rtcp.ntp_time(1_700_000_000.5), timestamp=160, packets=10, octets=1600)


def test_a_sender_report_octet_by_octet() -> None:
    data = rtcp.build(7, "abc", SENDER, BLOCK, rtcp.LastReport(0x11223344, 1.5))
    assert data[:8] == bytes([0x81, 200, 0, 12, 0, 0, 0, 7])
    assert data[8:28] == struct.pack("!IIIII", 1_700_000_000 + 2208988800, 1 << 31, 160, 10, 1600)
    assert data[28:36] == bytes([0, 0, 0, 9, 25, 0, 1, 44])
    assert data[36:52] == struct.pack("!IIII", 70_000, 41, 0x11223344, 3 << 15)
    assert data[52:] == bytes([0x81, 202, 0, 3, 0, 0, 0, 7, 1, 3]) + b"abc" + bytes(3)


@pytest.mark.parametrize("cname", ["", "a", "ab", "abc", "abcd", "x" * 300])
def test_round_trip(cname: str) -> None:
    data = rtcp.build(7, cname, None, BLOCK, rtcp.LastReport(), bye=True)
    assert len(data) % 4 == 0
    assert data[1] == 201
    assert rtcp.parse(data) == rtcp.Report(7, None, (BLOCK,), cname[:255], True)


def test_a_report_before_anything_was_heard() -> None:
    report = rtcp.parse(rtcp.build(7, "abc", SENDER, None, rtcp.LastReport()))
    assert report == rtcp.Report(7, SENDER.ntp, (), "abc", False)


def test_unknown_types_are_passed_over() -> None:
    known = rtcp.build(7, "abc", None, None, rtcp.LastReport())
    assert rtcp.parse(known + bytes([0x80, 207, 0, 1]) + b"XRXR").ssrc == 7


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\xc9\0", id="header cut short"),
        pytest.param(b"\x80\xc9\0\1", id="longer than its datagram"),
        pytest.param(b"\x40\xc9\0\1\0\0\0\7", id="version 1"),
        pytest.param(b"\x80\xca\0\0", id="begins with SDES"),
        pytest.param(b"\x80\xc9\0\0", id="receiver report without a sender"),
        pytest.param(b"\x80\xc8\0\1\0\0\0\7", id="sender report cut short"),
        pytest.param(b"\x82\xc9\0\1\0\0\0\7", id="blocks cut short"),
        pytest.param(b"\xa0\xc9\0\1\0\0\0\x09", id="padding too long"),
        pytest.param(b"\xa0\xc9\0\1\0\0\0\0", id="padding of 0"),
        pytest.param(
            b"\x80\xc9\0\1\0\0\0\7\x81\xca\0\2\0\0\0\7\1\xffab", id="item longer than its packet"
        ),
    ],
)
def test_what_is_not_rtcp_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        rtcp.parse(data)

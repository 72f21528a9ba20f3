"""RTP headers by the hundred: what is valid, where the payload lies, how counters wrap."""

import pytest

from ivr.media import rtp
from ivr.media.rtp import sequence_distance, timestamp_distance
from tests.media.packets import mixed, packet


def parse(*datagrams: bytes) -> rtp.Packets:
    arrivals = mixed([(0, datagram, ("192.0.2.1", 1)) for datagram in datagrams])
    return rtp.parse(arrivals.data, arrivals.lengths)


def test_fields_of_an_ordinary_packet() -> None:
    packets = parse(packet(65535, 0xFFFFFFF0, b"sound", payload_type=101, marker=True, ssrc=2**31))
    assert packets.valid.tolist() == [True]
    assert packets.marker.tolist() == [True]
    assert packets.payload_type.tolist() == [101]
    assert packets.sequence.tolist() == [65535]
    assert packets.timestamp.tolist() == [0xFFFFFFF0]
    assert packets.ssrc.tolist() == [2**31]
    assert packets.payload(0) == b"sound"


@pytest.mark.parametrize(
    ("first", "payload", "sound"),
    [
        pytest.param(0x82, b"\0" * 8 + b"sound", b"sound", id="two CSRC"),
        pytest.param(0x90, b"\xbe\xde\0\1extnsound", b"sound", id="extension"),
        pytest.param(0x90, b"\xbe\xde\0\0sound", b"sound", id="empty extension"),
        pytest.param(0xA0, b"sound\0\0\3", b"sound", id="padding"),
        pytest.param(0xB1, b"csrc\0\0\0\1extnsound\1", b"sound", id="all three"),
        pytest.param(0xA0, b"\0\0\0\4", b"", id="nothing but padding"),
    ],
)
def test_what_surrounds_the_payload_is_taken_off(first: int, payload: bytes, sound: bytes) -> None:
    packets = parse(packet(1, 0), packet(2, 0, payload, first=first))
    assert packets.valid.tolist() == [True, True]
    assert packets.payload(1) == sound


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"", id="empty"),
        pytest.param(packet(1, 0)[:11], id="shorter than a header"),
        pytest.param(packet(1, 0, first=0x40), id="version 1"),
        pytest.param(packet(1, 0, b"", first=0x81), id="CSRC cut short"),
        pytest.param(packet(1, 0, b"abc", first=0x90), id="extension header cut short"),
        pytest.param(packet(1, 0, b"\0\0\xff\xff", first=0x90), id="extension cut short"),
        pytest.param(packet(1, 0, b"sound\0", first=0xA0), id="padding of 0"),
        pytest.param(packet(1, 0, b"\7", first=0xA0), id="padding longer than the packet"),
        pytest.param(packet(1, 0, b"", first=0xA0), id="padding of an empty packet"),
        pytest.param(packet(1, 0, payload_type=200 & 0x7F, marker=True), id="RTCP"),
        pytest.param(packet(1, 0, bytes(2000)), id="longer than a frame"),
    ],
)
def test_what_is_not_rtp_is_not_valid(datagram: bytes) -> None:
    assert parse(datagram, packet(1, 0)).valid.tolist() == [False, True]


@pytest.mark.parametrize(
    ("later", "earlier", "distance"),
    [(1, 0, 1), (0, 65535, 1), (65535, 0, -1), (3, 65530, 9), (0, 32769, 32767)],
)
def test_sequence_numbers_wrap(later: int, earlier: int, distance: int) -> None:
    assert sequence_distance(later, earlier) == distance


@pytest.mark.parametrize(
    ("later", "earlier", "distance"),
    [(160, 0, 160), (100, 2**32 - 60, 160), (2**32 - 60, 100, -160)],
)
def test_timestamps_wrap(later: int, earlier: int, distance: int) -> None:
    assert timestamp_distance(later, earlier) == distance

"""RTP as a caller sends it, written by hand so that it does not lean on what it tests."""

import struct
from collections.abc import Sequence

import numpy as np

from ivr.media import rtp
from ivr.media.engine import Arrivals
from ivr.media.stream import Address

PEER: Address = ("192.0.2.10", 4000)
SILENCE = bytes([0xD5]) * 160


def packet(
    sequence: int,
    timestamp: int,
    payload: bytes = SILENCE,
    *,
    payload_type: int = 8,
    marker: bool = False,
    ssrc: int = 7,
    first: int = 0x80,
) -> bytes:
    """One RTP packet; `first` is its first octet."""
    second = (0x80 if marker else 0) | payload_type
    header = struct.pack("!BBHII", first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return header + payload


def event(
    sequence: int,
    timestamp: int,
    key: str,
    duration: int,
    *,
    end: bool = False,
    marker: bool = False,
    payload_type: int = 101,
    ssrc: int = 7,
) -> bytes:
    """One telephone-event packet (RFC 4733 section 2.3)."""
    code = "0123456789*#ABCD".index(key)
    payload = struct.pack("!BBH", code, (0x80 if end else 0) | 10, duration)
    return packet(sequence, timestamp, payload, payload_type=payload_type, marker=marker, ssrc=ssrc)


def arrivals(slot: int, datagrams: Sequence[bytes], source: Address = PEER) -> Arrivals:
    """Datagrams of one call, from one source, as the worker hands them over."""
    return mixed([(slot, datagram, source) for datagram in datagrams])


def mixed(items: Sequence[tuple[int, bytes, Address]]) -> Arrivals:
    """Datagrams of several calls and sources."""
    data = np.zeros((len(items), rtp.MAX_PACKET), np.uint8)
    for row, (_, datagram, _) in enumerate(items):
        cut = datagram[: rtp.MAX_PACKET]
        data[row, : len(cut)] = np.frombuffer(cut, np.uint8)
    lengths = np.array([min(len(item[1]), rtp.MAX_PACKET) for item in items], np.int64)
    return Arrivals(data, lengths, [item[0] for item in items], [item[2] for item in items])

"""RTP packets (RFC 3550 section 5.1), many at once, and the arithmetic of numbers that wrap."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

VERSION = 2
HEADER_SIZE = 12
MAX_PACKET = 1472
"""Bytes: the most that one Ethernet frame carries. A datagram that fills it may be cut: dropped."""

HEADER = np.dtype(
    [
        ("first", "u1"),  # version 2 bits, padding, extension, CSRC count 4 bits
        ("second", "u1"),  # marker, payload type 7 bits
        ("sequence", ">u2"),
        ("timestamp", ">u4"),
        ("ssrc", ">u4"),
    ]
)
"""The fixed header as it stands on the wire."""

_PADDING, _EXTENSION, _CSRC_COUNT = 0x20, 0x10, 0x0F
MARKER = 0x80


Counter = TypeVar("Counter", int, NDArray[np.int64])


def sequence_distance(later: Counter, earlier: Counter) -> Counter:
    """`later - earlier` for 16-bit sequence numbers: -32768 to 32767, across the wrap."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(later: Counter, earlier: Counter) -> Counter:
    """`later - earlier` for 32-bit timestamps: -2^31 to 2^31 - 1, across the wrap."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclass(frozen=True, slots=True)
class Packets:
    """The fields of (M,) packets, each an array of int64 but where said.

    `valid` (bool): RTP of version 2 whose CSRC list, extension and padding fit its length; the
    other fields mean nothing where it is False. The payload of packet i is
    `data[i, payload_offset[i] : payload_offset[i] + payload_length[i]]`.
    """

    data: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    marker: NDArray[np.bool_]
    payload_type: NDArray[np.int64]
    sequence: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    ssrc: NDArray[np.int64]
    payload_offset: NDArray[np.int64]
    payload_length: NDArray[np.int64]

    def payload(self, index: int) -> bytes:
        """The payload of one packet: for the rare ones that are not sound."""
        start = self.payload_offset[index]
        return self.data[index, start : start + self.payload_length[index]].tobytes()


def parse(data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> Packets:
    """Parse M datagrams: `data` (M, MAX_PACKET) uint8, of which row i holds `lengths[i]` bytes.

    Never raises for what a peer sent: what is not RTP is not `valid`. Payload types 64 to 95 are
    RTCP that strayed (RFC 5761 section 4) and not valid either.
    """
    words = data[:, :HEADER_SIZE].copy().view(">u4").T.astype(np.int64)
    first, second = words[0] >> 24, words[0] >> 16 & 0xFF
    payload_type = second & 0x7F
    offset = np.full(len(lengths), HEADER_SIZE)
    payload_length = lengths - HEADER_SIZE
    valid = (payload_length >= 0) & (lengths < MAX_PACKET) & (payload_type >> 5 != 2)
    if np.count_nonzero(first != VERSION << 6):
        valid &= first >> 6 == VERSION
        _measure(data, lengths, first, valid, offset, payload_length)
    return Packets(
        data=data,
        valid=valid,
        marker=second >= MARKER,
        payload_type=payload_type,
        sequence=words[0] & 0xFFFF,
        timestamp=words[1],
        ssrc=words[2],
        payload_offset=offset,
        payload_length=payload_length,
    )


def _measure(
    data: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    first: NDArray[np.int64],
    valid: NDArray[np.bool_],
    offset: NDArray[np.int64],
    payload_length: NDArray[np.int64],
) -> None:
    """Take CSRC list, extension and padding off the payload; what does not fit is not valid."""
    offset += 4 * (first & _CSRC_COUNT)
    has_extension = first & _EXTENSION != 0
    valid &= ~has_extension | (offset + 4 <= lengths)
    extended = np.flatnonzero(valid & has_extension)
    if extended.size:
        at = offset[extended]
        words = (data[extended, at + 2].astype(np.int64) << 8) | data[extended, at + 3]
        offset[extended] += 4 + 4 * words
    payload_length[:] = lengths - offset
    padded = np.flatnonzero(valid & (first & _PADDING != 0))
    if padded.size:
        padding = data[padded, lengths[padded] - 1].astype(np.int64)
        payload_length[padded] -= padding
        valid[padded] &= padding > 0
    valid &= payload_length >= 0

"""Many datagrams in one system call: sendmmsg(2) and recvmmsg(2) on arrays made once.

The structures are those of 64-bit Linux. Datagrams received carry the time at which the kernel
took them (SO_TIMESTAMPNS), so that whoever reads late still knows when they came.
"""

import ctypes
import errno
import os
import socket
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HEADER = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u4"),
        ("pad1", "u4"),
        ("vectors", "u8"),
        ("vector_count", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "i4"),
        ("pad2", "u4"),
        ("length", "u4"),  # bytes sent or received
        ("pad3", "u4"),
    ]
)
_VECTOR = np.dtype([("base", "u8"), ("length", "u8")])
_ADDRESS = np.dtype([("family", "u2"), ("port", ">u2"), ("host", "u4"), ("zero", "u8")])
_TIMESTAMP = np.dtype(
    [("length", "u8"), ("level", "i4"), ("type", "i4"), ("seconds", "i8"), ("nanoseconds", "i8")]
)
_SO_TIMESTAMPNS = 35
_DONT_WAIT = int(socket.MSG_DONTWAIT)

_libc = ctypes.CDLL(None, use_errno=True)


def keep_arrival_times(udp: socket.socket) -> None:
    """Let the kernel say of each datagram when it came."""
    udp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def arrival_time(ancillary: list[tuple[int, int, bytes]], default: float) -> float:
    """When a datagram read by `recvmsg` came, in seconds since 1970; `default` if nobody says."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return float(seconds) + float(nanoseconds) / 1e9
    return default


class Outbox:
    """Sends rows of `frames`, (N, width) uint8, each to an address of its own (IPv4).

    `lengths`: bytes of each row that go out; write to it as to `frames`.
    """

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        rows, width = frames.shape
        self._frames = frames  # kept alive: the vectors point into it
        self._addresses = np.zeros(rows, _ADDRESS)
        self._addresses["family"] = socket.AF_INET
        self._vectors = np.zeros(rows, _VECTOR)
        self._vectors["base"] = frames.ctypes.data + np.arange(rows) * width
        self.lengths: NDArray[np.uint64] = self._vectors["length"]
        self.lengths[:] = width
        self._headers = np.zeros(rows, _HEADER)
        self._headers["name"] = _pointers(self._addresses)
        self._headers["name_length"] = _ADDRESS.itemsize
        self._headers["vectors"] = _pointers(self._vectors)
        self._headers["vector_count"] = 1

    def aim(self, row: int, address: tuple[str, int]) -> None:
        """Where the row goes from now on."""
        self._addresses["host"][row] = struct.unpack("=I", socket.inet_aton(address[0]))[0]
        self._addresses["port"][row] = address[1]

    def send(self, udp: socket.socket, rows: NDArray[np.int64]) -> int:
        """Send these rows; how many could not be sent."""
        headers = self._headers[rows]
        begin, unsent = 0, 0
        while begin < len(headers):
            place = headers.ctypes.data + begin * _HEADER.itemsize
            sent = _libc.sendmmsg(
                udp.fileno(), ctypes.c_void_p(place), len(headers) - begin, _DONT_WAIT
            )
            if sent < 0:  # the first of them failed: leave it out
                unsent, sent = unsent + 1, 1
            begin += sent
        return unsent


@dataclass(frozen=True, slots=True)
class Received:
    """M datagrams in the order of arrival, valid until the next are read.

    `data`: (M, width) uint8; `lengths`: bytes, at most width; `ports`: of who sent it; `arrived`:
    seconds since 1970.
    """

    data: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    ports: NDArray[np.int64]
    arrived: NDArray[np.float64]


class Inbox:
    """Reads up to `count` datagrams at once, `width` bytes of each."""

    def __init__(self, count: int, width: int) -> None:
        self._data = np.zeros((count, width), np.uint8)
        self._addresses = np.zeros(count, _ADDRESS)
        self._times = np.zeros(count, _TIMESTAMP)
        self._vectors = np.zeros(count, _VECTOR)
        self._vectors["base"] = self._data.ctypes.data + np.arange(count) * width
        self._vectors["length"] = width
        self._headers = np.zeros(count, _HEADER)
        self._headers["name"] = _pointers(self._addresses)
        self._headers["vectors"] = _pointers(self._vectors)
        self._headers["vector_count"] = 1
        self._headers["control"] = _pointers(self._times)

    def receive(self, udp: socket.socket) -> Received | None:
        """What has come to the socket, None when nothing has. Raises OSError."""
        self._headers["name_length"] = _ADDRESS.itemsize
        self._headers["control_length"] = _TIMESTAMP.itemsize
        count = _libc.recvmmsg(
            udp.fileno(),
            ctypes.c_void_p(self._headers.ctypes.data),
            len(self._headers),
            _DONT_WAIT,
            None,
        )
        if count < 0:
            code = ctypes.get_errno()
            if code in (errno.EAGAIN, errno.EINTR):
                return None
            raise OSError(code, os.strerror(code))
        times = self._times[:count]
        return Received(
            self._data[:count],
            self._headers["length"][:count].astype(np.int64),
            self._addresses["port"][:count].astype(np.int64),
            times["seconds"] + times["nanoseconds"] / 1e9,
        )

    @property
    def size(self) -> int:
        """How many fit in one call."""
        return len(self._headers)


def _pointers(array: NDArray[np.void]) -> NDArray[np.uint64]:
    """The address of each element."""
    offsets = np.arange(len(array), dtype=np.uint64) * np.uint64(array.itemsize)
    return np.uint64(array.ctypes.data) + offsets

"""Many datagrams in one system call: io_uring of Linux 5.18 and newer, driven by numpy.

A ring is memory shared with the kernel: an array of requests (SQE), an array of results (CQE), and
the heads and tails of both (io_uring(7)). All requests here are such as never wait, so whatever is
submitted is done when the system call returns: no buffer outlives its call, and as kernel and we
take turns in one thread, the rings need no memory barriers.
"""

import ctypes
import errno
import mmap
import os
import socket

import numpy as np
from numpy.typing import NDArray

ENTRIES = 1024
"""Datagrams in one system call; more take several."""

# <linux/io_uring.h>; the numbers of the system calls are the same on every architecture.
_SETUP, _ENTER, _REGISTER = 425, 426, 427
_SUBMIT_ALL = 1 << 7  # a request that fails keeps none of the others back
_FEAT_SINGLE_MMAP, _FEAT_CQE_SKIP = 1 << 0, 1 << 11
_OFFSET_OF_SQES = 0x10000000
_GETEVENTS = 1
_OP_SEND, _OP_RECV = 26, 27
_FIXED_FILE, _SKIP_SUCCESS = 1 << 0, 1 << 6
_REGISTER_FILES, _UPDATE_FILES = 2, 6
_NO_FILE = -1
_SQE = np.dtype(
    [
        ("opcode", "u1"),
        ("flags", "u1"),
        ("ioprio", "u2"),
        ("fd", "i4"),
        ("offset", "u8"),
        ("addr", "u8"),
        ("len", "u4"),
        ("msg_flags", "u4"),
        ("user_data", "i8"),
        ("more", "u8", 3),
    ]
)
_CQE = np.dtype([("user_data", "i8"), ("res", "i4"), ("flags", "u4")])
_UINT32 = 0xFFFFFFFF
_PARAMS_SIZE, _SQ_OFFSETS, _CQ_OFFSETS = 120, 40, 80  # struct io_uring_params, bytes

_libc = ctypes.CDLL(None, use_errno=True)


class _FilesUpdate(ctypes.Structure):
    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("fds", ctypes.c_uint64),
    )


class Ring:
    """`send` and `receive` for many connected sockets at once, each known by a slot below `slots`.

    Raises OSError where the system has no ring like that, or lets us have none.
    """

    def __init__(self, slots: int) -> None:
        told = np.zeros(_PARAMS_SIZE // 4, np.uint32)
        told[2] = _SUBMIT_ALL
        self._fd = _call(_SETUP, ENTRIES, ctypes.c_void_p(told.ctypes.data))
        if told[5] & _FEAT_SINGLE_MMAP == 0 or told[5] & _FEAT_CQE_SKIP == 0:
            os.close(self._fd)
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        requests, results = int(told[0]), int(told[1])
        sq, cq = told[_SQ_OFFSETS // 4 :], told[_CQ_OFFSETS // 4 :]
        size = max(int(sq[6]) + 4 * requests, int(cq[5]) + _CQE.itemsize * results)
        ring = mmap.mmap(self._fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._sqes = np.frombuffer(
            mmap.mmap(
                self._fd,
                requests * _SQE.itemsize,
                mmap.MAP_SHARED | mmap.MAP_POPULATE,
                offset=_OFFSET_OF_SQES,
            ),
            _SQE,
        )
        self._sq_tail = np.frombuffer(ring, np.uint32, 1, int(sq[1]))
        self._sq_array = np.frombuffer(ring, np.uint32, requests, int(sq[6]))
        self._cq_head = np.frombuffer(ring, np.uint32, 1, int(cq[0]))
        self._cq_tail = np.frombuffer(ring, np.uint32, 1, int(cq[1]))
        self._cqes = np.frombuffer(ring, _CQE, results, int(cq[5]))
        self._sq_mask, self._cq_mask = requests - 1, results - 1  # both are powers of two
        self._numbers = np.arange(max(requests, results))
        self._send = _request(_OP_SEND, _FIXED_FILE | _SKIP_SUCCESS)
        self._recv = _request(_OP_RECV, _FIXED_FILE)
        self.attached = np.zeros(slots, np.bool_)
        """Which slots have a socket."""
        nothing = (ctypes.c_int32 * slots)(*[_NO_FILE] * slots)
        try:
            _call(_REGISTER, self._fd, _REGISTER_FILES, ctypes.byref(nothing), slots)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give the ring back to the system."""
        os.close(self._fd)

    def attach(self, slot: int, connection: socket.socket) -> None:
        """Give a slot its socket. The ring holds it open, closed or not, until `detach`.

        Raises OSError.
        """
        self._update(slot, connection.fileno())
        self.attached[slot] = True

    def detach(self, slot: int) -> None:
        """Let go of a slot's socket, if it has one."""
        if self.attached[slot]:
            self.attached[slot] = False
            self._update(slot, _NO_FILE)

    def _update(self, slot: int, descriptor: int) -> None:
        fd = ctypes.c_int32(descriptor)
        update = _FilesUpdate(slot, 0, ctypes.addressof(fd))
        _call(_REGISTER, self._fd, _UPDATE_FILES, ctypes.byref(update), 1)

    def send(self, slots: NDArray[np.int64], data: NDArray[np.uint8]) -> list[int]:
        """Send row i of `data`, (N, bytes) and contiguous, on the socket of `slots[i]`.

        Returns the rows that the system did not take.
        """
        failed: list[int] = []
        for begin in range(0, len(slots), ENTRIES):
            part = slice(begin, begin + ENTRIES)
            numbers, _ = self._submit(self._send, slots[part], data[part], waits=False)
            failed += (numbers + begin).tolist()
        return failed

    def receive(self, slots: NDArray[np.int64], rows: NDArray[np.uint8]) -> NDArray[np.int64]:
        """One datagram for each of the N slots, at most `ENTRIES`, that has one: into its row of
        `rows`, (N, bytes) and contiguous; what is longer is cut.

        Returns the N lengths; below zero where there was none.
        """
        numbers, results = self._submit(self._recv, slots, rows, waits=True)
        lengths = np.full(len(slots), -1, np.int64)
        lengths[numbers] = results
        return lengths

    def _submit(
        self,
        request: NDArray[np.void],
        slots: NDArray[np.int64],
        rows: NDArray[np.uint8],
        *,
        waits: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Submit `request` for each row; the rows that had a result, and their results."""
        count = len(slots)
        numbers = self._numbers[:count]
        sqes = self._sqes[:count]
        sqes[:] = request
        sqes["fd"] = slots
        sqes["addr"] = rows.ctypes.data + numbers * rows.strides[0]
        sqes["len"] = rows.shape[1]
        sqes["user_data"] = numbers
        tail = int(self._sq_tail[0])
        self._sq_array[(tail + numbers) & self._sq_mask] = numbers
        self._sq_tail[0] = (tail + count) & _UINT32
        while count:
            submitted = _call(_ENTER, self._fd, count, count if waits else 0, _GETEVENTS * waits)
            count -= submitted
        return self._results()

    def _results(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """What was completed since the last asking: numbers of requests, and their results."""
        head, tail = int(self._cq_head[0]), int(self._cq_tail[0])
        results = self._cqes[(head + self._numbers[: (tail - head) & _UINT32]) & self._cq_mask]
        self._cq_head[0] = tail
        return results["user_data"], results["res"]


def _request(opcode: int, flags: int) -> NDArray[np.void]:
    request = np.zeros((), _SQE)
    request["opcode"], request["flags"] = opcode, flags
    request["msg_flags"] = socket.MSG_DONTWAIT
    return request


def _call(number: int, *arguments: int | object) -> int:
    """A system call. Raises OSError."""
    while True:
        result: int = _libc.syscall(number, *arguments, None, 0)
        if result >= 0:
            return result
        if (fault := ctypes.get_errno()) != errno.EINTR:
            raise OSError(fault, os.strerror(fault))

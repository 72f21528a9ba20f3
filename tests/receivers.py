"""Our receiver and the reference ones. Each hears calls as G.711 codes, with packets lost."""

import ctypes
import ctypes.util
import re
import subprocess
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from ivr.media import g711, rtp
from ivr.media.tone_blocks import ALAW, ULAW
from ivr.media.tones import ToneDetector
from tests.sounds import Codes

PACKET = 160
"""Samples: 20 ms."""

Lost = NDArray[np.bool_]
"""Of each packet of a call, whether it never came."""

NO_LOSS = np.zeros(0, np.bool_)


class Receiver(Protocol):
    """`hear` returns what each call keyed."""

    name: str

    def hear(
        self, lines: Sequence[Codes], lost: Sequence[Lost], *, ulaw: bool = False
    ) -> list[str]: ...


def _padded(line: Codes, ulaw: bool) -> Codes:
    silence = g711.ULAW_SILENCE if ulaw else g711.ALAW_SILENCE
    return np.concatenate([line, np.full(-len(line) % PACKET, silence, np.uint8)])


def _linear(line: Codes, ulaw: bool) -> NDArray[np.int16]:
    return g711.decode_ulaw(line) if ulaw else g711.decode_alaw(line)


class Ours:
    """`ivr.media.tones`, all calls at once, over RTP packets."""

    name = "ours"

    def __init__(self) -> None:
        self.rejects: dict[str, int] = {}

    def hear(
        self, lines: Sequence[Codes], lost: Sequence[Lost], *, ulaw: bool = False
    ) -> list[str]:
        """See `Receiver`."""
        count = len(lines)
        lines = [_padded(line, ulaw) for line in lines]
        detector = ToneDetector(count)
        law = ULAW if ulaw else ALAW
        heard = [""] * count
        data = np.zeros((count, rtp.MAX_PACKET), np.uint8)
        header = np.zeros(count, rtp.HEADER)
        header["first"] = rtp.VERSION << 6
        for number in range(max(len(line) for line in lines) // PACKET):
            slots = [
                slot
                for slot, (line, missing) in enumerate(zip(lines, lost, strict=True))
                if (number + 1) * PACKET <= len(line)
                and not (number < len(missing) and missing[number])
            ]
            header["sequence"], header["timestamp"] = number & 0xFFFF, number * PACKET
            data[:, : rtp.HEADER_SIZE] = header.view(np.uint8).reshape(count, -1)
            for slot in slots:
                begin = number * PACKET
                data[slot, rtp.HEADER_SIZE : rtp.HEADER_SIZE + PACKET] = lines[slot][
                    begin : begin + PACKET
                ]
            if not slots:
                continue
            rows = np.array(slots, np.int64)
            packets = rtp.parse(data, np.full(count, rtp.HEADER_SIZE + PACKET))
            laws = np.full(len(rows), law)
            for slot, change in detector.hear(rows, laws, packets, rows, number * 0.02):
                heard[slot] += change.key if change.pressed else ""
        for slot in range(count):
            for reject, times in detector.rejects(slot).items():
                self.rejects[reject] = self.rejects.get(reject, 0) + times
        return heard


class Spandsp:
    """`dtmf_rx` of spandsp, with its defaults but for a filter of dial tones where wanted."""

    name = "spandsp"

    def __init__(self, *, dial_tone: bool = False) -> None:
        found = ctypes.util.find_library("spandsp")
        if found is None:
            raise OSError("spandsp is not installed; on Debian: apt-get install libspandsp-dev")
        self._library = ctypes.CDLL(found)
        self._library.dtmf_rx_init.restype = ctypes.c_void_p
        self._library.dtmf_rx_get.restype = ctypes.c_size_t
        self._dial_tone = dial_tone

    def hear(
        self, lines: Sequence[Codes], lost: Sequence[Lost], *, ulaw: bool = False
    ) -> list[str]:
        """See `Receiver`."""
        return [
            self._hear(_linear(_padded(line, ulaw), ulaw), missing)
            for line, missing in zip(lines, lost, strict=True)
        ]

    def _hear(self, line: NDArray[np.int16], lost: Lost) -> str:
        state = ctypes.c_void_p(self._library.dtmf_rx_init(None, None, None))
        if self._dial_tone:
            self._library.dtmf_rx_parms(state, 1, -1, -1, -99)
        heard = b""
        room = ctypes.create_string_buffer(129)
        for number in range(len(line) // PACKET):
            if number < len(lost) and lost[number]:
                self._library.dtmf_rx_fillin(state, PACKET)
                continue
            packet = np.ascontiguousarray(line[number * PACKET : (number + 1) * PACKET])
            self._library.dtmf_rx(state, packet.ctypes.data_as(ctypes.c_void_p), PACKET)
            if self._library.dtmf_rx_get(state, room, 128):
                heard += room.value
        self._library.dtmf_rx_free(state)
        return heard.decode()


class Multimon:
    """multimon-ng, which wants 22,050 samples a second; lost packets are silence to it."""

    name = "multimon-ng"

    def hear(
        self, lines: Sequence[Codes], lost: Sequence[Lost], *, ulaw: bool = False
    ) -> list[str]:
        """See `Receiver`."""
        return [
            self._hear(_linear(_padded(line, ulaw), ulaw).copy(), missing)
            for line, missing in zip(lines, lost, strict=True)
        ]

    def _hear(self, line: NDArray[np.int16], lost: Lost) -> str:
        for number in np.flatnonzero(lost).tolist():
            line[number * PACKET : (number + 1) * PACKET] = 0
        faster = soxr.resample(line, 8000, 22050)
        done = subprocess.run(
            ["multimon-ng", "-q", "-c", "-a", "DTMF", "-t", "raw", "-"],
            input=np.asarray(faster, np.int16).tobytes(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return "".join(re.findall(r"DTMF: (.)", done.stdout.decode("ascii", "replace")))

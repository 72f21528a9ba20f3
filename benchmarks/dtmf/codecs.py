"""Speech codecs that a call may pass on its way."""

import ctypes
import ctypes.util
import subprocess

import numpy as np
from numpy.typing import NDArray

from tests.receivers import PACKET


class G726:
    """At 32 kbit/s, by spandsp: sox reads it but does not write it."""

    def __init__(self) -> None:
        found = ctypes.util.find_library("spandsp")
        if found is None:
            raise OSError("spandsp is not installed; on Debian: apt-get install libspandsp-dev")
        self._library = ctypes.CDLL(found)
        self._library.g726_init.restype = ctypes.c_void_p

    def through(self, line: NDArray[np.int16]) -> NDArray[np.int16]:
        """The samples as the far end hears them."""
        line = np.ascontiguousarray(np.pad(line, (0, -len(line) % PACKET)))
        coded = np.zeros(len(line), np.uint8)
        heard = np.zeros(len(line) + PACKET, np.int16)
        pointer = ctypes.c_void_p
        coder, decoder = (pointer(self._library.g726_init(None, 32000, 0, 0)) for _ in range(2))
        size = self._library.g726_encode(
            coder, coded.ctypes.data_as(pointer), line.ctypes.data_as(pointer), len(line)
        )
        count = self._library.g726_decode(
            decoder, heard.ctypes.data_as(pointer), coded.ctypes.data_as(pointer), size
        )
        for state in (coder, decoder):
            self._library.g726_free(state)
        return heard[:count]


def through_gsm(line: NDArray[np.int16]) -> NDArray[np.int16]:
    """Through GSM full rate and back, by sox."""
    raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1"]
    coded = subprocess.run(
        ["sox", *raw, "-", "-t", "gsm", "-"], input=line.tobytes(), capture_output=True, check=True
    )
    heard = subprocess.run(
        ["sox", "-t", "gsm", "-r", "8000", "-c", "1", "-", *raw, "-"],
        input=coded.stdout,
        capture_output=True,
        check=True,
    )
    return np.frombuffer(heard.stdout, np.int16)

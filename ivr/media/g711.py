"""G.711: A-law and µ-law by table (ITU-T G.711)."""

import numpy as np
from numpy.typing import NDArray

ALAW_SILENCE = 0xD5
ULAW_SILENCE = 0xFF


def _expand_alaw() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    step = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, step, (step + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _expand_ulaw() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _compress(expanded: NDArray[np.int16], silence: int) -> NDArray[np.uint8]:
    """For each 16-bit sample (index: its bits as an unsigned number) the nearest value's code."""
    order = np.argsort(expanded, kind="stable")
    levels = expanded[order].astype(np.int32)
    samples = np.arange(-32768, 32768)
    upper = np.clip(np.searchsorted(levels, samples), 1, 255)
    nearer = upper - (samples - levels[upper - 1] < levels[upper] - samples)
    codes = order[nearer].astype(np.uint8)
    codes[32768] = silence
    return np.roll(codes, 32768)


ALAW_TO_LINEAR = _expand_alaw()
"""(256,) int16: the 16-bit sample of each A-law code."""
ULAW_TO_LINEAR = _expand_ulaw()
"""(256,) int16: the 16-bit sample of each µ-law code."""
_LINEAR_TO_ALAW = _compress(ALAW_TO_LINEAR, ALAW_SILENCE)
_LINEAR_TO_ULAW = _compress(ULAW_TO_LINEAR, ULAW_SILENCE)


def encode_alaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """A-law codes of 16-bit samples, same shape."""
    return _LINEAR_TO_ALAW.take(samples.view(np.uint16))


def encode_ulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """µ-law codes of 16-bit samples, same shape."""
    return _LINEAR_TO_ULAW.take(samples.view(np.uint16))


def decode_alaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """16-bit samples of A-law codes, same shape."""
    return ALAW_TO_LINEAR[codes]


def decode_ulaw(codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """16-bit samples of µ-law codes, same shape."""
    return ULAW_TO_LINEAR[codes]

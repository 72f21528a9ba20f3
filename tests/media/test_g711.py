"""G.711: values of the recommendation's tables, and the way there and back."""

import numpy as np
import pytest

from ivr.media import g711


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0x80, 5504), (0xC5, 264)],
)
def test_alaw_values(code: int, sample: int) -> None:
    assert g711.decode_alaw(np.array([code], np.uint8))[0] == sample


@pytest.mark.parametrize(
    ("code", "sample"), [(0xFF, 0), (0x7F, 0), (0x80, 32124), (0x00, -32124), (0xFE, 8)]
)
def test_ulaw_values(code: int, sample: int) -> None:
    assert g711.decode_ulaw(np.array([code], np.uint8))[0] == sample


def test_silence_is_the_code_of_idle_lines() -> None:
    silence = np.zeros(3, np.int16)
    assert g711.encode_alaw(silence).tolist() == [0xD5] * 3
    assert g711.encode_ulaw(silence).tolist() == [0xFF] * 3


def test_every_code_survives_decoding_and_encoding() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert (g711.encode_alaw(g711.decode_alaw(codes)) == codes).all()
    positive_zero = np.where(codes == 0x7F, 0xFF, codes)
    assert (g711.encode_ulaw(g711.decode_ulaw(codes)) == positive_zero).all()


def test_every_sample_gets_the_nearest_value() -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    for encode, decode in (
        (g711.encode_alaw, g711.decode_alaw),
        (g711.encode_ulaw, g711.decode_ulaw),
    ):
        values = decode(np.arange(256, dtype=np.uint8)).astype(np.int32)
        least = np.abs(samples[::7, np.newaxis] - values).min(axis=1)
        error = np.abs(decode(encode(samples[::7])).astype(np.int32) - samples[::7])
        assert (error == least).all()

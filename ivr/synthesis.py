"""Speech from text with espeak-ng, for recordings that no studio has made yet.

Used when recordings are built, never in a call. The same text gives the same samples.
"""

import io
import subprocess
import wave
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ivr.prompts import RATE, Samples, Sound, at_our_rate, to_samples

VOICES = {"fr": "fr", "en": "en-gb"}
WORDS_PER_MINUTE = 150
TIMEOUT = 60.0  # seconds; espeak-ng needs a fraction of one

TARGET_DBFS = -20.0  # level of the speech itself, pauses apart
PEAK_DBFS = -3.5
EDGE = 0.06  # seconds of silence kept before and after, so that concatenations flow
SENTENCE_EDGE = 0.28  # after a text that ends a sentence
LONGEST_PAUSE = 0.35  # seconds, inside a recording
FADE = 0.005  # seconds, where the silence of an edge meets the speech
FLOOR_DB = -45.0  # under the loudest moment by so much is silence
FRAME = 80  # samples (10 ms): what a level is taken over


class SynthesisError(Exception):
    """espeak-ng is missing or failed: one line, with the remedy."""


def speak(text: str, language: str) -> Samples:
    """`text` as int16 samples at 8 kHz, polished. Raises `SynthesisError`."""
    command = ("espeak-ng", "-v", VOICES[language], "-s", str(WORDS_PER_MINUTE), "--stdout")
    try:
        done = subprocess.run(  # noqa: S603 - the text goes in on standard input
            command, input=text.encode(), capture_output=True, timeout=TIMEOUT, check=True
        )
        with wave.open(io.BytesIO(done.stdout)) as speech:
            rate = speech.getframerate()
            samples = np.frombuffer(speech.readframes(speech.getnframes()), "<i2")
    except FileNotFoundError:
        raise SynthesisError("espeak-ng is not installed: apt-get install espeak-ng") from None
    except (subprocess.SubprocessError, wave.Error, EOFError) as error:
        raise SynthesisError(f"espeak-ng failed ({type(error).__name__}) on: {text}") from None
    sound = at_our_rate(samples.astype(np.float64), rate)
    return polish(sound, sentence=text.rstrip().endswith((".", "!", "?", ":")))


def polish(speech: Sound, *, sentence: bool) -> Samples:
    """Give speech the level, edges and pauses that all recordings have.

    `speech`: samples at 8 kHz, full scale 32768. `sentence`: the text ends one, a pause follows.
    """
    voiced = np.flatnonzero(_voiced(speech))
    before = np.zeros(round(EDGE * RATE))
    after = np.zeros(round((SENTENCE_EDGE if sentence else EDGE) * RATE))
    if not voiced.size:
        return to_samples(np.concatenate([before, after]))
    spoken = _shorten_pauses(speech, voiced)
    fade = np.linspace(0, 1, round(FADE * RATE))
    spoken[: fade.size] *= fade
    spoken[-fade.size :] *= fade[::-1]
    gain = min(
        10 ** (TARGET_DBFS / 20) * 32768 / _speech_rms(spoken),
        10 ** (PEAK_DBFS / 20) * 32768 / np.abs(spoken).max(),
    )
    return to_samples(np.concatenate([before, spoken * gain, after]))


def level_dbfs(samples: Samples) -> float:
    """Level of the speech in a recording: its RMS, silence apart, in dB under full scale."""
    rms = _speech_rms(samples.astype(np.float64))
    return 20 * float(np.log10(rms / 32768)) if rms else float("-inf")


def _shorten_pauses(speech: Sound, voiced: npt.NDArray[np.intp]) -> Sound:
    """From the first voiced frame to the last, with no pause longer than `LONGEST_PAUSE`."""
    longest = round(LONGEST_PAUSE * RATE)
    pieces = []
    begin = voiced[0] * FRAME
    for left, right in pairwise(voiced):
        pause = (right - left - 1) * FRAME
        if pause > longest:
            middle = (left + 1) * FRAME + longest // 2
            pieces.append(speech[begin:middle])
            begin = middle + pause - longest
    pieces.append(speech[begin : (voiced[-1] + 1) * FRAME])
    return np.concatenate(pieces)


def _frame_levels(speech: Sound) -> Sound:
    """RMS of each whole frame."""
    frames = speech[: speech.size // FRAME * FRAME].reshape(-1, FRAME)
    levels: Sound = np.sqrt(np.mean(frames**2, axis=1))
    return levels


def _voiced(speech: Sound) -> npt.NDArray[np.bool_]:
    """Which frames hold speech; the floor follows the loudest."""
    levels = _frame_levels(speech)
    floor = float(levels.max(initial=0.0)) * 10 ** (FLOOR_DB / 20)
    return np.asarray(levels > floor)


def _speech_rms(speech: Sound) -> float:
    levels = _frame_levels(speech)[_voiced(speech)]
    return float(np.sqrt(np.mean(levels**2))) if levels.size else 0.0

"""Sounds at 8 kHz, as arrays of float64 on the scale of 16-bit samples."""

import io
import subprocess
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ivr.media import g711
from ivr.media.tone_blocks import DBM0, HIGH_GROUP, LOW_GROUP
from ivr.prompts import read_recording

RATE = 8000
KEYS = "123A456B789C*0#D"

Sound = NDArray[np.float64]
Codes = NDArray[np.uint8]

PROMPTS = Path(__file__).parents[1] / "prompts"


def amplitude(dbm0: float) -> float:
    """Of a sine at that level."""
    return float(DBM0 * 10 ** (dbm0 / 20))


def rms(dbm0: float) -> float:
    """Of any sound at that level."""
    return amplitude(dbm0) / 2**0.5


def samples(milliseconds: float) -> int:
    """As many as that lasts."""
    return round(milliseconds * RATE / 1000)


@dataclass(frozen=True, slots=True)
class Press:
    """How a key sounds. `low_dbm0`: of the low tone; `twist_db`: the high over it; `low_off`,
    `high_off`: deviation of the frequencies; `tone_ms`, `pause_ms`: lengths; `cut_ms`: how long
    the tone is interrupted in its middle."""

    low_dbm0: float = -10.0
    twist_db: float = 0.0
    low_off: float = 0.0
    high_off: float = 0.0
    tone_ms: float = 50.0
    pause_ms: float = 50.0
    cut_ms: float = 0.0


def tone(key: str, press: Press, phases: tuple[float, float] = (0.0, 0.0)) -> Sound:
    """The two sines of a key."""
    index = KEYS.index(key)
    time = np.arange(samples(press.tone_ms)) / RATE
    low = LOW_GROUP[index // 4] * (1 + press.low_off)
    high = HIGH_GROUP[index % 4] * (1 + press.high_off)
    sound = amplitude(press.low_dbm0) * np.sin(2 * np.pi * low * time + phases[0])
    sound += amplitude(press.low_dbm0 + press.twist_db) * np.sin(
        2 * np.pi * high * time + phases[1]
    )
    if press.cut_ms:
        begin = (len(time) - samples(press.cut_ms)) // 2
        sound[begin : begin + samples(press.cut_ms)] = 0.0
    return sound


def keyed(
    keys: str, press: Press, random: np.random.Generator, lead_ms: float | None = None
) -> Sound:
    """Keys one after the other, phases and the beginning at random."""
    lead = random.uniform(100, 140) if lead_ms is None else lead_ms
    parts = [np.zeros(samples(lead))]
    for key in keys:
        phases = random.uniform(0, 2 * np.pi, 2)
        parts += [
            tone(key, press, (phases[0], phases[1])),
            np.zeros(samples(press.pause_ms)),
        ]
    return np.concatenate([*parts, np.zeros(samples(200))])


Calls = list[tuple[str, Sound]]
"""What each call keys, and how that sounds."""


def calls(
    press: Press | Callable[[np.random.Generator], Press],
    random: np.random.Generator,
    count: int = 63,
) -> Calls:
    """Calls that key each of the 16 keys once, in an order of their own: 1,008 digits of 63."""
    made: Calls = []
    for _ in range(count):
        keys = "".join(random.permutation(list(KEYS)))
        chosen = press if isinstance(press, Press) else press(random)
        made.append((keys, keyed(keys, chosen, random)))
    return made


def with_added(made: Calls, sound: Callable[[int], Sound]) -> Calls:
    """With another sound below: `sound` makes as many samples as it is asked for."""
    return [(keys, line + sound(len(line))) for keys, line in made]


def white(dbm0: float, random: np.random.Generator) -> Callable[[int], Sound]:
    """White noise in the band of a telephone."""
    return lambda size: random.normal(0.0, rms(dbm0), size)


def sines(frequencies: Sequence[float], dbm0: float) -> Callable[[int], Sound]:
    """Steady tones, each at that level."""

    def make(size: int) -> Sound:
        time = np.arange(size) / RATE
        return amplitude(dbm0) * sum(
            (np.sin(2 * np.pi * frequency * time) for frequency in frequencies), np.zeros(size)
        )

    return make


def with_echo(sound: Sound, delay_ms: float, down_db: float) -> Sound:
    """With itself, later and softer."""
    echo = np.zeros_like(sound)
    delay = samples(delay_ms)
    echo[delay:] = sound[:-delay] * 10 ** (-down_db / 20)
    return sound + echo


def clipped(sound: Sound, at_dbm0: float) -> Sound:
    """As an overdriven amplifier leaves it."""
    limit = amplitude(at_dbm0)
    return np.clip(sound, -limit, limit)


def to_16_bit(sound: Sound) -> NDArray[np.int16]:
    """Rounded, and cut at the ends of the scale."""
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def to_alaw(sound: Sound) -> Codes:
    """As it goes over the line."""
    return g711.encode_alaw(to_16_bit(sound))


def to_ulaw(sound: Sound) -> Codes:
    """As it goes over a line of another country."""
    return g711.encode_ulaw(to_16_bit(sound))


def write_wav(file: Path, sound: Sound) -> None:
    """As a recording that a telephone plays."""
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(to_16_bit(sound).tobytes())


def at_level(sound: Sound, dbm0: float) -> Sound:
    """Its active parts (within 25 dB of the loudest 20 ms) brought to that level."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    active = power[power > power.max() / 10**2.5]
    return sound * float(rms(dbm0) / np.sqrt(active.mean()))


def repeated(sound: Sound, random: np.random.Generator) -> Callable[[int], Sound]:
    """From anywhere in it, round and round."""

    def make(size: int) -> Sound:
        begin = int(random.integers(len(sound)))
        return np.resize(np.roll(sound, -begin), size)

    return make


def spoken(text: str, voice: str, pitch: int, speed: int) -> Sound:
    """Said by espeak-ng, as the telephone carries it."""
    done = subprocess.run(
        ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout"],
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
        said = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.asarray(soxr.resample(said.astype(np.float64), rate, RATE), np.float64)


def prompts_echoed(down_db: float) -> Sound:
    """Our own French prompts one after the other, as an echo path returns them so much softer."""
    files = sorted((PROMPTS / "fr").glob("*.wav"))
    said = np.concatenate([read_recording(file).astype(np.float64) for file in files])
    echoed = with_echo(with_echo(said, 38.0, 6.0), 90.0, 12.0)
    return echoed * float(np.sqrt((said**2).mean() / (echoed**2).mean()) * 10 ** (-down_db / 20))

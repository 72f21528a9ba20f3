"""The limits, each as a row of points from what must be heard to what must not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from benchmarks.dtmf.codecs import G726, through_gsm
from benchmarks.dtmf.speech import speech
from tests.receivers import NO_LOSS, PACKET, Lost
from tests.sounds import (
    Calls,
    Codes,
    Press,
    at_level,
    calls,
    clipped,
    keyed,
    prompts_echoed,
    repeated,
    sines,
    to_16_bit,
    to_alaw,
    to_ulaw,
    white,
    with_added,
    with_echo,
)

SEED = 20061


class Want(StrEnum):
    """What a point asks for: each digit, none of them, or as many as spandsp hears."""

    HEARD = "all"
    NOT_HEARD = "none"
    BEST = "spandsp"
    OPEN = "-"


@dataclass(slots=True)
class Point:
    """One place on a limit: `value` of what is varied, and the calls that try it."""

    limit: str
    value: str
    want: Want
    keys: list[str]
    lines: list[Codes]
    lost: list[Lost] = field(default_factory=list)
    ulaw: bool = False
    dial_tone: bool = False

    def __post_init__(self) -> None:
        self.lost = self.lost or [NO_LOSS] * len(self.lines)

    @property
    def trials(self) -> int:
        """How many digits were keyed."""
        return sum(map(len, self.keys))


def _random(*place: int) -> np.random.Generator:
    return np.random.default_rng([SEED, *place])


def _point(limit: str, value: str, want: Want, made: Calls) -> Point:
    return Point(limit, value, want, [keys for keys, _ in made], [to_alaw(x) for _, x in made])


def frequency() -> Iterator[Point]:
    """Both frequencies off, each to a side of its own, and one of them off."""
    for place, off in enumerate((1.0, 1.5, 1.8, 2.2, 2.5, 2.8, 3.2, 3.5, 4.0, 5.0)):
        want = Want.HEARD if off <= 1.5 else Want.NOT_HEARD if off >= 3.5 else Want.OPEN

        def both(random: np.random.Generator, off: float = off) -> Press:
            signs = random.choice([-1, 1], 2) * off / 100
            return Press(low_off=signs[0], high_off=signs[1])

        yield _point("both frequencies off by, %", f"{off}", want, calls(both, _random(1, place)))
    for place, off in enumerate((1.5, 3.5)):
        want = Want.HEARD if off <= 1.5 else Want.NOT_HEARD

        def one(random: np.random.Generator, off: float = off) -> Press:
            offs = random.permutation([random.choice([-1, 1]) * off / 100, 0.0])
            return Press(low_off=offs[0], high_off=offs[1])

        yield _point("one frequency off by, %", f"{off}", want, calls(one, _random(2, place)))


def twist() -> Iterator[Point]:
    """The high tone over the low; the stronger at −8 dBm0."""
    for place, db in enumerate((-16, -14, -12, -10, -9, -8, -6, -4, 0, 4, 6, 7, 8, 10, 12, 14)):
        want = Want.HEARD if -8 <= db <= 6 else Want.OPEN
        press = Press(low_dbm0=-8.0 - max(db, 0), twist_db=db)
        yield _point("twist, dB", f"{db:+}", want, calls(press, _random(3, place)))


def level() -> Iterator[Point]:
    """Of each tone."""
    for place, dbm0 in enumerate((0, -3, -10, -20, -25, -30, -35, -40, -42, -45, -50)):
        want = Want.HEARD if dbm0 >= -25 else Want.NOT_HEARD if dbm0 <= -45 else Want.OPEN
        made = calls(Press(low_dbm0=dbm0), _random(4, place))
        yield _point("level of each tone, dBm0", f"{dbm0}", want, made)


def duration() -> Iterator[Point]:
    """How long a tone is; how long a pause is between twice the same key."""
    for place, ms in enumerate((10, 15, 19, 20, 22, 24, 26, 28, 30, 33, 36, 40, 50)):
        want = Want.NOT_HEARD if ms <= 20 else Want.HEARD if ms >= 40 else Want.OPEN
        made = calls(Press(tone_ms=ms), _random(5, place))
        yield _point("tone, ms", f"{ms}", want, made)
    for place, ms in enumerate((15, 20, 25, 30, 35, 40, 50)):
        want = Want.HEARD if ms >= 40 else Want.OPEN
        random = _random(6, place)
        press = Press(tone_ms=40 if ms >= 40 else 50, pause_ms=ms)
        made = []
        for number in range(64):
            key = "123A456B789C*0#D"[number % 16] * 16
            made.append((key, keyed(key, press, random)))
        yield _point("pause between twice the same key, ms", f"{ms}", want, made)
    for place, ms in enumerate((5, 10, 15, 20, 25)):
        want = Want.HEARD if ms <= 10 else Want.OPEN
        made = calls(Press(tone_ms=100 + ms, cut_ms=ms), _random(7, place))
        yield _point("interruption of a tone, ms", f"{ms}", want, made)


def noise() -> Iterator[Point]:
    """White noise, against both tones together (each at −13 dBm0); tones of 50 ms."""
    for place, ratio in enumerate((24, 20, 15, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2)):
        random = _random(8, place)
        made = with_added(calls(Press(low_dbm0=-13.0), random), white(-10.0 - ratio, random))
        want = Want.HEARD if ratio >= 15 else Want.BEST
        yield _point("signal to noise, dB", f"{ratio}", want, made)


def dial_tone() -> Iterator[Point]:
    """Keys at −15 dBm0 over a dial tone; spandsp with its filter of dial tones."""
    for number, frequencies in enumerate(((440.0,), (350.0, 440.0), (425.0,))):
        for place, dbm0 in enumerate((-25, -15, -10, -5)):
            random = _random(9, number, place)
            made = with_added(calls(Press(low_dbm0=-15.0), random), sines(frequencies, dbm0))
            name = "+".join(f"{frequency:.0f}" for frequency in frequencies)
            wanted = dbm0 <= -15 and 425.0 not in frequencies
            want = Want.HEARD if wanted else Want.BEST
            point = _point(f"{name} Hz below, dBm0", f"{dbm0}", want, made)
            point.dial_tone = True
            yield point


def impaired() -> Iterator[Point]:
    """Echo, clipping, µ-law, other codecs on the way."""
    for place, (delay, down) in enumerate(((8, 6), (20, 8), (30, 10), (60, 10))):
        made = calls(Press(), _random(10, place))
        made = [(keys, with_echo(sound, delay, down)) for keys, sound in made]
        yield _point("echo, ms and dB down", f"{delay}, {down}", Want.BEST, made)
    for place, over in enumerate((3, 6, 10, 20)):
        made = calls(Press(low_dbm0=-4.0), _random(11, place))
        made = [(keys, clipped(sound, 2.0 - over)) for keys, sound in made]
        yield _point("clipped, dB", f"{over}", Want.BEST, made)
    made = calls(Press(tone_ms=40, pause_ms=40), _random(12))
    point = _point("µ-law, 40 ms and 40 ms", "", Want.HEARD, made)
    point.lines, point.ulaw = [to_ulaw(sound) for _, sound in made], True
    yield point
    codec = G726()
    for place, ms in enumerate((40, 60, 80)):
        made = calls(Press(tone_ms=ms, pause_ms=60), _random(13, place))
        heard = [(keys, through_gsm(to_16_bit(sound)).astype(float)) for keys, sound in made]
        yield _point("through GSM full rate, tone of ms", f"{ms}", Want.BEST, heard)
        heard = [(keys, codec.through(to_16_bit(sound)).astype(float)) for keys, sound in made]
        yield _point("through G.726 at 32 kbit/s, tone of ms", f"{ms}", Want.BEST, heard)


def loss() -> Iterator[Point]:
    """Packets of 20 ms lost at random."""
    for length in (50, 80, 120):
        for place, share in enumerate((1, 2, 5, 10)):
            random = _random(14, length, place)
            made = calls(Press(tone_ms=length, pause_ms=max(60, length)), random)
            limit = f"packets lost, %; tones of {length} ms"
            point = _point(limit, f"{share}", Want.BEST, made)
            point.lost = [
                random.random(len(line) // PACKET + 1) < share / 100 for line in point.lines
            ]
            yield point


def over_speech(seconds: float = 120.0) -> Iterator[Point]:
    """A voice below keys of 80 ms, as into a hand-held mobile; and the echo of our own prompts, as
    loud as they are recorded."""
    voices = np.concatenate(list(speech(seconds, SEED + 1, ("fr", "fr+f2", "fr+m3", "fr-be+f4"))))
    for place, down in enumerate((20, 15, 10, 6, 3)):
        random = _random(15, place)
        made = calls(Press(low_dbm0=-13.0, tone_ms=80, pause_ms=80), random)
        made = with_added(made, repeated(at_level(voices, -10.0 - down), random))
        yield _point("a voice below, dB under the key", f"{down}", Want.BEST, made)
    echo = prompts_echoed(10.0)
    for place, dbm0 in enumerate((-7, -10, -13, -16, -20)):
        random = _random(16, place)
        made = calls(Press(low_dbm0=dbm0, tone_ms=80, pause_ms=80), random)
        made = with_added(made, repeated(echo, random))
        want = Want.HEARD if dbm0 >= -10 else Want.BEST
        yield _point("our prompts' echo at −10 dB, tones at dBm0", f"{dbm0}", want, made)


CORPORA: dict[str, Callable[[], Iterator[Point]]] = {
    "frequency": frequency,
    "twist": twist,
    "level": level,
    "duration": duration,
    "noise": noise,
    "dial tone": dial_tone,
    "impaired": impaired,
    "loss": loss,
    "speech": over_speech,
}

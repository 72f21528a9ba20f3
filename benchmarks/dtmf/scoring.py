"""What each receiver hears of the corpora, and what ours costs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.dtmf import speech
from benchmarks.dtmf.corpora import SEED, Point, Want
from benchmarks.dtmf.noises import noises
from ivr.media import rtp
from ivr.media.tones import ToneDetector
from tests.receivers import NO_LOSS, Receiver, Spandsp
from tests.sounds import KEYS, RATE, Press, Sound, keyed, prompts_echoed, samples, to_alaw, white


@dataclass(frozen=True, slots=True)
class Score:
    """One receiver at one point: digits `heard` of `keyed`, and `extra` that nobody keyed."""

    limit: str
    value: str
    want: str
    receiver: str
    keyed: int
    heard: int
    extra: int

    @property
    def percent(self) -> float:
        return 100 * self.heard / self.keyed


@dataclass(frozen=True, slots=True)
class TalkOff:
    """Digits that a receiver heard where there were none, in `seconds` of sound."""

    sound: str
    receiver: str
    seconds: float
    digits: int


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of the detector in milliseconds per call-second."""

    callers: str
    calls: int
    cpu_ms: float


def common(keys: str, heard: str) -> int:
    """The length of the longest common subsequence: digits heard, in their order."""
    row = [0] * (len(heard) + 1)
    for key in keys:
        before, row = row, [0]
        for place, other in enumerate(heard):
            row.append(before[place] + 1 if key == other else max(before[place + 1], row[-1]))
    return row[-1]


def scores(point: Point, receivers: Sequence[Receiver]) -> list[Score]:
    """What each receiver hears at a point."""
    found = []
    for receiver in receivers:
        heard = receiver.hear(point.lines, point.lost, ulaw=point.ulaw)
        hits = sum(common(keys, said) for keys, said in zip(point.keys, heard, strict=True))
        extra = sum(map(len, heard)) - hits
        place = (point.limit, point.value, str(point.want))
        found.append(Score(*place, receiver.name, point.trials, hits, extra))
    return found


def talk_off(hours: float, receivers: Sequence[Receiver]) -> list[TalkOff]:
    """An hour of voices, and of music, prompts, tones, modems, noise."""
    sounds = {
        f"French speech, {len(speech.VOICES)} voices": list(speech.speech(3600 * hours, SEED)),
        "music": [speech.music(120, SEED + number) for number in range(round(30 * hours) or 1)],
        "our prompts, and their echo at −10 dB": [
            prompts_echoed(0.0),
            prompts_echoed(10.0),
        ],
        "dial, ringing, busy and fax tones": [speech.network_tones()],
        "modems": [speech.modem(120, SEED)],
        **{f"{name}, −10 to −40 dBm0": parts for name, parts in noises(300 * hours, SEED)},
    }
    found = []
    for name, parts in sounds.items():
        lines = [to_alaw(part) for part in parts]
        seconds = sum(map(len, lines)) / RATE
        for receiver in receivers:
            digits = sum(map(len, receiver.hear(lines, [NO_LOSS] * len(lines))))
            found.append(TalkOff(name, receiver.name, round(seconds), digits))
    return found


def costs(calls: int, seconds: float = 4.0) -> list[Cost]:
    """The detector alone, fed every 20 ms with a packet of every call."""
    random = np.random.default_rng(SEED)
    size = samples(1000 * seconds)
    voice = next(speech.speech(60, SEED, ("fr",)))
    press = Press(tone_ms=100, pause_ms=100)
    keys = np.resize(keyed(KEYS * 2, press, random, lead_ms=0), size)
    line: dict[str, Callable[[], Sound]] = {
        "silent": lambda: np.zeros(size),
        "in noise at −40 dBm0": lambda: white(-40.0, random)(size),
        "one in ten speaks": lambda: (
            np.roll(voice, -int(random.integers(len(voice))))[:size]
            if random.random() < 0.1
            else white(-50.0, random)(size)
        ),
        "all speak": lambda: np.roll(voice, -int(random.integers(len(voice))))[:size],
        "all hold keys half of the time": lambda: np.roll(keys, int(random.integers(size))),
    }
    found = []
    for name, make in line.items():
        codes = np.stack([to_alaw(make()) for _ in range(calls)])
        used = min(_cost(codes) for _ in range(3))  # the least: others share the machine
        found.append(Cost(name, calls, round(1000 * used / calls / seconds, 4)))
    return found


def _cost(codes: np.ndarray) -> float:
    calls, packet = len(codes), samples(20)
    detector = ToneDetector(calls)
    slots, laws = np.arange(calls), np.zeros(calls, np.int64)
    data = np.zeros((calls, rtp.MAX_PACKET), np.uint8)
    header = np.zeros(calls, rtp.HEADER)
    header["first"] = rtp.VERSION << 6
    used = 0.0
    for number in range(codes.shape[1] // packet):
        header["sequence"], header["timestamp"] = number & 0xFFFF, number * packet
        data[:, : rtp.HEADER_SIZE] = header.view(np.uint8).reshape(calls, -1)
        part = codes[:, number * packet : (number + 1) * packet]
        data[:, rtp.HEADER_SIZE : rtp.HEADER_SIZE + packet] = part
        packets = rtp.parse(data, np.full(calls, rtp.HEADER_SIZE + packet))
        begin = time.process_time()
        detector.hear(slots, laws, packets, slots, number * 0.02)
        used += time.process_time() - begin
    return used


def met(row: Sequence[Score]) -> bool:
    """Whether ours does what the point wants, with the others on the same samples."""
    ours, others = row[0], row[1:]
    match ours.want:
        case Want.HEARD:
            return ours.heard == ours.keyed and not ours.extra
        case Want.NOT_HEARD:
            return not ours.heard and not ours.extra
        case Want.BEST:
            return all(
                ours.heard >= other.heard and ours.extra <= other.extra
                for other in others
                if other.receiver == Spandsp.name
            )
    return True

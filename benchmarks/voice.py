"""Whether a caller who talks is told from one who is silent, in noise, keying or coughing.

`python -m benchmarks.voice` makes callers from a fixed seed (espeak-ng), each waited for during
`WAIT` seconds, and counts those whom `ivr/media/voice.py` takes for talking; then what it costs.
Prints tables (JSON with `--json`); exits with 1 where something wanted was missed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.dtmf import speech
from ivr.media import rtp
from ivr.media.tone_blocks import ALAW
from ivr.media.voice import VoiceDetector
from tests.noises import babble, coloured, coughs, street
from tests.receivers import PACKET
from tests.sounds import (
    KEYS,
    RATE,
    Press,
    Sound,
    at_level,
    keyed,
    prompts_echoed,
    samples,
    sines,
    spoken,
    to_alaw,
    tone,
    with_added,
)

SEED = 6105
WAIT = 8.0
"""Seconds: what a flow waits for a first key, and a little more."""
ENGLISH = ("en-gb", "en-us", "en-us+f3", "en-gb+f2")
WHISPER = "fr+whisper"
VOICES = (*(voice for voice in speech.VOICES if voice != WHISPER), *ENGLISH)
LEADS = 0.8
"""Seconds of the line alone before a caller begins."""
BEGINNINGS = 30
"""Packets over which the calls begin whose CPU is measured: those of a server are never in step."""
SPOKEN = 5.0
"""Seconds of our own prompts before a wait, whose echo comes back."""
ECHOES_APART = 4
"""Of so many such parts of the prompts, one is taken."""
ALL, NONE, OPEN = 100.0, 0.0, -1.0

_REQUESTS = {
    "fr": (
        "Bonjour, je voudrais savoir quand je serai payée ce mois-ci.",
        "Allô ? Je n'ai pas compris, pouvez-vous répéter s'il vous plaît ?",
        "Mon numéro d'allocataire, je ne l'ai pas sous les yeux, attendez.",
    ),
    "en": (
        "Hello, I would like to know when I will be paid this month.",
        "Sorry, I did not get that, could you say it again please?",
        "My file number, I do not have it here, just a moment.",
    ),
}
_DIGITS = {
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six"),
    "en": ("zero", "one", "two", "three", "four", "five", "six"),
}
_WORDS = {"fr": ("oui", "allô ?", "pardon"), "en": ("yes", "hello?", "sorry")}


@dataclass(frozen=True, slots=True)
class Corpus:
    """Lines of one kind. `wanted`: percent of them to be taken for talking; `OPEN`: no matter.
    `spoken`: we speak during the first so many samples of each."""

    sound: str
    at: str
    wanted: float
    lines: list[Sound]
    spoken: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """`percent` of `lines` taken for talking, in `seconds` from the beginning of the talk (median;
    0 where none was)."""

    sound: str
    at: str
    wanted: float
    lines: int
    percent: float
    seconds: float

    @property
    def met(self) -> bool:
        """Whether it is what is wanted, if anything is."""
        return self.wanted in (OPEN, self.percent)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in milliseconds per second of a call that is waited for."""

    callers: str
    calls: int
    cpu_ms: float


def _said(text: str, voice: str) -> Sound:
    return _level(spoken(text, voice, 50, 160), -16.0)


def _level(sound: Sound, dbm0: float) -> Sound:
    return at_level(sound, dbm0) if np.any(sound) else sound


@cache
def requests() -> list[Sound]:
    """What callers say: each sentence by each voice, at −16 dBm0."""
    return [_said(text, voice) for voice in VOICES for text in _REQUESTS[voice[:2]]]


@cache
def numbers() -> list[Sound]:
    """Seven digits by each voice, with a pause of half a second after each."""
    pause = np.zeros(RATE // 2)
    return [
        np.concatenate(
            [part for word in _DIGITS[voice[:2]] for part in (_said(word, voice), pause)]
        )
        for voice in VOICES
    ]


def _waited(sound: Sound) -> Sound:
    """Said into a line that was quiet before and is after, for `WAIT` seconds."""
    line = np.zeros(samples(1000 * WAIT))
    begin = samples(1000 * LEADS)
    said = sound[: len(line) - begin]
    line[begin : begin + len(said)] = said
    return line


def _added(lines: Sequence[Sound], noise: Callable[[int], Sound]) -> list[Sound]:
    return [line for _, line in with_added([("", line) for line in lines], noise)]


def talkers(dbm0: float, voices: int, random: np.random.Generator) -> Callable[[int], Sound]:
    """So many callers who talk at once, in the room behind one."""
    return babble(dbm0, requests(), voices, random)


def _echoes(delay_ms: float, down_db: float, noise: Callable[[int], Sound]) -> list[Sound]:
    """Parts of our prompts as they come back, so late and so soft, in a line with noise."""
    lines = []
    for said in _cut(prompts_echoed(down_db), SPOKEN)[::ECHOES_APART]:
        sound = np.zeros(samples(1000 * WAIT))
        begin = samples(delay_ms)
        sound[begin : begin + len(said)] = said
        lines.append(sound + noise(len(sound)))
    return lines


def _cut(sound: Sound, seconds: float) -> list[Sound]:
    """In pieces."""
    size = samples(1000 * seconds)
    return [sound[begin : begin + size] for begin in range(0, len(sound) - size + 1, size)]


def corpora(trials: int) -> Iterator[Corpus]:
    """Each kind of line; `trials` of those that are made by chance."""

    def random(*place: int) -> np.random.Generator:
        return np.random.default_rng([SEED, *place])

    talk = [_waited(sound) for sound in requests()]
    spelt = [_waited(sound) for sound in numbers()]
    for dbm0 in (-10, -16, -22, -28, -34):
        level = 10 ** ((dbm0 + 16) / 20)
        wanted = ALL if dbm0 >= -28 else OPEN
        yield Corpus("a sentence, dBm0", f"{dbm0}", wanted, [level * line for line in talk])
    whispered = [_waited(_said(text, WHISPER)) for text in _REQUESTS["fr"]]
    yield Corpus("a sentence, whispered", "", OPEN, whispered)
    for dbm0 in (-16, -28):
        level = 10 ** ((dbm0 + 16) / 20)
        yield Corpus("digits with pauses, dBm0", f"{dbm0}", ALL, [level * line for line in spelt])
    for place, below in enumerate((20, 15, 10)):
        wanted = ALL if below >= 15 else OPEN
        of_place = random(1, place)
        for name, noise in (
            ("white noise", coloured(-16.0 - below, 0.0, of_place)),
            ("a street", street(-16.0 - below, of_place)),
            ("eight people talking", talkers(-16.0 - below, 8, of_place)),
        ):
            at = f"{name}, {below} dB below"
            yield Corpus("a sentence over", at, wanted, _added(talk, noise))

    quiet = [np.zeros(samples(1000 * WAIT))] * trials
    yield Corpus("silence", "", NONE, quiet[:1])
    for place, dbm0 in enumerate((-60, -50, -40, -30, -20)):
        of_place = random(2, place)
        for name, noise in (
            ("white noise", coloured(dbm0, 0.0, of_place)),
            ("pink noise", coloured(dbm0, 3.0, of_place)),
            ("a street", street(dbm0, of_place)),
            ("twenty people talking", talkers(dbm0, 20, of_place)),
            ("eight people talking", talkers(dbm0, 8, of_place)),
        ):
            yield Corpus(f"{name}, dBm0", f"{dbm0}", NONE, _added(quiet, noise))
    for place, dbm0 in enumerate((-45, -40, -35, -25)):
        noise = talkers(dbm0, 2, random(3, place))
        wanted = NONE if dbm0 <= -45 else OPEN
        yield Corpus("two who talk, a television, dBm0", f"{dbm0}", wanted, _added(quiet, noise))
    for place, dbm0 in enumerate((-40, -30, -20)):
        of_place = random(6, place)
        lines = [_waited(talkers(dbm0, 8, of_place)(samples(1000 * WAIT))) for _ in range(trials)]
        wanted = NONE if dbm0 <= -40 else OPEN
        yield Corpus("eight people all at once, dBm0", f"{dbm0}", wanted, lines)
    hum = sines((50.0, 100.0, 150.0), -25.0)
    yield Corpus("mains hum, dBm0", "-25", NONE, _added(quiet[:1], hum))

    of_place = random(4)
    for count in (1, 2, 3):
        lines = [_waited(coughs(count, of_place)) for _ in range(trials)]
        yield Corpus("coughs", f"{count}", NONE, lines)
    words = [_said(word, voice) for voice in VOICES for word in _WORDS[voice[:2]]]
    yield Corpus("one short word", "", NONE, [_waited(word) for word in words])

    press = Press(tone_ms=100, pause_ms=100)
    lines = [_waited(keyed(KEYS[:8], press, of_place)) for _ in range(trials)]
    yield Corpus("keys as tones", "100 ms", NONE, lines)
    held = [_waited(tone(key, Press(tone_ms=3000))) for key in KEYS]
    yield Corpus("keys as tones", "held 3 s", NONE, held)
    yield Corpus("tones of the network, faxes", "", NONE, _cut(speech.network_tones(), WAIT))
    yield Corpus("modems", "", OPEN, _cut(speech.modem(60, SEED), WAIT))
    music = [_waited(speech.music(WAIT, SEED + number)) for number in range(trials)]
    yield Corpus("music", "", OPEN, music)
    for place, (delay, down) in enumerate(((40, 10), (250, 10), (500, 10), (250, 0))):
        lines = _echoes(delay, down, coloured(-50.0, 0.0, random(5, place)))
        at = f"{delay} ms, {down} dB down"
        yield Corpus("our own prompts' echo", at, NONE, lines, samples(1000 * SPOKEN))


def packets_of(codes: np.ndarray) -> Iterator[rtp.Packets]:
    """The packets of all lines (N, samples) of A-law, 20 ms after 20 ms."""
    calls = len(codes)
    data = np.zeros((calls, rtp.MAX_PACKET), np.uint8)
    header = np.zeros(calls, rtp.HEADER)
    header["first"] = rtp.VERSION << 6
    for number in range(codes.shape[1] // PACKET):
        header["sequence"], header["timestamp"] = number & 0xFFFF, number * PACKET
        data[:, : rtp.HEADER_SIZE] = header.view(np.uint8).reshape(calls, -1)
        part = codes[:, number * PACKET : (number + 1) * PACKET]
        data[:, rtp.HEADER_SIZE : rtp.HEADER_SIZE + PACKET] = part
        yield rtp.parse(data, np.full(calls, rtp.HEADER_SIZE + PACKET))


def score(corpus: Corpus) -> Score:
    """How many lines are taken for talking, and when."""
    codes = np.stack([to_alaw(line) for line in corpus.lines])
    calls = len(codes)
    detector = VoiceDetector(calls)
    for slot in range(calls):
        detector.listen(slot)
    slots, laws = np.arange(calls), np.full(calls, ALAW)
    told: dict[int, float] = {}
    for number, packets in enumerate(packets_of(codes)):
        speaking = np.full(calls, number * PACKET < corpus.spoken)
        now = (number + 1) * PACKET / RATE
        for slot in detector.hear(slots, laws, packets, slots, speaking, now):
            told[slot] = now - LEADS
    median = float(np.median([*told.values()])) if told else 0.0
    percent = 100 * len(told) / calls
    return Score(corpus.sound, corpus.at, corpus.wanted, calls, percent, median)


def costs(calls: int, trials: int = 3) -> list[Cost]:
    """The detector alone, with a packet of every call each 20 ms, all of them waited for."""
    random = np.random.default_rng(SEED)
    quiet = [np.zeros(samples(1000 * WAIT))] * calls
    lines = {
        "silent": quiet,
        "in noise at −50 dBm0": _added(quiet, coloured(-50.0, 0.0, random)),
        "in noise at −30 dBm0": _added(quiet, coloured(-30.0, 0.0, random)),
        "eight people behind each, at −25 dBm0": _added(quiet, talkers(-25.0, 8, random)),
    }
    found = []
    for name, sound in lines.items():
        codes = np.stack([to_alaw(line) for line in sound])
        used = min(_cost(codes) for _ in range(trials))  # the least: others share the machine
        found.append(Cost(name, calls, round(1000 * used / calls / WAIT, 4)))
    return found


def _cost(codes: np.ndarray) -> float:
    calls = len(codes)
    detector = VoiceDetector(calls)
    slots, laws, nobody = np.arange(calls), np.full(calls, ALAW), np.zeros(calls, np.bool_)
    used = 0.0
    for number, packets in enumerate(packets_of(codes)):
        if number < BEGINNINGS:
            for slot in range(number, calls, BEGINNINGS):
                detector.listen(slot)
        begin = time.process_time()
        detector.hear(slots, laws, packets, slots, nobody, number * 0.02)
        used += time.process_time() - begin
    return used


def _print(scores: Sequence[Score], cpu: Sequence[Cost]) -> None:
    console = Console(width=120)
    table = Table("line", "at", "wanted, %", "lines", "talk, %", "after, s", "met")
    for row in scores:
        wanted = "-" if row.wanted == OPEN else f"{row.wanted:.0f}"
        after = f"{row.seconds:.2f}" if row.percent else ""
        verdict = "" if row.wanted == OPEN else "yes" if row.met else "NO"
        cells = (row.sound, row.at, wanted, str(row.lines), f"{row.percent:.1f}", after, verdict)
        table.add_row(*cells)
    console.print(table)
    table = Table("callers", "calls", "ms of CPU per call-second")
    for cost in cpu:
        table.add_row(cost.callers, str(cost.calls), f"{cost.cpu_ms:.3f}")
    if cpu:
        console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether a caller talks instead of keying")
    parser.add_argument("--trials", type=int, default=100, help="lines of each kind of noise")
    parser.add_argument("--calls", type=int, default=200, help="of which CPU is measured; 0: none")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    scores = [score(corpus) for corpus in corpora(options.trials)]
    cpu = costs(options.calls) if options.calls else []
    if options.json:
        found = {"scores": [*map(asdict, scores)], "cost": [*map(asdict, cpu)]}
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print(scores, cpu)
    return 0 if all(row.met for row in scores) else 1


if __name__ == "__main__":
    sys.exit(main())

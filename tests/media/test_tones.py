"""Keys in the sound: every limit of ITU-T Q.24 and ETSI ES 201 235-3, and RTP as it comes."""

import shutil
from collections.abc import Sequence

import numpy as np
import pytest

from ivr.media import g711, rtp
from ivr.media.tone_blocks import ALAW, HIGH_GROUP, LOW_GROUP, ULAW
from ivr.media.tones import SILENT_END, Reject, ToneDetector
from tests.receivers import NO_LOSS, Multimon, Ours, Spandsp
from tests.sounds import (
    KEYS,
    RATE,
    Press,
    Sound,
    amplitude,
    clipped,
    keyed,
    prompts_echoed,
    samples,
    sines,
    to_alaw,
    to_ulaw,
    tone,
    white,
    with_echo,
)

Piece = tuple[int, int, Sound]
"""Sequence number, RTP timestamp, samples of a packet."""


def silence(milliseconds: float) -> Sound:
    return np.zeros(samples(milliseconds))


def cut(sound: Sound, ptime: float = 20, first: int = 0, sequence: int = 0) -> list[Piece]:
    """The packets that carry a sound, the last one filled up with silence."""
    size = samples(ptime)
    sound = np.concatenate([sound, np.zeros(-len(sound) % size)])
    return [
        (sequence + number & 0xFFFF, first + place & 0xFFFFFFFF, sound[place : place + size])
        for number, place in enumerate(range(0, len(sound), size))
    ]


class Line:
    """One call of a detector, and what it has heard: "+5" down, "-5" up."""

    def __init__(self, detector: ToneDetector, slot: int = 0, law: int = ALAW) -> None:
        self.detector, self.slot, self.law = detector, slot, law
        self.heard: list[str] = []
        self.now = 0.0

    def take(self, pieces: Sequence[Piece]) -> str:
        """The keys that went down so far."""
        encode = to_alaw if self.law == ALAW else to_ulaw
        for sequence, timestamp, sound in pieces:
            data = np.zeros((1, rtp.MAX_PACKET), np.uint8)
            header = np.zeros(1, rtp.HEADER)
            header["first"], header["sequence"] = rtp.VERSION << 6, sequence
            header["timestamp"] = timestamp
            data[:, : rtp.HEADER_SIZE] = header.view(np.uint8).reshape(1, -1)
            data[0, rtp.HEADER_SIZE : rtp.HEADER_SIZE + len(sound)] = encode(sound)
            packets = rtp.parse(data, np.array([rtp.HEADER_SIZE + len(sound)]))
            self.now += len(sound) / 8000
            changes = self.detector.hear(
                np.array([self.slot]), np.array([self.law]), packets, np.array([0]), self.now
            )
            self.note(changes)
        return self.keys

    def note(self, changes: Sequence[tuple[int, object]]) -> None:
        for slot, change in changes:
            assert slot == self.slot
            self.heard.append(("+" if change.pressed else "-") + change.key)  # type: ignore[attr-defined]

    @property
    def keys(self) -> str:
        return "".join(what[1] for what in self.heard if what[0] == "+")


def heard(sound: Sound, ptime: float = 20, law: int = ALAW) -> str:
    return Line(ToneDetector(1), law=law).take(cut(sound, ptime))


def hears_all(press: Press) -> bool:
    """Whether each of the 16 keys is heard, and once, in 48 trials at places of their own."""
    random = np.random.default_rng(24)
    lines = [to_alaw(keyed(KEYS, press, random)) for _ in range(3)]
    return Ours().hear(lines, [NO_LOSS] * 3) == [KEYS] * 3


def hears_none(press: Press) -> bool:
    random = np.random.default_rng(24)
    lines = [to_alaw(keyed(KEYS, press, random)) for _ in range(3)]
    return Ours().hear(lines, [NO_LOSS] * 3) == [""] * 3


@pytest.mark.parametrize("low", [-0.015, 0.0, 0.015])
@pytest.mark.parametrize("high", [-0.015, 0.0, 0.015])
def test_frequencies_up_to_1_5_percent_off_are_heard(low: float, high: float) -> None:
    assert hears_all(Press(low_off=low, high_off=high))


@pytest.mark.parametrize("off", [(-0.035, 0.0), (0.035, 0.0), (0.0, -0.035), (0.0, 0.035)])
def test_a_frequency_3_5_percent_off_is_not_heard(off: tuple[float, float]) -> None:
    assert hears_none(Press(low_off=off[0], high_off=off[1]))


@pytest.mark.parametrize("twist", [-8.0, -6.0, 4.0, 6.0])
def test_twist_is_accepted_up_to_its_limits(twist: float) -> None:
    assert hears_all(Press(low_dbm0=-6.0 - max(twist, 0.0), twist_db=twist))


@pytest.mark.parametrize("twist", [-13.0, 11.0])
def test_more_twist_than_any_line_has_is_not_heard(twist: float) -> None:
    assert hears_none(Press(low_dbm0=-6.0 - max(twist, 0.0), twist_db=twist))


@pytest.mark.parametrize("level", [0.0, -10.0, -25.0])
def test_levels_of_0_to_minus_25_dbm0_are_heard(level: float) -> None:
    assert hears_all(Press(low_dbm0=level))


def test_what_is_softer_than_minus_45_dbm0_is_not_heard() -> None:
    assert hears_none(Press(low_dbm0=-46.0))


def test_40_ms_of_tone_and_40_of_pause_are_heard() -> None:
    assert hears_all(Press(tone_ms=40, pause_ms=40))


@pytest.mark.parametrize("milliseconds", [10, 15, 20])
def test_a_tone_of_20_ms_or_less_is_not_heard(milliseconds: float) -> None:
    assert hears_none(Press(tone_ms=milliseconds))


def test_twice_the_same_key_with_a_pause_of_40_ms_is_two() -> None:
    random = np.random.default_rng(11)
    lines = [to_alaw(keyed(key * 8, Press(tone_ms=40, pause_ms=40), random)) for key in KEYS]
    assert Ours().hear(lines, [NO_LOSS] * 16) == [key * 8 for key in KEYS]


@pytest.mark.parametrize("milliseconds", [2, 5, 10])
def test_an_interruption_of_10_ms_or_less_does_not_split_a_key(milliseconds: float) -> None:
    assert hears_all(Press(tone_ms=100, cut_ms=milliseconds))


def test_noise_15_db_below_hides_nothing_and_adds_nothing() -> None:
    random = np.random.default_rng(15)
    line = keyed(KEYS * 4, Press(low_dbm0=-13.0), random)
    assert heard(line + white(-25.0, random)(len(line))) == KEYS * 4


@pytest.mark.parametrize("tones", [(440.0,), (350.0, 440.0)])
@pytest.mark.parametrize("over", [-10.0, 0.0, 10.0])
def test_a_dial_tone_below_hides_nothing(tones: tuple[float, ...], over: float) -> None:
    line = keyed(KEYS * 2, Press(low_dbm0=-15.0), np.random.default_rng(440))
    assert heard(line + sines(tones, -15.0 + over)(len(line))) == KEYS * 2


@pytest.mark.parametrize(("delay", "down"), [(8, 6.0), (30, 10.0), (60, 10.0)])
def test_the_echo_of_a_key_is_not_another(delay: float, down: float) -> None:
    line = keyed(KEYS * 2, Press(), np.random.default_rng(8))
    assert heard(with_echo(line, delay, down)) == KEYS * 2


def test_a_clipped_key_is_heard() -> None:
    line = keyed(KEYS * 2, Press(low_dbm0=-4.0), np.random.default_rng(6))
    assert heard(clipped(line, -4.0)) == KEYS * 2


@pytest.mark.parametrize(("low", "high"), [(-10.0, -3.0), (-3.0, -10.0)])
def test_a_tone_that_begins_too_loud_is_one_key(low: float, high: float) -> None:
    parts = [silence(100)]
    for key in KEYS:
        begin = tone(key, Press(low_dbm0=low, twist_db=high - low, tone_ms=30))
        rest = tone(key, Press(tone_ms=80))[samples(30) :]
        parts += [begin, rest * 0.8, silence(50)]
    assert heard(np.concatenate(parts)) == KEYS


def test_mu_law_is_heard_as_a_law_is() -> None:
    line = keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(7))
    assert heard(line, law=ULAW) == KEYS


def test_nobody_hears_a_key_in_silence_noise_or_one_sine() -> None:
    random = np.random.default_rng(0)
    size = samples(4000)
    assert heard(np.zeros(size)) == ""
    assert heard(white(-15.0, random)(size)) == ""
    for frequency in (440.0, 697.0, 941.0, 1100.0, 1209.0, 1633.0, 2100.0):
        assert heard(sines([frequency], -10.0)(size)) == ""


def with_second_harmonics(key: str, down_db: float, milliseconds: float) -> Sound:
    index, time = KEYS.index(key), np.arange(samples(milliseconds)) / RATE
    pair = (LOW_GROUP[index // 4], HIGH_GROUP[index % 4])
    overtones = [np.sin(4 * np.pi * pitch * time) for pitch in pair]
    first = tone(key, Press(tone_ms=milliseconds))
    return first + amplitude(-10.0 - down_db) * sum(overtones, np.zeros(len(time)))


@pytest.mark.parametrize("down", [6.0, 7.5, 9.0])
def test_two_notes_on_the_frequencies_of_a_key_are_none(down: float) -> None:
    chords = [[with_second_harmonics(key, down, 250), silence(100)] for key in KEYS]
    assert heard(np.concatenate([part for chord in chords for part in chord])) == ""


def test_second_harmonics_20_db_down_as_a_telephone_may_have_hide_no_key() -> None:
    presses = [[with_second_harmonics(key, 20.0, 50), silence(50)] for key in KEYS * 4]
    line = np.concatenate([silence(100), *(part for press in presses for part in press)])
    assert heard(line + white(-22.0, np.random.default_rng(20))(len(line))) == KEYS * 4


def prompts_come_back() -> Sound:
    """(18, …): our own prompts, as an echo path returns them 10 dB softer."""
    echo = prompts_echoed(10.0)
    return echo[: len(echo) // 18 * 18].reshape(18, -1)


def test_the_echo_of_our_own_prompts_is_no_key() -> None:
    lines = [to_alaw(line) for line in prompts_come_back()]
    assert Ours().hear(lines, [NO_LOSS] * 18) == [""] * 18


def test_the_echo_of_our_own_prompts_hides_no_key() -> None:
    lines = []
    for number, echo in enumerate(prompts_come_back()):
        keys = keyed(KEYS * 2, Press(tone_ms=60), np.random.default_rng(number))
        lines.append(to_alaw(keys + echo[: len(keys)]))
    assert Ours().hear(lines, [NO_LOSS] * 18) == [KEYS * 2] * 18


# RTP as it comes.


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_packets_of_any_length_carry_keys(ptime: float) -> None:
    line = keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(int(ptime)))
    assert heard(line, ptime) == KEYS


def test_packets_that_fit_no_block_carry_keys() -> None:
    line = keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(3))
    assert heard(line, 13.625) == KEYS


def test_a_lost_packet_does_not_make_two_keys_of_one() -> None:
    pieces = cut(np.concatenate([silence(100), tone("5", Press(tone_ms=200)), silence(100)]))
    line = Line(ToneDetector(1))
    line.take(pieces[:9] + pieces[10:])
    assert line.heard == ["+5", "-5"]


def test_two_halves_of_a_key_around_a_lost_packet_are_one_key() -> None:
    pieces = cut(np.concatenate([silence(100), tone("5", Press(tone_ms=60)), silence(200)]))
    assert Line(ToneDetector(1)).take(pieces[:6] + pieces[7:]) == "5"


def test_reordered_packets_are_heard_in_the_order_of_their_timestamps() -> None:
    line = keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(2))
    pieces = cut(line)
    for place in range(0, len(pieces) - 1, 3):
        pieces[place], pieces[place + 1] = pieces[place + 1], pieces[place]
    assert Line(ToneDetector(1)).take(pieces) == KEYS


def test_duplicates_change_nothing() -> None:
    pieces = cut(keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(1)))
    assert Line(ToneDetector(1)).take([piece for piece in pieces for _ in range(2)]) == KEYS


def test_timestamps_and_sequence_numbers_wrap() -> None:
    line = keyed(KEYS, Press(tone_ms=40, pause_ms=40), np.random.default_rng(4))
    pieces = cut(line, first=0xFFFFFFFF - samples(400), sequence=0xFFF0)
    assert Line(ToneDetector(1)).take(pieces) == KEYS


def test_a_sender_that_leaves_silence_out_pauses_between_two_keys() -> None:
    key = tone("5", Press(tone_ms=60))
    line = Line(ToneDetector(1))
    first = cut(key)
    line.take(first)
    # 40 ms later by its timestamps, with the next sequence number: nothing was lost.
    line.take(cut(key, first=samples(100), sequence=len(first)))
    assert line.keys == "55"


def test_comfort_noise_after_a_long_gap_and_another_timestamp_begins_anew() -> None:
    line = Line(ToneDetector(1))
    line.take(cut(np.concatenate([silence(40), tone("5", Press(tone_ms=60)), silence(60)])))
    line.take(cut(tone("5", Press(tone_ms=60)), first=900_000, sequence=40))
    line.take(cut(tone("6", Press(tone_ms=60)), first=77, sequence=90))
    assert line.keys == "556"


def test_a_key_is_up_when_the_sound_stops() -> None:
    line = Line(ToneDetector(1))
    line.take(cut(tone("5", Press(tone_ms=100))))
    line.note(line.detector.advance(line.now + SILENT_END - 0.001))
    assert line.heard == ["+5"]
    line.note(line.detector.advance(line.now + SILENT_END))
    assert line.heard == ["+5", "-5"]


def test_a_key_held_for_ten_seconds_is_one_key() -> None:
    line = Line(ToneDetector(1))
    line.take(cut(np.concatenate([tone("0", Press(tone_ms=10_000)), silence(100)])))
    assert line.heard == ["+0", "-0"]


def test_a_key_is_told_while_it_is_still_down() -> None:
    line = Line(ToneDetector(1))
    for piece in cut(tone("9", Press(tone_ms=60))):
        line.take([piece])
        if line.heard:
            break
    assert line.heard == ["+9"]
    assert line.now <= 0.060


def test_calls_do_not_hear_each_other() -> None:
    random = np.random.default_rng(5)
    keyed_by = ["".join(random.permutation(list(KEYS))) for _ in range(40)]
    lines = [to_alaw(keyed(keys, Press(), random)) for keys in keyed_by]
    assert Ours().hear(lines, [NO_LOSS] * 40) == keyed_by


def test_a_new_call_inherits_nothing_from_the_last_one_in_its_slot() -> None:
    detector = ToneDetector(1)
    line = Line(detector)
    line.take(cut(tone("5", Press(tone_ms=100))))
    detector.forget(0)
    assert detector.advance(line.now + 1) == []
    assert detector.rejects(0) == {}
    fresh = Line(detector)
    assert fresh.take(cut(np.concatenate([tone("5", Press(tone_ms=100)), silence(60)]))) == "5"


def test_nonsense_as_sound_raises_nothing() -> None:
    random = np.random.default_rng(9)
    line = Line(ToneDetector(1))
    for _ in range(2000):
        size = int(random.choice([0, 1, 7, 80, 160, 161, 1279, 1281, 1459]))
        sound = g711.decode_alaw(random.integers(0, 256, size).astype(np.uint8)).astype(float)
        timestamp = int(random.choice(np.array([0, 40, 200, 0xFFFFFFF0])))
        timestamp += int(random.integers(0, 1 << 20))
        line.take([(int(random.integers(0, 1 << 16)), timestamp & 0xFFFFFFFF, sound)])
    assert line.keys == ""


# Why something was no key.


@pytest.mark.parametrize(
    ("press", "reject"),
    [
        (Press(tone_ms=20), Reject.SHORT),
        (Press(twist_db=-13.0), Reject.TWIST),
        (Press(low_off=0.032, high_off=0.032), Reject.FREQUENCY),
    ],
)
def test_what_was_no_key_is_counted_by_reason(press: Press, reject: Reject) -> None:
    detector = ToneDetector(1)
    line = Line(detector)
    assert line.take(cut(keyed("1" * 10, press, np.random.default_rng(1)))) == ""
    assert detector.rejects(0).get(reject, 0) >= 8


def test_a_key_in_too_much_noise_is_counted_as_that() -> None:
    random = np.random.default_rng(3)
    sound = keyed("1" * 10, Press(low_dbm0=-13.0, tone_ms=100), random)
    detector = ToneDetector(1)
    Line(detector).take(cut(sound + white(-13.5, random)(len(sound))))
    assert detector.rejects(0).get(Reject.NOISE, 0) >= 5


def test_reasons_do_not_tell_keys() -> None:
    assert not {str(reject) for reject in Reject} & set(KEYS)


# Beside the reference receivers.


def test_nothing_that_spandsp_or_multimon_ng_hears_is_missed() -> None:
    assert shutil.which("multimon-ng"), "apt-get install multimon-ng"
    random = np.random.default_rng(6)
    presses = [
        Press(),
        Press(low_dbm0=-25.0, tone_ms=40, pause_ms=40),
        Press(low_off=0.012, high_off=-0.012),
        Press(twist_db=-5.0),
        Press(twist_db=3.0),
    ]
    lines = []
    for press in presses * 4:
        sound = keyed(KEYS, press, random)
        lines.append(to_alaw(sound + white(press.low_dbm0 - 10.0, random)(len(sound))))
    ours = Ours().hear(lines, [NO_LOSS] * len(lines))
    assert ours == [KEYS] * len(lines)
    for other in (Spandsp(), Multimon()):
        of_other = other.hear(lines, [NO_LOSS] * len(lines))
        assert sum(map(len, of_other)) > 0  # it does listen
        assert all(set(theirs) <= set(KEYS) for theirs in of_other)

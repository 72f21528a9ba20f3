"""Tones in the sound of a call, through the engine: with what they share a call."""

from dataclasses import replace

import numpy as np
import pytest

from ivr.media.engine import Engine
from ivr.media.stream import Clip, KeyPressed, PlayEnded, Spoke, StreamParams
from tests.media.packets import PEER, arrivals, event, packet
from tests.sounds import Press, Sound, samples, to_alaw, to_ulaw, tone

PARAMS = StreamParams(PEER, None, "pcma", 8, 20, {101: 8000})
PACKET = samples(20)


class Line:
    """One call, whose sound comes in packets of 20 ms (`packet` samples) in step with its clock."""

    def __init__(self, params: StreamParams = PARAMS, *, inband: bool = True) -> None:
        self.engine = Engine(1, np.full(2 * 80_000, 0xD5, np.uint8), inband=inband)
        self.slot = self.engine.open(0.0, "cname")
        self.params = params
        self.engine.configure(self.slot, params)
        self.packet = PACKET
        self.step = 0
        self.sequence = 0
        self.told: list[KeyPressed | PlayEnded | Spoke] = []

    def hear(self, *datagrams: bytes) -> None:
        self.engine.receive(arrivals(self.slot, datagrams), self.step * 0.02)

    def send(self, sound: Sound) -> None:
        encode = to_alaw if self.params.codec == "pcma" else to_ulaw
        codes = encode(np.concatenate([sound, np.zeros(-len(sound) % self.packet)]))
        for place in range(0, len(codes), self.packet):
            payload = codes[place : place + self.packet].tobytes()
            self.next(payload, payload_type=self.params.payload_type)

    def next(self, payload: bytes, payload_type: int) -> None:
        stamp = self.step * self.packet
        self.hear(packet(self.sequence, stamp, payload, payload_type=payload_type))
        self.sequence += 1
        self.pass_time()

    def pass_time(self) -> None:
        self.step += 1
        self.engine.tick(2 * self.step, self.step * 0.02)
        self.told += [told for _, told in self.engine.events()]

    @property
    def keys(self) -> str:
        return "".join(told.key for told in self.told if isinstance(told, KeyPressed))


def key(which: str, milliseconds: float = 100) -> Sound:
    return tone(which, Press(tone_ms=milliseconds))


def pause(milliseconds: float = 100) -> Sound:
    return np.zeros(samples(milliseconds))


@pytest.mark.parametrize(("codec", "payload_type"), [("pcma", 8), ("pcmu", 0)])
def test_keys_are_heard_in_the_codec_of_the_call(codec: str, payload_type: int) -> None:
    line = Line(replace(PARAMS, codec=codec, payload_type=payload_type))
    line.send(np.concatenate([pause(), key("4"), pause(), key("#"), pause()]))
    assert line.keys == "4#"
    assert line.engine.stats(line.slot).ways == frozenset({"inband"})


def test_a_tone_stops_the_prompt_while_it_is_still_down() -> None:
    line = Line()
    line.engine.play(line.slot, 1, [Clip(0, 80_000)], barge_in=True)
    line.send(pause(400))
    line.send(key("5", 60))
    assert PlayEnded(1, 1, True) in line.told


def test_a_tone_and_its_event_are_one_key() -> None:
    line = Line()
    line.send(np.concatenate([pause(), key("7", 40)]))  # leaked before the gateway muted it
    begin = line.step * PACKET
    for number in range(1, 8):
        end = number >= 5
        line.hear(event(line.sequence, begin, "7", min(number, 5) * PACKET, end=end))
        line.sequence += 1
        line.pass_time()
    line.send(pause(200))
    assert line.keys == "7"
    assert line.engine.stats(line.slot).ways == frozenset({"inband", "rfc4733"})


def test_a_tone_and_its_info_are_one_key() -> None:
    line = Line()
    line.send(np.concatenate([pause(), key("7")]))
    line.engine.info_key(line.slot, "7", 0.1, line.step * 0.02)
    line.send(np.concatenate([pause(200), key("7"), pause()]))
    line.engine.info_key(line.slot, "7", 0.1, line.step * 0.02)
    line.send(pause(200))
    assert line.keys == "77"


def test_who_does_not_want_tones_hears_none() -> None:
    line = Line(inband=False)
    line.send(np.concatenate([pause(), key("4"), pause()]))
    assert line.keys == ""


def test_on_hold_tones_are_not_heard() -> None:
    line = Line(replace(PARAMS, receives=False))
    line.send(np.concatenate([pause(), key("4"), pause()]))
    assert line.keys == ""


def test_other_payload_types_are_no_sound() -> None:
    line = Line()
    codes = to_alaw(key("4", 200))
    for place in range(0, len(codes), PACKET):
        line.next(codes[place : place + PACKET].tobytes(), payload_type=18)
    assert line.keys == ""


def test_a_key_that_is_down_when_the_sound_stops_is_up_150_ms_later() -> None:
    line = Line()
    line.send(np.concatenate([pause(), key("4", 100)]))
    for _ in range(8):
        line.pass_time()
    line.send(np.concatenate([key("4", 100), pause()]))
    assert line.keys == "44"


def test_a_closed_call_leaves_no_key_behind() -> None:
    line = Line()
    line.send(key("4", 100))
    line.engine.close(line.slot, line.step * 0.02, 0.0)
    for _ in range(10):
        line.pass_time()
    assert line.keys == "4"


def test_what_was_no_key_is_in_the_figures_by_reason() -> None:
    line = Line()
    for _ in range(5):
        line.send(np.concatenate([key("4", 20), pause()]))
    rejects = line.engine.stats(line.slot).rejects
    assert rejects["too_short"] == 5
    assert line.keys == ""

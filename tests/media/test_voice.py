"""A caller who talks, through the engine: told from silence, noise, tones and our own echo."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.stream import Clip, Spoke
from tests.media.packets import packet
from tests.media.test_inband import PARAMS, Line
from tests.noises import babble, coloured, coughs
from tests.sounds import RATE, Press, Sound, at_level, keyed, samples, spoken, to_alaw, tone

SENTENCES = {
    voice: at_level(spoken("Bonjour, je voudrais parler à quelqu'un.", voice, 50, 160), -16.0)
    for voice in ("fr", "fr+f2", "fr+m3", "en-gb")
}
SECOND = 50  # packets


def listening(**changes: object) -> Line:
    line = Line(replace(PARAMS, **changes))  # type: ignore[arg-type]
    line.engine.listen(line.slot, True)
    return line


def quiet(seconds: float) -> Sound:
    return np.zeros(samples(1000 * seconds))


def times_told(line: Line) -> int:
    return line.told.count(Spoke())


@pytest.mark.parametrize("voice", SENTENCES)
@pytest.mark.parametrize("dbm0", [-10, -28])
def test_who_talks_is_told_once(voice: str, dbm0: int) -> None:
    line = listening()
    said = 10 ** ((dbm0 + 16) / 20) * SENTENCES[voice]
    line.send(np.concatenate([quiet(0.5), said, said, quiet(0.5)]))
    assert times_told(line) == 1


def test_once_also_where_all_of_it_came_at_once() -> None:
    line = listening()
    codes = to_alaw(np.concatenate([SENTENCES["fr"]] * 2))
    codes = codes[: len(codes) // 160 * 160].reshape(-1, 160)
    line.hear(*(packet(n, n * 160, row.tobytes()) for n, row in enumerate(codes)))
    line.pass_time()
    assert times_told(line) == 1


@pytest.mark.parametrize(("codec", "payload_type"), [("pcma", 8), ("pcmu", 0)])
@pytest.mark.parametrize("milliseconds", [10, 20, 30, 60])
def test_in_each_codec_and_packet_size(codec: str, payload_type: int, milliseconds: int) -> None:
    line = listening(codec=codec, payload_type=payload_type)
    line.packet = samples(milliseconds)
    line.send(SENTENCES["fr"])
    assert times_told(line) == 1


def test_nobody_is_told_where_nobody_listens() -> None:
    line = Line()
    line.send(SENTENCES["fr"])
    line.engine.listen(line.slot, True)
    line.engine.listen(line.slot, False)
    line.send(SENTENCES["fr"])
    assert times_told(line) == 0


def test_listening_again_begins_anew() -> None:
    line = listening()
    line.send(SENTENCES["fr"][: RATE // 2])
    line.engine.listen(line.slot, True)
    line.send(quiet(1))
    assert times_told(line) == 0
    line.send(SENTENCES["fr"])
    assert times_told(line) == 1


def test_a_new_call_in_a_slot_is_not_listened_to() -> None:
    line = listening()
    line.engine.close(line.slot, 0.0, 0.0)
    line.slot = line.engine.open(0.0, "another")
    line.engine.configure(line.slot, PARAMS)
    line.send(SENTENCES["fr"])
    assert times_told(line) == 0


def test_our_own_prompt_come_back_is_no_caller_and_one_who_talks_after_it_is() -> None:
    line = listening()
    line.engine.play(line.slot, 1, [Clip(0, 3 * RATE)], barge_in=True)
    echo = np.concatenate([quiet(0.5), 10**-0.5 * SENTENCES["fr+f2"]])
    line.send(np.concatenate([echo, quiet(4)])[: samples(3600)])
    assert times_told(line) == 0
    line.send(np.concatenate([quiet(1), SENTENCES["fr"]]))
    assert times_told(line) == 1


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(quiet(5), id="silence"),
        pytest.param(tone("5", Press(tone_ms=4000)), id="a key held"),
        pytest.param(
            keyed("0123456#", Press(tone_ms=100, pause_ms=100), np.random.default_rng(1)),
            id="keys",
        ),
        pytest.param(coughs(3, np.random.default_rng(2)), id="coughs"),
        pytest.param(at_level(spoken("Allô ?", "fr", 50, 160), -16.0), id="a short word"),
        pytest.param(
            babble(-30.0, [*SENTENCES.values()], 8, np.random.default_rng(3))(5 * RATE),
            id="a crowd",
        ),
    ],
)
def test_what_is_no_caller_who_talks(sound: Sound) -> None:
    line = listening()
    line.send(np.concatenate([quiet(0.5), sound, quiet(1)]))
    assert times_told(line) == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    dbm0=st.floats(-70, -10),
    fall_db=st.floats(0, 6),
    seed=st.integers(0, 1 << 30),
    cut=st.floats(0, 2),
)
def test_noise_of_any_colour_and_level_is_no_voice(
    dbm0: float, fall_db: float, seed: int, cut: float
) -> None:
    sound = coloured(dbm0, fall_db, np.random.default_rng(seed))(5 * RATE)
    sound[: samples(1000 * cut)] = 0  # it begins all of a sudden
    line = listening()
    line.send(sound)
    assert times_told(line) == 0

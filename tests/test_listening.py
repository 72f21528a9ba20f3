"""The ears of the journeys, on calls put together from the project's own recordings."""

import random
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ivr.prompts import RATE, read_recording
from tests.listening import heard, transcript

FRENCH = Path(__file__).parent.parent / "prompts" / "fr"
PACKET = RATE // 50

Sound = npt.NDArray[np.float64]


def mu_law(sound: Sound) -> Sound:
    """What companding to 8 bits leaves of a sound (the continuous law of G.711's µ-law)."""
    x = np.clip(sound / 32768, -1, 1)
    y = np.round(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256) * 127) / 127
    return np.asarray(32768 * np.sign(y) * np.expm1(np.abs(y) * np.log(256)) / 255)


def a_law(sound: Sound) -> Sound:
    """The same for A-law (A = 87.6)."""
    scale = 1 + np.log(87.6)
    x = np.clip(np.abs(sound) / 32768, 1e-9, 1)
    y = np.where(x < 1 / 87.6, 87.6 * x / scale, (1 + np.log(87.6 * x)) / scale)
    y = np.round(y * 127) / 127
    x = np.where(y < 1 / scale, y * scale / 87.6, np.exp(y * scale - 1) / 87.6)
    return np.asarray(32768 * x * np.sign(sound))


def prompt(name: str) -> Sound:
    return read_recording(FRENCH / f"{name}.wav").astype(np.float64)


def spelling(name: str) -> bytes:
    """The sound itself: homophones have one."""
    return prompt(name).tobytes()


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE))


def save(path: Path, sounds: Sequence[Sound], law: Callable[[Sound], Sound] = a_law) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(law(np.concatenate(sounds)).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("law", [a_law, mu_law])
def test_hears_a_prompt_where_it_is(law: Callable[[Sound], Sound], tmp_path: Path) -> None:
    call = save(tmp_path / "call.wav", [silence(1.2345), prompt("welcome"), silence(1)], law)
    (occurrence,) = heard(call, FRENCH / "welcome.wav")
    assert occurrence.start_s == pytest.approx(1.2345, abs=0.002)
    assert occurrence.score > 0.98
    assert heard(call, FRENCH / "goodbye.wav") == []


def test_hears_it_every_time(tmp_path: Path) -> None:
    call = save(tmp_path / "call.wav", [silence(0.5), prompt("no_input"), prompt("no_input")])
    assert len(heard(call, FRENCH / "no_input.wav")) == 2


def test_hears_a_prompt_that_a_key_cut(tmp_path: Path) -> None:
    cut = prompt("ask_matricule")[: round(1.5 * RATE)]
    call = save(tmp_path / "call.wav", [silence(0.3), cut, silence(0.4), prompt("ask_secret")])
    (occurrence,) = heard(call, FRENCH / "ask_matricule.wav")
    assert occurrence.heard_s == pytest.approx(1.5, abs=0.1)
    assert [name for _, name in transcript(call, FRENCH)] == ["ask_matricule", "ask_secret"]


def test_a_jitter_buffer_that_slips_hides_nothing(tmp_path: Path) -> None:
    whole = prompt("invite_create_password")
    slipped = np.concatenate([whole[: 100 * PACKET], whole[101 * PACKET :]])
    slipped = np.concatenate([slipped[: 200 * PACKET], silence(0.02), slipped[200 * PACKET :]])
    slipped[50 * PACKET : 51 * PACKET] = 0  # and one packet lost
    call = save(tmp_path / "call.wav", [silence(0.5), slipped])
    (occurrence,) = heard(call, FRENCH / "invite_create_password.wav")
    assert occurrence.heard_s > 9


def test_tells_apart_prompts_that_begin_alike(tmp_path: Path) -> None:
    names = ["number_20", "number_22", "number_2", "number_60", "number_62", "option_payments",
             "option_password", "expired_password", "expired_provisional"]  # fmt: skip
    call = save(tmp_path / "call.wav", [silence(0.2), *(prompt(name) for name in names)])
    assert [name for _, name in transcript(call, FRENCH)] == names


def test_noise_and_silence_are_no_prompt(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 2000, 10 * RATE)
    assert transcript(save(tmp_path / "noise.wav", [noise, silence(2)]), FRENCH) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_writes_down_a_whole_call(seed: int, tmp_path: Path) -> None:
    """Any prompts in any order, pauses between them, some cut: each once, where it began."""
    choice = random.Random(seed)
    names = choice.sample(sorted(p.stem for p in FRENCH.glob("*.wav")), 12)
    sounds, expected, at = [], [], 0.0
    for name in names:
        sound = prompt(name)
        if sound.size > 3 * RATE and choice.random() < 0.5:
            sound = sound[: round(choice.uniform(1.2, 2.5) * RATE)]
        pause = silence(choice.choice([0.0, 0.2, 1.0]))
        sounds += [pause, sound]
        expected.append((at + pause.size / RATE, name))
        at += (pause.size + sound.size) / RATE
    written = transcript(save(tmp_path / "call.wav", sounds), FRENCH)
    assert [spelling(name) for _, name in written] == [spelling(name) for name in names]
    for (begun, _), (wanted, _) in zip(written, expected, strict=True):
        assert begun == pytest.approx(wanted, abs=0.02)

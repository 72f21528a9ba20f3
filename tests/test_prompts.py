"""Catalogues and recordings: what there is, and what is wrong with them."""

import time
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ivr.prompts import (
    RATE,
    PromptError,
    catalogue,
    is_prompt_id,
    load_recordings,
    read_recording,
)

PROMPTS = Path(__file__).parent.parent / "prompts"


def tone(seconds: float = 0.5, rate: int = RATE, hertz: float = 440.0) -> npt.NDArray[np.int16]:
    """A sine at -12 dBFS."""
    samples = 8192 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return samples.astype(np.int16)


def save(file: Path, samples: npt.NDArray[np.int16], rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(np.repeat(samples, channels).astype("<i2").tobytes())
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two languages, two prompts each."""
    for language in ("fr", "en"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "catalogue.yaml").write_text(
            "welcome: {text: Bonjour.}\ngoodbye: {text: Au revoir.}\n", encoding="utf-8"
        )
        save(tmp_path / language / "welcome.wav", tone(0.3))
        save(tmp_path / language / "goodbye.wav", tone(0.2, hertz=880))
    return tmp_path


class TestAll:
    def test_each_is_there_by_language_and_id(self, folder: Path) -> None:
        recordings = load_recordings(folder)
        assert set(recordings) == {(x, p) for x in ("fr", "en") for p in ("welcome", "goodbye")}
        assert np.array_equal(recordings["en", "goodbye"], tone(0.2, hertz=880))
        assert set(load_recordings(folder, ["fr"])) == {("fr", "welcome"), ("fr", "goodbye")}

    def test_the_projects_own_load_in_no_time(self) -> None:
        begun = time.process_time()
        recordings = load_recordings(PROMPTS)
        assert time.process_time() - begun < 1.0
        assert {language for language, _ in recordings} == {"fr", "en"}


class TestCatalogue:
    def test_keeps_the_order_of_the_file(self, folder: Path) -> None:
        assert list(catalogue(folder, "fr").items()) == [
            ("welcome", "Bonjour."),
            ("goodbye", "Au revoir."),
        ]

    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            ("", 1, "no prompt"),
            ("- welcome\n", 1, "no prompt"),
            ("a: {text: Oui.}\nb: Non.\n", 2, "one text"),
            ("a: {text: Oui.}\nb: {text: ''}\n", 2, "one text"),
            ("a: {text: Oui.}\nb: {text: Non., voice: loud}\n", 2, "one text"),
            ("a: {text: Oui.}\nb: {text: 12}\n", 2, "one text"),
            ("a: {text: Oui.}\n../b: {text: Non.}\n", 2, "rename"),
            ("a: {text: Oui.}\n1: {text: Non.}\n", 2, "rename"),
            ("a: {text: Oui.}\na: {text: Non.}\n", 2, "twice"),
            ("a: {text: Oui.\n", 2, "YAML"),
        ],
    )
    def test_a_fault_is_one_line_with_file_and_line(
        self, folder: Path, text: str, line: int, what: str
    ) -> None:
        file = folder / "fr" / "catalogue.yaml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(PromptError, match=what) as fault:
            catalogue(folder, "fr")
        assert str(fault.value).startswith(f"{file}:{line}: ")
        assert "\n" not in str(fault.value)

    def test_a_language_without_catalogue(self, folder: Path) -> None:
        with pytest.raises(PromptError, match=r"de/catalogue\.yaml: there is no such file"):
            catalogue(folder, "de")

    @pytest.mark.parametrize(
        ("text", "good"),
        [("number_21", True), ("", False), ("a/b", False), ("é", False), ("a.b", False)],
    )
    def test_an_id_is_fit_for_a_file_name(self, text: str, good: bool) -> None:
        assert is_prompt_id(text) is good


class TestRecording:
    @pytest.mark.parametrize(("rate", "channels"), [(8000, 2), (44100, 1), (48000, 2), (16000, 1)])
    def test_a_studios_format_is_converted(self, tmp_path: Path, rate: int, channels: int) -> None:
        file = save(tmp_path / "studio.wav", tone(1.0, rate), rate, channels)
        samples = read_recording(file)
        assert samples.size == pytest.approx(RATE, abs=2)
        spectrum = np.abs(np.fft.rfft(samples.astype(float)[:RATE]))
        assert np.argmax(spectrum) == 440
        assert np.abs(samples).max() == pytest.approx(8192, rel=0.02)

    def test_24_bits_and_floats_are_read_too(self, tmp_path: Path) -> None:
        wide = tmp_path / "wide.wav"
        samples = tone(0.5, 48000).astype(np.int32) << 8
        with wave.open(str(wide), "wb") as out:
            out.setparams((1, 3, 48000, 0, "NONE", ""))
            out.writeframes(b"".join(int(s).to_bytes(3, "little", signed=True) for s in samples))
        assert np.abs(read_recording(wide)).max() == pytest.approx(8192, rel=0.02)

    def test_a_missing_one_says_how_to_make_it(self, folder: Path) -> None:
        (folder / "en" / "welcome.wav").unlink()
        with pytest.raises(PromptError, match=r"en/welcome\.wav: missing; .*ivr prompts build"):
            load_recordings(folder)

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound at all" * 100])
    def test_what_is_no_sound_says_what_is_wanted(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "bad.wav"
        file.write_bytes(content)
        with pytest.raises(PromptError, match=r"bad\.wav: .*8 kHz, mono, 16 bits"):
            read_recording(file)

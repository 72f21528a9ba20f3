"""`ivr prompts build` and `check`: what is made, what is left alone, what is complained of."""

import io
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ivr import prompt_list, recordings, synthesis
from ivr.prompt_list import NoPlayer, age, chosen, page, play, table
from ivr.prompts import RATE, PromptError, Samples, read_recording
from ivr.recordings import build, check, survey
from ivr.synthesis import SynthesisError, level_dbfs, polish, speak
from tests.test_prompts import PROMPTS, save, tone


def words(*bursts: float, pause: float = 0.2, amplitude: float = 3000.0) -> Samples:
    """Bursts of a tone, so many seconds each, with pauses between: speech to a level meter."""
    gap = np.zeros(round(pause * RATE))
    sounds = [tone(seconds) / 8192 * amplitude for seconds in bursts]
    return np.concatenate([x for sound in sounds for x in (sound, gap)][:-1]).astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "one: {text: Un.}\ntwo: {text: Deux.}\n")
    return tmp_path


@pytest.fixture
def mouth(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of espeak-ng: a tone as long as the text; the texts that were said."""
    said: list[str] = []

    def say(text: str, language: str) -> Samples:
        said.append(text)
        return polish(tone(0.1 * len(text)).astype(np.float64), sentence=True)

    monkeypatch.setattr(recordings, "speak", say)
    return said


def write(folder: Path, catalogue: str, language: str = "fr") -> None:
    (folder / language).mkdir(parents=True, exist_ok=True)
    (folder / language / "catalogue.yaml").write_text(catalogue, encoding="utf-8")


def states(folder: Path) -> dict[str, str]:
    return {recording.prompt: recording.state.value for recording in survey(folder, "fr")}


def complaints(folder: Path) -> list[str]:
    return [str(fault).removeprefix(f"{folder}/") for fault in check(folder, ["fr"])]


class TestBuild:
    def test_makes_what_is_missing_and_nothing_twice(self, folder: Path, mouth: list[str]) -> None:
        report = build(folder, ["fr"])
        assert (report.made, report.kept, report.studio, report.faults) == (2, 0, 0, ())
        assert states(folder) == {"one": "built", "two": "built"}
        again = build(folder, ["fr"])
        assert (again.made, again.kept) == (0, 2)
        assert sorted(mouth) == ["Deux.", "Un."]

    def test_makes_again_what_says_an_older_text(self, folder: Path, mouth: list[str]) -> None:
        build(folder, ["fr"])
        write(folder, "one: {text: Un.}\ntwo: {text: Deux fois.}\n")
        assert complaints(folder) == [
            "fr/two.wav: its text has changed since it was made; make it again with: "
            "ivr prompts build"
        ]
        assert build(folder, ["fr"]).made == 1
        assert mouth[-1] == "Deux fois."
        assert complaints(folder) == []

    def test_a_studios_recording_is_never_overwritten(self, folder: Path, mouth: list[str]) -> None:
        build(folder, ["fr"])
        studio = save(folder / "fr" / "two.wav", tone(2.0))
        content = studio.read_bytes()
        assert states(folder)["two"] == "studio"
        for everything in (False, True):
            assert build(folder, ["fr"], everything=everything).studio == 1
            assert studio.read_bytes() == content
        assert complaints(folder) == []

    def test_a_studios_recording_that_its_text_left_behind(
        self, folder: Path, mouth: list[str]
    ) -> None:
        studio = save(folder / "fr" / "two.wav", tone(2.0))
        content = studio.read_bytes()
        build(folder, ["fr"])
        write(folder, "one: {text: Un.}\ntwo: {text: Deux fois.}\n")
        report = build(folder, ["fr"])
        assert studio.read_bytes() == content
        assert ["record it again" in str(fault) for fault in report.faults] == [True]
        save(studio, tone(1.5))  # so they did
        assert build(folder, ["fr"]).faults == ()

    def test_forgets_prompts_that_are_gone(self, folder: Path, mouth: list[str]) -> None:
        build(folder, ["fr"])
        write(folder, "one: {text: Un.}\n")
        assert "fr/two.wav: catalogue.yaml does not name it" in complaints(folder)[0]
        (folder / "fr" / "two.wav").unlink()
        build(folder, ["fr"])
        assert "two" not in (folder / "fr" / "built.yaml").read_text(encoding="utf-8")

    def test_what_was_made_before_a_failure_is_remembered(
        self, folder: Path, mouth: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def say_one(text: str, language: str) -> Samples:
            if text == "Deux.":
                raise SynthesisError("espeak-ng lost its voice")
            return tone()

        monkeypatch.setattr(recordings, "speak", say_one)
        with pytest.raises(PromptError, match="lost its voice"):
            build(folder, ["fr"])
        assert states(folder) == {"one": "built", "two": "missing"}

    def test_without_espeak_it_says_how_to_get_it(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(PromptError, match="apt-get install espeak-ng"):
            build(folder, ["fr"])

    def test_shows_its_progress(self, folder: Path, mouth: list[str]) -> None:
        out = io.StringIO()
        build(folder, ["fr"], Console(file=out))
        assert "prompts/fr" in out.getvalue()
        assert "2/2" in out.getvalue()

    def test_with_espeak_it_is_the_same_each_time_and_checks_out(self, folder: Path) -> None:
        assert build(folder, ["fr"]).faults == ()
        first = [(folder / "fr" / f"{p}.wav").read_bytes() for p in ("one", "two")]
        build(folder, ["fr"], everything=True)
        assert first == [(folder / "fr" / f"{p}.wav").read_bytes() for p in ("one", "two")]


class TestCheck:
    @pytest.fixture(autouse=True)
    def built(self, folder: Path, mouth: list[str]) -> None:
        build(folder, ["fr"])

    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda file: file.unlink(), "missing; make it with: ivr prompts build"),
            (lambda file: file.write_bytes(b"RIFF"), "8 kHz, mono, 16 bits"),
            (lambda file: save(file, tone(20.5)), "lasts 20.5 s, more than 20"),
            (lambda file: save(file, words(1.0, 0.5, amplitude=60)), "is too quiet (-58 dBFS)"),
            (lambda file: save(file, np.zeros(8000, np.int16)), "is silent"),
            (
                lambda file: save(file, np.clip(tone().astype(int) * 9, -32768, 32767)),
                "is clipped",
            ),
        ],
    )
    def test_one_line_with_file_and_remedy(
        self, folder: Path, spoil: Callable[[Path], object], complaint: str
    ) -> None:
        spoil(folder / "fr" / "two.wav")
        (line,) = complaints(folder)
        assert line.startswith("fr/two.wav: ")
        assert complaint in line

    def test_pauses_do_not_make_a_recording_quiet(self, folder: Path) -> None:
        save(folder / "fr" / "two.wav", words(0.3, 0.3, 0.3, pause=3.0))
        assert complaints(folder) == []

    def test_a_peak_at_full_scale_is_not_yet_clipping(self, folder: Path) -> None:
        samples = tone()
        samples[100:102] = 32767
        save(folder / "fr" / "two.wav", samples)
        assert complaints(folder) == []

    def test_a_catalogue_at_fault_is_a_fault(self, folder: Path) -> None:
        write(folder, "one: Un.\n")
        (line,) = complaints(folder)
        assert line.startswith("fr/catalogue.yaml:1: one: ")

    def test_a_memory_at_fault_is_a_fault(self, folder: Path) -> None:
        (folder / "fr" / "built.yaml").write_text("- 1\n", encoding="utf-8")
        assert "restore it" in complaints(folder)[0]

    def test_the_projects_own_prompts_are_in_order(self) -> None:
        assert [str(fault) for fault in check(PROMPTS)] == []

    def test_a_list_for_people(self, folder: Path) -> None:
        out = io.StringIO()
        (folder / "fr" / "one.wav").unlink()
        Console(file=out, width=120).print(table(chosen(folder, languages=["fr"]), date.today()))
        assert "missing" in out.getvalue()
        assert "Deux." in out.getvalue()

    def test_a_recording_tells_its_age_wherever_its_file_is_copied(self, folder: Path) -> None:
        (one, two) = survey(folder, "fr")
        assert one.made == date.today()
        os.utime(one.file, (0, 0))
        save(two.file, words(0.7))
        os.utime(two.file, (86400 * 365, 86400 * 365))
        again = {each.prompt: each for each in survey(folder, "fr")}
        assert again["one"].made == one.made
        assert again["two"].made == date(1971, 1, 1)
        assert age(again["one"], one.made + timedelta(days=1)) == "1 day"
        build(folder, ["fr"])
        assert [each.made for each in survey(folder, "fr")] == [one.made, date(1971, 1, 1)]

    def test_prompts_are_found_by_id_or_text(self, folder: Path) -> None:
        assert [each.prompt for each in chosen(folder, "DEUX", ["fr"])] == ["two"]
        assert [each.prompt for each in chosen(folder, "one", ["fr"])] == ["one"]

    def test_a_page_has_each_text_beside_its_sound(self, folder: Path) -> None:
        write(folder, "one: {text: '<b>Un.</b>'}\ntwo: {text: Deux.}\n")
        (folder / "fr" / "two.wav").unlink()
        shown = page(chosen(folder, languages=["fr"]), folder / "elsewhere", date.today())
        first, second = shown.split("<tr")[2:]
        assert "&lt;b&gt;Un.&lt;/b&gt;" in first
        assert 'src="../fr/one.wav"' in first
        assert "Deux." in second
        assert "missing" in second
        assert "<audio" not in second

    def test_a_prompt_is_played_as_callers_hear_it(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        player = tmp_path / "aplay"
        player.write_text(f'#!/bin/sh\ncp "$2" {tmp_path}/played.wav\n')
        player.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(prompt_list, "PLAYERS", (("aplay", "-q"),))
        (one, _) = survey(folder, "fr")
        play(one)
        assert np.array_equal(read_recording(tmp_path / "played.wav"), read_recording(one.file))
        player.write_text("#!/bin/sh\nexit 1\n")
        with pytest.raises(NoPlayer, match="could not play"):
            play(one)
        monkeypatch.setattr(prompt_list, "PLAYERS", ())
        with pytest.raises(NoPlayer, match=r"no program here plays sound .*one\.wav"):
            play(one)


class TestPolish:
    def test_edges_are_short_and_equal(self) -> None:
        loud = np.concatenate([np.zeros(8000), words(0.5).astype(float), np.zeros(9000)])
        samples = polish(loud, sentence=False)
        heard = np.flatnonzero(np.abs(samples) > 50)
        assert heard[0] / RATE == pytest.approx(0.06, abs=0.012)
        assert (samples.size - heard[-1]) / RATE == pytest.approx(0.06, abs=0.012)

    def test_a_sentence_is_followed_by_a_pause(self) -> None:
        speech = words(0.5).astype(float)
        longer = polish(speech, sentence=True).size - polish(speech, sentence=False).size
        assert longer / RATE == pytest.approx(synthesis.SENTENCE_EDGE - synthesis.EDGE)

    def test_long_pauses_are_shortened(self) -> None:
        samples = polish(words(0.5, 0.5, pause=0.9).astype(float), sentence=False)
        assert samples.size / RATE == pytest.approx(0.12 + 1.0 + 0.35, abs=0.03)

    @pytest.mark.parametrize("amplitude", [100.0, 3000.0, 30000.0])
    def test_the_level_is_always_the_same(self, amplitude: float) -> None:
        samples = polish(words(0.5, 0.5, amplitude=amplitude).astype(float), sentence=False)
        assert level_dbfs(samples) == pytest.approx(-20, abs=0.5)

    def test_peaks_never_clip(self) -> None:
        clicks = np.zeros(8000)
        clicks[::400] = 20000
        assert np.abs(polish(clicks, sentence=False)).max() < 32768 * 10 ** (-3 / 20)

    def test_silence_stays_silence(self) -> None:
        assert not polish(np.zeros(4000), sentence=True).any()


@pytest.mark.parametrize(("language", "text"), [("fr", "Tapez dièse."), ("en", "Press hash.")])
def test_speaks_both_languages(language: str, text: str) -> None:
    samples = speak(text, language)
    assert 0.5 < samples.size / RATE < 3
    assert level_dbfs(samples) == pytest.approx(-20, abs=4)

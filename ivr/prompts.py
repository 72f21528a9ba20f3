"""What the voice says: catalogues of texts, and recordings.

`prompts/<language>/catalogue.yaml` maps each prompt's id to its text, `prompts/<language>/<id>.wav`
is its recording. `ivr.recordings` makes and checks them; `ivr.prompt_bank` has them ready to send.
"""

import warnings
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
import yaml

from auth_core.yamlfile import Fault, YamlFaults, read

LANGUAGES = ("fr", "en")
RATE = 8000  # samples a second, as G.711 has them
CATALOGUE = "catalogue.yaml"

Samples = npt.NDArray[np.int16]
Sound = npt.NDArray[np.float64]  # the same scale: full scale is 32768


class PromptError(Exception):
    """A catalogue or recording that cannot be used: one line with what, where, how to mend."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def load_recordings(
    folder: Path, languages: Sequence[str] = LANGUAGES
) -> dict[tuple[str, str], Samples]:
    """The recordings that the catalogues of `languages` call for, by (language, prompt id).

    Raises `PromptError`.
    """
    return {
        (language, prompt): read_recording(folder / language / f"{prompt}.wav")
        for language in languages
        for prompt in catalogue(folder, language)
    }


def catalogue(folder: Path, language: str) -> dict[str, str]:
    """The texts of a language by prompt id, in the order of its file. Raises `PromptError`."""
    file = folder / language / CATALOGUE
    try:
        data = yaml.load(file.read_bytes(), Loader=_CatalogueLoader)  # noqa: S506 - a safe one
    except FileNotFoundError:
        raise _error(file, "there is no such file; every language has one") from None
    except OSError as error:
        raise _error(file, f"{error.strerror}; make it readable") from None
    except yaml.YAMLError:
        data = None
    entries = data if isinstance(data, dict) else {}
    texts = {prompt: text for prompt, entry in entries.items() if (text := _text(prompt, entry))}
    if not texts or len(texts) < len(entries):
        raise PromptError(_first_fault(file))
    return texts


def read_recording(file: Path) -> Samples:
    """A recording as int16 samples at 8 kHz; other rates and widths are converted.

    Raises `PromptError` when it is missing or no sound.
    """
    try:
        with wave.open(str(file)) as recording:
            if recording.getparams()[:3] == (1, 2, RATE):
                return np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    except FileNotFoundError:
        raise _error(file, "missing; make it with: ivr prompts build") from None
    except OSError as error:
        raise _error(file, f"{error.strerror}; make it readable") from None
    except (wave.Error, EOFError):
        pass  # not one that the wave module knows: floats, for instance
    return _read_studio(file)


def _read_studio(file: Path) -> Samples:
    """A recording in a studio's own format (44.1 or 48 kHz, stereo, 24 bits, float…)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydub warns at import where ffmpeg is not installed
        from pydub import AudioSegment  # slow to import, and only studios' files need it
        from pydub.exceptions import CouldntDecodeError
    try:
        segment: Any = AudioSegment.from_file(file).set_channels(1).set_sample_width(2)
    except (CouldntDecodeError, OSError, EOFError, ValueError, IndexError):
        what = "this is no sound that can be read; export it as WAV, 8 kHz, mono, 16 bits"
        raise _error(file, what) from None
    samples = np.array(segment.get_array_of_samples(), np.float64)
    return to_samples(at_our_rate(samples, segment.frame_rate))


def at_our_rate(sound: Sound, rate: int) -> Sound:
    """Resample from `rate` to 8 kHz."""
    resampled: Sound = soxr.resample(sound, rate, RATE)
    return resampled


def to_samples(sound: Sound) -> Samples:
    """Round to 16 bits; what is beyond full scale (32768) is clipped."""
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


class _CatalogueLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml's loader (8 ms for a catalogue, pure Python 100), which minds a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.YAMLError("a key is given twice")
        return mapping


def _error(file: Path, what: str) -> PromptError:
    return PromptError(Fault(file, None, "", what))


def _text(prompt: object, entry: object) -> str | None:
    """The text of a catalogue's entry, None when the entry is not as it should be."""
    if not isinstance(prompt, str) or not is_prompt_id(prompt):
        return None
    if not isinstance(entry, dict) or set(entry) != {"text"}:
        return None
    text = entry["text"]
    return text if isinstance(text, str) and text.strip() else None


def is_prompt_id(text: str) -> bool:
    """Ids are file names, and go into records: ASCII letters, digits and underscores only."""
    return bool(text) and all(c.isascii() and (c.isalnum() or c == "_") for c in text)


def _first_fault(file: Path) -> Fault:
    """Why a catalogue cannot be used, with the line; only asked once that is known."""
    try:
        located = read(file)
    except YamlFaults as error:
        return error.faults[0]
    if not isinstance(located.data, dict) or not located.data:
        return Fault(file, 1, "", "has no prompt; add lines such as: welcome: {text: Hello.}")
    for prompt, entry in located.data.items():
        if not isinstance(prompt, str) or not is_prompt_id(prompt):
            what = "an id has letters, digits and underscores only; rename it"
            return located.fault((str(prompt),), what)
        if _text(prompt, entry) is None:
            what = f"wants one text and nothing else: {prompt}: {{text: What is said.}}"
            return located.fault((prompt,), what)
    return Fault(file, 1, "", "is not a plain mapping of ids to texts; write it without << and &")

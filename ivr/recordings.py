"""Making the recordings that the catalogues call for, and checking those that are there.

`prompts/<language>/built.yaml` remembers of each recording which text it says and which file it
was (both as hashes), and when it was made. So a studio's WAV dropped in place of one is recognised
and never overwritten, and a text that changed after its recording is seen.
"""

import hashlib
import os
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from auth_core.yamlfile import Fault
from ivr.prompts import CATALOGUE, LANGUAGES, RATE, PromptError, Samples, catalogue, read_recording
from ivr.synthesis import SynthesisError, level_dbfs, speak

BUILT = "built.yaml"
LONGEST = 20.0  # seconds
QUIETEST_DBFS = -30.0
CLIPPED = 32700  # a sample there is at the end of the scale
CLIPPED_RUN = 4  # so many in a row do not happen in undistorted speech


class State(StrEnum):
    """What a recording is, beside its text."""

    BUILT = "built"
    STUDIO = "studio"
    MISSING = "missing"
    OUTDATED = "outdated"  # built, and its text has changed since
    OVERTAKEN = "overtaken"  # a studio's, and its text has changed since


@dataclass(frozen=True, slots=True)
class Recording:
    """A prompt, and where its recording stands."""

    language: str
    prompt: str
    text: str
    file: Path
    state: State
    made: date | None
    """When it was recorded or built, as far as is known; None while it is missing."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did, in numbers of recordings, and what it leaves to people."""

    made: int
    kept: int
    studio: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Memory:
    """What built.yaml remembers of a recording: hashes of its text and of its file, and its day."""

    text: str
    wav: str
    made: date | None
    studio: bool = False


def build(
    folder: Path,
    languages: Sequence[str] = LANGUAGES,
    console: Console | None = None,
    *,
    everything: bool = False,
) -> Report:
    """Make the recordings that are missing or outdated (`everything`: all but a studio's).

    A studio's WAV that is new here is taken to say the text of today. Raises `PromptError` when a
    catalogue is at fault, espeak-ng is not there, or a file cannot be written. Progress shows on
    `console`.
    """
    made = kept = studio = 0
    for language in languages:
        memories = _remembered(folder / language)
        recordings = survey(folder, language)
        remade = {State.MISSING, State.OUTDATED} | ({State.BUILT} if everything else set())
        wanted = [recording for recording in recordings if recording.state in remade]
        try:
            for recording in recordings:
                if recording.state is State.STUDIO:
                    memories[recording.prompt] = _memory(recording, recording.made, studio=True)
            try:
                for recording in _with_progress(_make(wanted), len(wanted), language, console):
                    day = _day_of(recording.file)
                    memories[recording.prompt] = _memory(recording, day, studio=False)
            finally:  # or what was made before a failure would pass for a studio's
                _remember(folder / language, [r.prompt for r in recordings], memories)
        except SynthesisError as error:
            raise PromptError(Fault(folder / language, None, "", str(error))) from None
        except OSError as error:
            what = f"cannot write a recording ({error.strerror}); make the folder writable"
            raise PromptError(Fault(folder / language, None, "", what)) from None
        made += len(wanted)
        studio += sum(r.state in (State.STUDIO, State.OVERTAKEN) for r in recordings)
        kept += sum(r.state is State.BUILT for r in recordings if r not in wanted)
    return Report(made, kept, studio, tuple(check(folder, languages)))


def check(folder: Path, languages: Sequence[str] = LANGUAGES) -> list[Fault]:
    """Everything wrong with the recordings, one line each; empty when all is well."""
    faults: list[Fault] = []
    for language in languages:
        try:
            recordings = survey(folder, language)
        except PromptError as error:
            faults.append(error.fault)
            continue
        for recording in recordings:
            faults.extend(Fault(recording.file, None, "", what) for what in _wrongs(recording))
        named = {recording.file for recording in recordings}
        faults.extend(
            Fault(file, None, "", f"{CATALOGUE} does not name it; add its text there or delete it")
            for file in sorted((folder / language).glob("*.wav"))
            if file not in named
        )
    return faults


def survey(folder: Path, language: str) -> list[Recording]:
    """Every prompt of a language and the state of its recording. Raises `PromptError`."""
    memories = _remembered(folder / language)
    recordings = []
    for prompt, text in catalogue(folder, language).items():
        file = folder / language / f"{prompt}.wav"
        memory = memories.get(prompt)
        state = _state(file, text, memory)
        made = memory.made if memory and memory.wav == _hash_of(file) else _day_of(file)
        recordings.append(Recording(language, prompt, text, file, state, made))
    return recordings


def _wrongs(recording: Recording) -> Iterator[str]:
    """What is wrong with one recording, and the remedy."""
    match recording.state:
        case State.MISSING:
            yield "missing; make it with: ivr prompts build"
            return
        case State.OUTDATED:
            yield "its text has changed since it was made; make it again with: ivr prompts build"
        case State.OVERTAKEN:
            yield (
                "its text has changed since the studio recorded it; record it again, "
                "or delete it and run: ivr prompts build"
            )
    try:
        samples = read_recording(recording.file)
    except PromptError as error:
        yield error.fault.what
        return
    seconds = samples.size / RATE
    if seconds > LONGEST:
        yield f"lasts {seconds:.1f} s, more than {LONGEST:.0f}; say it in fewer words"
    if _is_clipped(samples):
        yield "is clipped; record it again at a lower level"
    level = level_dbfs(samples)
    if level == float("-inf"):
        yield "is silent; record it again"
    elif level < QUIETEST_DBFS:
        yield f"is too quiet ({level:.0f} dBFS); raise it to about -20 dBFS"


def _is_clipped(samples: Samples) -> bool:
    at_end = np.abs(samples.astype(np.int32)) >= CLIPPED
    runs = np.convolve(at_end, np.ones(CLIPPED_RUN, int))
    return bool(runs.max(initial=0) >= CLIPPED_RUN)


def _state(file: Path, text: str, memory: _Memory | None) -> State:
    if not file.is_file():
        return State.MISSING
    if memory is None or memory.wav != _hash_of(file):
        return State.STUDIO  # none of ours: somebody put it there
    if memory.text == _hash(text.encode()):
        return State.STUDIO if memory.studio else State.BUILT
    return State.OVERTAKEN if memory.studio else State.OUTDATED


def _make(recordings: Sequence[Recording]) -> Iterator[Recording]:
    """Synthesise recordings, some at a time, and yield each when its file is written."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        spoken = pool.map(lambda recording: speak(recording.text, recording.language), recordings)
        for recording, samples in zip(recordings, spoken, strict=True):
            write_recording(recording.file, samples)
            yield recording


def write_recording(file: Path, samples: Samples) -> None:
    """As a WAV file of what callers hear: 8 kHz, mono, 16 bits. Raises OSError."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.astype("<i2").tobytes())


def _with_progress(
    recordings: Iterable[Recording], total: int, language: str, console: Console | None
) -> Iterator[Recording]:
    if console is None or not total:
        yield from recordings
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        yield from progress.track(recordings, total=total, description=f"prompts/{language}")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _hash_of(file: Path) -> str | None:
    return _hash(file.read_bytes()) if file.is_file() else None


def _day_of(file: Path) -> date | None:
    """When a file was written."""
    return date.fromtimestamp(file.stat().st_mtime) if file.is_file() else None


def _memory(recording: Recording, made: date | None, *, studio: bool) -> _Memory:
    said, wav = _hash(recording.text.encode()), _hash(recording.file.read_bytes())
    return _Memory(said, wav, made, studio)


def _remembered(folder: Path) -> dict[str, _Memory]:
    """What built.yaml holds. Without one, every recording that is there is a studio's."""
    file = folder / BUILT
    try:
        data: Any = yaml.safe_load(file.read_bytes())
        return {
            prompt: _Memory(
                entry["text"], entry["wav"], entry.get("made"), entry.get("studio", False)
            )
            for prompt, entry in (data or {}).items()
        }
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        what = "is not what `ivr prompts build` wrote; restore it, it is not edited by hand"
        raise PromptError(Fault(file, None, "", what)) from None


def _remember(folder: Path, prompts: Iterable[str], memories: Mapping[str, _Memory]) -> None:
    entries = {
        prompt: {"text": memory.text, "wav": memory.wav, "made": memory.made}
        | ({"studio": True} if memory.studio else {})
        for prompt in prompts
        if (memory := memories.get(prompt)) is not None
    }
    head = "# Written by `ivr prompts build`: which text each recording says. Not edited by hand.\n"
    text = head + yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=200)
    (folder / BUILT).write_text(text, encoding="utf-8")

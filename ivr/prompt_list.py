"""Recordings as people look through them: a table, a page to listen to, a loudspeaker."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from os.path import relpath
from pathlib import Path

from rich.table import Table

from ivr.prompts import LANGUAGES, RATE, read_recording
from ivr.recordings import Recording, State, survey, write_recording

PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("play", "-q"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)
"""Programs that play a WAV file, the first that is there is taken."""

STYLE = """
body { font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-top: 1px solid #ccc; }
.missing, .outdated, .overtaken { background: #fde3e3; }
audio { height: 2rem; }
""".strip()


class NoPlayer(Exception):  # noqa: N818 - told in one line
    """No program of this machine plays sound, or it failed."""


def chosen(folder: Path, which: str = "", languages: Sequence[str] = LANGUAGES) -> list[Recording]:
    """The recordings in whose id or text `which` is, whatever its case. Raises `PromptError`."""
    word = which.casefold()
    return [
        recording
        for language in languages
        for recording in survey(folder, language)
        if word in recording.prompt.casefold() or word in recording.text.casefold()
    ]


def table(recordings: Iterable[Recording], today: date) -> Table:
    """Prompts with length, state, age and text, for people. Raises `PromptError`."""
    listing = Table("language", "prompt", "seconds", "recording", "age", "text")
    for each in recordings:
        listing.add_row(
            each.language, each.prompt, length(each), each.state, age(each, today), each.text
        )
    return listing


def length(recording: Recording) -> str:
    """In seconds, "" while it is missing. Raises `PromptError`."""
    if recording.state is State.MISSING:
        return ""
    return f"{read_recording(recording.file).size / RATE:.1f}"


def age(recording: Recording, today: date) -> str:
    """Such as "3 days", "" while it is missing."""
    if recording.made is None:
        return ""
    days = max(0, (today - recording.made).days)
    return "today" if not days else f"{days} day{'s' if days > 1 else ''}"


def page(recordings: Iterable[Recording], beside: Path, today: date) -> str:
    """An HTML page with each text beside its sound. `beside`: the folder that it will stand in."""
    rows = []
    for each in recordings:
        source = escape(relpath(each.file, beside))
        audio = f'<audio controls preload="none" src="{source}"></audio>'
        cells = [
            f'<th scope="row"><code>{escape(each.prompt)}</code></th>',
            f'<td lang="{each.language}">{escape(each.text)}</td>',
            f"<td>{'' if each.state is State.MISSING else audio}</td>",
            f"<td>{length(each)}</td><td>{each.state}</td><td>{age(each, today)}</td>",
        ]
        rows.append(f'<tr class="{each.state}">{"".join(cells)}</tr>')
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("prompt", "text", "sound", "seconds", "recording", "age")
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Prompts</title>\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<style>{STYLE}</style>\n<h1>Prompts</h1>\n<table>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table>\n</html>\n"
    )


def play(recording: Recording) -> None:
    """Play it as callers hear it, at 8 kHz. Blocks. Raises `NoPlayer`, `PromptError`."""
    samples = read_recording(recording.file)
    player = next((each for each in PLAYERS if shutil.which(each[0])), None)
    if player is None:
        raise NoPlayer(
            f"no program here plays sound (apt-get install alsa-utils), or listen to "
            f"{recording.file} elsewhere"
        )
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        write_recording(Path(wav.name), samples)
        done = subprocess.run((*player, wav.name), check=False)  # noqa: S603 - one of PLAYERS
    if done.returncode:
        raise NoPlayer(f"{player[0]} could not play; listen to {recording.file} elsewhere")

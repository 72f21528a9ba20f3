"""Letters as PDF, in batches for the printer.

    <folder>/secrets/2026-11-23/<message id>.pdf
    <folder>/secrets/2026-11-23/index.csv
    <folder>/matricules/…   <folder>/notices/…

A secret and a matricule never lie in one batch. A letter is named after its message, so that
writing it again after a crash is still one letter. Letters go away when the printer acknowledges
them.
"""

import contextlib
import csv
import fcntl
import hashlib
import io
import os
import shutil
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from auth_core.delivery.files import FILE_MODE, UNFINISHED, make_folder, remove_old, write_whole
from auth_core.delivery.outbox import MessageKind
from auth_core.validity import PARIS

INDEX = "index.csv"
INDEX_FIELDS = ("file", "pages", "bytes", "sha256")
ID_LENGTH = 32


class Batch(StrEnum):
    """What lies together. One folder each."""

    SECRETS = "secrets"
    MATRICULES = "matricules"
    NOTICES = "notices"

    @classmethod
    def of(cls, kind: MessageKind) -> "Batch":
        if kind is MessageKind.SECRET:
            return cls.SECRETS
        return cls.MATRICULES if kind is MessageKind.MATRICULE else cls.NOTICES


class LetterError(Exception):
    """A letter that cannot be made. `str()` says why, without its content."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter. `address`: the lines in the window, name first; `body`: paragraphs with an empty
    line between, of which one that is a mere number is printed large."""

    message_id: str
    kind: MessageKind
    address: tuple[str, ...] = field(repr=False)
    on: datetime
    subject: str
    body: str = field(repr=False)


class LetterTray:
    """The letters on the disk, by batch and day. Files are 0600, folders 0700."""

    def __init__(self, folder: Path, sender: Sequence[str]) -> None:
        self._folder = folder
        self._sender = tuple(sender)

    def put(self, letter: Letter) -> None:
        """Write a letter, durably; again is the same file. Raises LetterError, OSError."""
        # fpdf takes half a second to import: who writes no letter need not wait for it.
        from auth_core.delivery.page import render

        batch = self._folder / Batch.of(letter.kind) / _day(letter.on)
        write_whole(batch / f"{letter.message_id}.pdf", render(letter, self._sender))

    def remove(self, message_id: str) -> bool:
        """Remove the letter of a message, wherever it lies, and what a crash left of a writing of
        it; False when there is no letter."""
        for unfinished in self._folder.glob(f"*/*/.{message_id}.pdf.*{UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
        found = list(self._folder.glob(f"*/*/{message_id}.pdf"))
        for file in found:
            file.unlink(missing_ok=True)
        return bool(found)

    def write_indexes(self) -> None:
        """Bring the index of every batch to what lies in it. Raises OSError."""
        for batch in sorted(self._folder.glob("*/*/")):
            with _locked(batch):
                _write_index(batch)

    def purge(self, before: date) -> int:
        """Remove the letters written before `before` (a day in Paris), batches left empty, and
        what a crash left unfinished; return how many letters."""
        midnight = datetime.combine(before, datetime.min.time(), tzinfo=PARIS).timestamp()
        removed = remove_old(self._folder, "*/*/*.pdf", midnight)
        remove_old(self._folder, f"*/*/.*{UNFINISHED}", midnight)
        self.write_indexes()
        for batch in self._folder.glob("*/*/"):
            if batch.name < before.isoformat() and not any(batch.glob("*.pdf")):
                shutil.rmtree(batch, ignore_errors=True)
        return removed


def acknowledged_ids(file: Path) -> list[str]:
    """The messages that a printer acknowledges with `file`: one PDF, or the index it printed.

    Raises LetterError when it is neither or cannot be read.
    """
    if file.suffix == ".pdf":
        return [_message_id(file.name)]
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            names = [row["file"] for row in csv.DictReader(stream)]
    except KeyError:
        raise LetterError(f"{file}: no column {INDEX_FIELDS[0]!r}; give an {INDEX}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV"
        raise LetterError(f"{file}: cannot be read ({reason})") from None
    return [_message_id(name) for name in names]


def _message_id(name: str) -> str:
    message_id = name.removesuffix(".pdf")
    if len(message_id) != ID_LENGTH or not set(message_id) <= set(string.hexdigits):
        raise LetterError(
            f"{name!r} is no letter of ours; its name is {ID_LENGTH} hex digits and .pdf"
        )
    return message_id


def _day(moment: datetime) -> str:
    return moment.astimezone(PARIS).date().isoformat()


@contextlib.contextmanager
def _locked(batch: Path) -> Iterator[None]:
    """Alone with the index of a batch, among processes."""
    make_folder(batch)
    descriptor = os.open(batch / ".lock", os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_index(batch: Path) -> None:
    index = batch / INDEX
    known: dict[str, dict[str, str]] = {}
    if index.exists():
        with index.open(encoding="utf-8", newline="") as stream:
            known = {row["file"]: row for row in csv.DictReader(stream)}
    names = sorted(file.name for file in batch.glob("*.pdf"))
    if names == sorted(known) and index.exists():
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, INDEX_FIELDS)
    writer.writeheader()
    for name in names:
        row = known.get(name) or _row(batch / name)
        if row is not None:
            writer.writerow(row)
    write_whole(index, text.getvalue().encode())


def _row(file: Path) -> dict[str, str] | None:
    try:
        content = file.read_bytes()
    except FileNotFoundError:  # acknowledged since it was listed
        return None
    return {
        "file": file.name,
        "pages": "1",
        "bytes": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }

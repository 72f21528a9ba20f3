"""The file of call records read from its end, a block at a time, however long it is."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]

BLOCK = 1 << 16
SCANNED = 20_000
"""Lines that are looked at for one page."""
COLUMNS = (
    "call_id",
    "line",
    "caf",
    "caller",
    "started",
    "answered",
    "ended",
    "end_class",
    "end_reason",
    "authenticated",
    "matricule",
    "plan",
    "node",
    "transferred_to",
    "transfer_status",
)
SOUND_COLUMNS = ("sent", "received", "lost", "jitter_ms", "mos")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; "" for any. `text`: part of a call's id or caller."""

    line: str = ""
    end_reason: str = ""
    authenticated: str = ""
    text: str = ""

    def wants(self, record: Record) -> bool:
        return (
            self.line in ("", record.get("line"))
            and self.end_reason in ("", record.get("end_reason"))
            and self.authenticated in ("", record.get("authenticated") or "nobody")
            and (self.text in str(record.get("call_id")) or self.text in str(record.get("caller")))
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Records, the newest first; `older`: where to go on, None at the beginning of the file."""

    records: list[Record]
    older: int | None


def last_records(file: Path, wanted: Filter, limit: int, before: int | None = None) -> Found:
    """The last `limit` records that are wanted, of those that end before the byte `before`.

    Looks at `SCANNED` lines at most. Blocks: call it in a thread. Raises OSError.
    """
    records: list[Record] = []
    for scanned, (start, line) in enumerate(lines_from_the_end(file, before), 1):
        record = _parsed(line)
        if record is not None and wanted.wants(record):
            records.append(record)
        if len(records) == limit or scanned == SCANNED:
            return Found(records, start or None)
    return Found(records, None)


def lines_from_the_end(file: Path, before: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Each line that ends before the byte `before`, the last first, with where it begins. Raises
    OSError."""
    with file.open("rb") as stream:
        position = stream.seek(0, io.SEEK_END) if before is None else before
        rest = b""
        while position:
            size = min(BLOCK, position)
            position -= size
            stream.seek(position)
            first, *others = (stream.read(size) + rest).split(b"\n")
            end = position + len(first) + 1 + sum(len(line) + 1 for line in others)
            for line in reversed(others):
                end -= len(line) + 1
                if line:
                    yield end, line
            rest = first
        if rest:
            yield 0, rest


def as_csv(file: Path, wanted: Filter) -> Iterator[str]:
    """The wanted records as CSV (RFC 4180), the newest first. Blocks. Raises OSError."""
    yield _csv_line([*COLUMNS, *(f"rtp_{name}" for name in SOUND_COLUMNS)])
    for _, line in lines_from_the_end(file):
        record = _parsed(line)
        if record is not None and wanted.wants(record):
            sound = record.get("rtp") or {}
            yield _csv_line(
                [
                    *(_cell(record.get(name)) for name in COLUMNS),
                    *(_cell(sound.get(name)) for name in SOUND_COLUMNS),
                ]
            )


def _parsed(line: bytes) -> Record | None:
    """None for what is no record, such as one that is just being written."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula: some of it was a peer's."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

"""Files that appear whole or not at all, readable by their owner alone."""

import os
import secrets
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
UNFINISHED = ".unfinished"


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, for the owner alone. Raises OSError."""
    missing = [folder, *folder.parents]
    for path in reversed([path for path in missing if not path.is_dir()]):
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        sync_folder(path.parent)


def write_whole(file: Path, content: bytes) -> None:
    """Write `file` so that a crash leaves all of it or nothing under its name, and so that it is
    on the disk when this returns. Raises OSError."""
    make_folder(file.parent)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}{UNFINISHED}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Put on the disk which names a folder holds. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_old(folder: Path, pattern: str, before: float) -> int:
    """Remove the files under `folder` that fit `pattern` (a glob) and were last written before
    `before` (seconds since the epoch); return how many."""
    removed = 0
    for file in folder.glob(pattern):
        try:
            if file.is_file() and file.stat().st_mtime < before:
                file.unlink()
                removed += 1
        except FileNotFoundError:  # another node removed it first
            continue
    return removed

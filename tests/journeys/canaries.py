"""A search of everything that a server wrote, for secrets that were keyed."""

import re
from collections.abc import Iterable
from pathlib import Path


def places_of(secret: str, folder: Path) -> list[str]:
    """The files below `folder` that hold `secret`, alone or spelled out digit by digit.

    Alone means not as a part of a longer number, which is no trace of it.
    """
    spelled = b"[^0-9]{1,12}".join(re.escape(digit.encode()) for digit in secret)
    alone = re.compile(b"(?<![0-9])" + re.escape(secret.encode()) + b"(?![0-9])")
    patterns = [alone] if len(secret) < 8 else [alone, re.compile(spelled)]
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(pattern.search(file.read_bytes()) for pattern in patterns)
    ]


def arguments_with(secret: str, pids: Iterable[int]) -> list[int]:
    """Those processes whose arguments or environment hold `secret`."""
    found = []
    for pid in pids:
        for name in ("cmdline", "environ"):
            try:
                held = Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
            if re.search(rb"(?<![0-9])" + secret.encode() + rb"(?![0-9])", held):
                found.append(pid)
    return found

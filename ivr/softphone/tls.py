"""The files that a phone speaks TLS with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: whose signature to believe, our own certificate, its key."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


NO_FILES = TlsFiles()

"""Keys that live in files outside the database: the pepper of stored secrets, the outbox's key.

A key file is text, one `version:hex of 32 bytes` a line, readable by its owner alone. The database
holds a check value of each version, so that a missing or foreign file is noticed at the start and
not by every caller being refused.
"""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from auth_core.errors import AuthError

KEY_BYTES = 32


def length_prefixed(*parts: bytes) -> bytes:
    """The parts in one unambiguous string: each after its length in 4 bytes, big-endian."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The versions of one key. New things are made with the greatest version (`current`).

    A version that is asked for and not there is looked for in `file`: another process may have
    begun one since.
    """

    purpose: str
    keys: dict[int, bytes] = field(repr=False)
    file: Path | None = None
    _derived: dict[tuple[str, int], bytes] = field(default_factory=dict, init=False, repr=False)

    @property
    def current(self) -> int:
        return max(self.keys)

    def key(self, version: int) -> bytes:
        """Raises AuthError when the file lacks `version`."""
        if version not in self.keys and self.file is not None:
            self.keys.update(read_key_file(self.file, self.purpose).keys)
        try:
            return self.keys[version]
        except KeyError:
            raise AuthError(f"the {self.purpose} file lacks version {version}") from None

    def derived(self, use: str, version: int | None = None) -> bytes:
        """A key of 32 bytes for another `use`, so that no two uses share one."""
        version = self.current if version is None else version
        known = self._derived.get((use, version))
        if known is None:
            message = length_prefixed(b"derived", use.encode())
            known = hmac.digest(self.key(version), message, hashlib.sha256)
            self._derived[use, version] = known
        return known

    def digest(self, use: str, name: bytes, version: int | None = None) -> bytes:
        """What is kept in place of `name`: its keyed hash, for this `use`."""
        return hmac.digest(self.derived(use, version), name, hashlib.sha256)

    def digests(self, use: str, name: bytes) -> list[bytes]:
        """Its keyed hash as it may be kept: with any version."""
        return [self.digest(use, name, version) for version in list(self.keys)]

    def check_value(self, version: int) -> bytes:
        """What the database keeps to recognise this version; it reveals nothing of the key."""
        return hmac.digest(
            self.key(version),
            length_prefixed(b"check", self.purpose.encode(), str(version).encode()),
            hashlib.sha256,
        )

    def verify(self, checks: Mapping[int, bytes], file: Path) -> None:
        """Raise AuthError unless the file holds every version that the database was made with."""
        for version, check in sorted(checks.items()):
            known = version in self.keys
            if not known or not hmac.compare_digest(self.check_value(version), check):
                raise AuthError(
                    f"{file}: not the {self.purpose} that this database was made with; "
                    "restore that file from its backup"
                )


def ensure_key_file(file: Path) -> None:
    """Write version 1, random, unless the file is there. Raises AuthError when it cannot."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_private(file, f"1:{secrets.token_hex(KEY_BYTES)}\n")
    except FileExistsError:
        return
    except OSError as error:
        raise AuthError(
            f"{file}: cannot be written ({error.strerror}); make its folder writable"
        ) from error


def read_key_file(file: Path, purpose: str) -> Keyring:
    """Raises AuthError: missing, readable by others, or not a key file."""
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        raise AuthError(
            f"{file}: the {purpose} is missing; restore that file from its backup"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise AuthError(f"{file}: the {purpose} cannot be read ({reason})") from None
    if stat.S_IMODE(mode) & 0o077:
        raise AuthError(f"{file}: others may read the {purpose}; run chmod 600 {file}")
    keys: dict[int, bytes] = {}
    for line_number, line in enumerate(text.splitlines(), start=1):
        version, separator, digits = line.strip().partition(":")
        if not version:
            continue
        try:
            if not separator or int(version) in keys:
                raise ValueError
            key = bytes.fromhex(digits)
            if len(key) != KEY_BYTES:
                raise ValueError
        except ValueError:
            raise AuthError(
                f"{file}:{line_number}: not a key; each line is version:{2 * KEY_BYTES} hex digits"
            ) from None
        keys[int(version)] = key
    if not keys:
        raise AuthError(f"{file}: the {purpose} file is empty; restore it from its backup")
    return Keyring(purpose, keys, file)


def add_version(file: Path, purpose: str) -> int:
    """Begin a new version, random, and return it; the file is whole at any moment. Raises AuthError
    as `read_key_file`, and when it cannot be written."""
    version = read_key_file(file, purpose).current + 1
    text = file.read_text(encoding="ascii").rstrip("\n")
    beside = file.with_name(f"{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        _write_private(beside, f"{text}\n{version}:{secrets.token_hex(KEY_BYTES)}\n")
        beside.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise AuthError(
            f"{file}: cannot be written ({error.strerror}); make its folder writable"
        ) from error
    return version


def _write_private(file: Path, text: str) -> None:
    """Make a file that its owner alone may read. Raises OSError, also when it is there."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())

"""PINs on their way between two systems: a sealed file.

    header   "PINS-1\\n" ‖ key version (4 bytes) ‖ random id (16) ‖ check value of the key (32)
    chunk    last (1 byte: 0 or 1) ‖ length (4) ‖ ChaCha20-Poly1305 of up to 256 lines

Each file has a key of its own, derived from the key file and its random id, so that the chunk's
number may be the nonce (RFC 8439 §2.8). The header, the number and the mark of the last chunk are
bound to every chunk: one that is altered, left out, doubled or moved, and a file that was cut
short, are noticed before anything of it is imported. Integers are big-endian.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from auth_core.delivery.files import FILE_MODE, UNFINISHED, sync_folder
from auth_core.errors import AuthError
from auth_core.keys import Keyring, length_prefixed

PURPOSE = "key of sealed PINs"
COLUMNS = "caf;matricule;pin"
LINES = 256
"""Lines to a chunk: what a killed import does again at most."""
MAX_LINE = 200
_MAGIC = b"PINS-1\n"
_ID_BYTES = 16
_CHECK_BYTES = 32
_HEADER_BYTES = len(_MAGIC) + 4 + _ID_BYTES + _CHECK_BYTES
_TAG_BYTES = 16
_MAX_SEALED = LINES * (MAX_LINE + 1) + _TAG_BYTES
_WIPED_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed file that is whole. `id`: of this file and no other; `chunks`, `lines`: how many."""

    file: Path
    id: str
    chunks: int
    lines: int


def seal(lines: Iterable[bytes], target: Path, keyring: Keyring) -> int:
    """Write lines of `caf;matricule;pin`, the header first, sealed into `target`, whole or not at
    all; return how many there were beside the header. Raises AuthError: no such header, a line
    that is too long, a target that is there; OSError."""
    lines = iter(lines)
    if _text(next(lines, b"")).removeprefix("\ufeff") != COLUMNS:
        raise AuthError(f"line 1: the header {COLUMNS} is missing; add it")
    if target.exists():
        raise AuthError(f"{target}: is there already; name another file, or remove it")
    version, file_id = keyring.current, secrets.token_bytes(_ID_BYTES)
    header = _MAGIC + version.to_bytes(4, "big") + file_id + keyring.check_value(version)
    cipher = _cipher(keyring, version, file_id)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}{UNFINISHED}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    count = 0
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(header)
            number, chunk = 0, list[bytes]()
            for count, line in enumerate(lines, start=1):
                if len(line.rstrip(b"\r\n")) > MAX_LINE:
                    raise AuthError(f"line {count + 1}: longer than {MAX_LINE} bytes; correct it")
                if len(chunk) == LINES:
                    stream.write(_sealed(cipher, header, number, chunk, last=False))
                    number, chunk = number + 1, []
                chunk.append(line.rstrip(b"\r\n"))
            stream.write(_sealed(cipher, header, number, chunk, last=True))
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
        sync_folder(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def check(file: Path, keyring: Keyring) -> Opened:
    """Read a sealed file to its end. Raises AuthError, one line, for one that another key sealed,
    that was altered or cut short; OSError."""
    chunks = lines = 0
    for chunk in read(file, keyring):
        chunks, lines = chunks + 1, lines + len(chunk)
    with file.open("rb") as stream:
        _, file_id = _header(stream.read(_HEADER_BYTES), file, keyring)
    return Opened(file, file_id.hex(), chunks, lines)


def read(file: Path, keyring: Keyring) -> Iterator[list[str]]:
    """The lines of each chunk, in order. Raises as `check`."""
    with file.open("rb") as stream:
        header = stream.read(_HEADER_BYTES)
        version, file_id = _header(header, file, keyring)
        cipher = _cipher(keyring, version, file_id)
        number, last = 0, False
        while not last:
            prefix = stream.read(5)
            length = int.from_bytes(prefix[1:], "big")
            box = stream.read(length) if length <= _MAX_SEALED else b""
            if len(prefix) < 5 or len(box) < length:
                raise AuthError(f"{file}: was cut short or altered; nothing more of it is read")
            last = prefix[0] == 1
            try:
                text = cipher.decrypt(_nonce(number), box, _bound(header, number, last))
            except InvalidTag:
                raise AuthError(
                    f"{file}: is not as it was sealed (chunk {number + 1}); seal it again"
                ) from None
            yield [_text(line) for line in text.split(b"\n")] if text else []
            number += 1
        if stream.read(1):
            raise AuthError(f"{file}: goes on after its end; it was altered, seal it again")


def wipe(file: Path) -> None:
    """Overwrite a file, put that on the disk, and remove it. Raises OSError."""
    with file.open("r+b") as stream:
        left = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        while left > 0:
            left -= stream.write(secrets.token_bytes(min(left, _WIPED_AT_ONCE)))
        stream.flush()
        os.fsync(stream.fileno())
    file.unlink()
    sync_folder(file.parent)


def _header(header: bytes, file: Path, keyring: Keyring) -> tuple[int, bytes]:
    """The version of the key and the id of the file."""
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise AuthError(f"{file}: no file of sealed PINs; make one with auth-core seal-pins")
    rest = header[len(_MAGIC) :]
    version = int.from_bytes(rest[:4], "big")
    known = version in keyring.keys
    if not known or not secrets.compare_digest(rest[4 + _ID_BYTES :], keyring.check_value(version)):
        raise AuthError(f"{file}: sealed with another key; name the one it was sealed with (--key)")
    return version, rest[4 : 4 + _ID_BYTES]


def _cipher(keyring: Keyring, version: int, file_id: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(keyring.derived(f"pins {file_id.hex()}", version))


def _sealed(
    cipher: ChaCha20Poly1305, header: bytes, number: int, lines: list[bytes], *, last: bool
) -> bytes:
    box = cipher.encrypt(_nonce(number), b"\n".join(lines), _bound(header, number, last))
    return bytes([last]) + len(box).to_bytes(4, "big") + box


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _bound(header: bytes, number: int, last: bool) -> bytes:
    return length_prefixed(header, number.to_bytes(8, "big"), bytes([last]))


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").strip()


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream, none read further than a line may be long."""
    while line := stream.readline(MAX_LINE + 3):
        yield line

"""The certificate that TLS shows and the ones it trusts: read, checked, and read again when they
change, without a restart."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

log = structlog.get_logger(__name__)


class CertificateError(Exception):
    """The files can't be used. `key`: which of `sip.tls`; `what`: the file, what is wrong, the way
    out; the message is both, on one line."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"sip.tls.{key}: {what}")
        self.key = key
        self.what = what


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of `sip.tls`, PEM. Without `client_ca` no peer is asked for a certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def stamp(self) -> tuple[object, ...]:
        """Something that differs once one of the files has changed."""
        return tuple(
            _stamp(file)
            for file in (self.certificate, self.key, self.client_ca)
            if file is not None
        )


@dataclass(frozen=True, slots=True)
class _Contexts:
    server: ssl.SSLContext
    client: ssl.SSLContext
    expires: datetime


class Certificates:
    """The settings of TLS connections, always those of the newest files that are in order.

    `now()`: the time of day, with a zone. Raises `CertificateError` when made of files that are
    not in order; later such files are refused whole, with one line in the log for each change.
    """

    def __init__(self, files: CertificateFiles, now: Callable[[], datetime]) -> None:
        self._files = files
        self._now = now
        self._stamp = files.stamp()
        self._contexts = _read(files, now())

    def server(self) -> ssl.SSLContext:
        """For a connection that comes in; looks first whether the files have changed."""
        self._look()
        return self._contexts.server

    def client(self) -> ssl.SSLContext:
        """For a connection that we open, likewise."""
        self._look()
        return self._contexts.client

    def reload(self) -> None:
        """Read the files again, changed or not."""
        self._stamp = self._files.stamp()
        try:
            self._contexts = _read(self._files, self._now())
        except CertificateError as error:
            log.error("new TLS certificate refused, the old one stays", fault=str(error))  # noqa: TRY400
        else:
            log.info("TLS certificate taken", expires=self._contexts.expires.isoformat())

    def adopt(self, newer: "Certificates") -> None:
        """Go on with the files of another, which are in order."""
        self._files, self._stamp, self._contexts = newer._files, newer._stamp, newer._contexts

    def _look(self) -> None:
        if self._files.stamp() != self._stamp:
            self.reload()


def _read(files: CertificateFiles, now: datetime) -> _Contexts:
    expires = _check(files, now)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 5922 compares names otherwise than a browser does: see `ivr.sip.tls.peer_names`.
    client.check_hostname = False
    client.load_default_certs()
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(files.certificate, files.key)
        except (OSError, ssl.SSLError) as error:
            raise _fault("certificate", files.certificate, f"not usable ({_why(error)})") from error
    if files.client_ca is not None:
        server.verify_mode = ssl.CERT_REQUIRED
        for context in (server, client):
            try:
                context.load_verify_locations(files.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise _fault("client_ca", files.client_ca, f"not usable ({_why(error)})") from error
    return _Contexts(server, client, expires)


def _check(files: CertificateFiles, now: datetime) -> datetime:
    """When the certificate expires. Raises `CertificateError`."""
    chain = _certificates("certificate", files.certificate)
    leaf = chain[0]
    if leaf.not_valid_after_utc <= now:
        day = leaf.not_valid_after_utc.date()
        raise _fault("certificate", files.certificate, f"expired on {day}; renew it")
    if leaf.not_valid_before_utc > now:
        day = leaf.not_valid_before_utc.date()
        raise _fault(
            "certificate", files.certificate, f"not valid before {day}; set the clock right"
        )
    try:
        key = load_pem_private_key(_bytes("key", files.key), None)
    except TypeError as error:
        remedy = "protected by a passphrase; give a key without one, readable by this server alone"
        raise _fault("key", files.key, remedy) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _fault("key", files.key, "no private key in PEM form") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise _fault(
            "key",
            files.key,
            f"not the key of {files.certificate}, whose first certificate must be the server's own",
        )
    if files.client_ca is not None:
        _certificates("client_ca", files.client_ca)
    return leaf.not_valid_after_utc


def _certificates(key: str, file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes(key, file))
    except ValueError as error:
        raise _fault(key, file, "no certificate in PEM form") from error


def _bytes(key: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _fault(key, file, f"{_why(error)}; name a file that this server can read") from error


def _fault(key: str, file: Path, what: str) -> CertificateError:
    return CertificateError(key, f"{file}: {what}")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _stamp(file: Path) -> object:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

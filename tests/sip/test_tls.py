"""TLS over real sockets: who is let in, what is known of them, and certificates that change."""

import asyncio
import contextlib
import datetime
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.certificates import CertificateError, CertificateFiles, Certificates
from ivr.sip import streams
from ivr.sip.events import DropReason, Invited
from ivr.sip.tls import peer_names
from tests.certificates import Authority, Pair
from tests.sip.answering import Answering
from tests.sip.caller import Caller
from tests.wire import Wire

TODAY = datetime.datetime.now(datetime.UTC)


@dataclass
class Place:
    """An authority, and what it signed for the server."""

    authority: Authority
    ours: Pair

    def certificates(self, *, asks: bool = False) -> Certificates:
        return Certificates(self.files(asks=asks), lambda: TODAY)

    def files(self, *, asks: bool = False) -> CertificateFiles:
        ca = self.authority.file if asks else None
        return CertificateFiles(self.ours.certificate, self.ours.key, ca)

    def context(self, shown: Pair | None = None) -> ssl.SSLContext:
        """A peer that believes the authority, and shows a certificate if it has one."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        return context


@pytest.fixture
def place(tmp_path: Path) -> Place:
    authority = Authority(tmp_path)
    return Place(authority, authority.sign("ivr.example"))


@contextlib.asynccontextmanager
async def connection(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        async with asyncio.timeout(5):
            yield reader, writer
    finally:
        writer.close()


def options() -> bytes:
    return Caller(Wire(transport="tls")).request("OPTIONS", uri="sips:0810257510@192.0.2.1")


async def asks(port: int, context: ssl.SSLContext) -> str:
    """The serial number of the certificate that a server shows to one who sends OPTIONS."""
    async with connection(port, context) as (reader, writer):
        writer.write(options())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200 OK\r\n")
        shown = writer.get_extra_info("peercert")
        return str(shown["serialNumber"])


async def is_turned_away(port: int, context: ssl.SSLContext) -> bool:
    """Whether nothing is answered: TLS 1.3 tells a client only when it reads."""
    try:
        await asks(port, context)
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return True
    return False


@pytest.mark.socket
async def test_a_peer_is_answered_over_tls(place: Place) -> None:
    async with Answering(tls=place.certificates()) as answering:
        async with connection(answering.ports["tls"], place.context()) as (reader, writer):
            writer.write(b"\r\n\r\n" + options()[:30])
            assert await reader.readexactly(2) == b"\r\n"
            writer.write(options()[30:])
            answer = await reader.readuntil(b"\r\n\r\n")
        port = answering.ports["tls"]
        assert f"tls:127.0.0.1:{port}" in answering.transport.addresses
        assert answer.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS ")
        assert f"Contact: <sip:127.0.0.1:{port};transport=tls>".encode() in answer


@pytest.mark.socket
async def test_mutual_tls_lets_in_who_shows_a_signed_certificate_and_knows_its_names(
    place: Place, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "elsewhere").sign("sbc.example")
    known = place.authority.sign("sbc.carrier.example", uris=["sip:carrier.example"])
    async with Answering(tls=place.certificates(asks=True)) as answering:
        port = answering.ports["tls"]
        assert await is_turned_away(port, place.context())
        assert await is_turned_away(port, place.context(stranger))
        assert answering.dropped == {DropReason.HANDSHAKE: 2}
        async with connection(port, place.context(known)) as (reader, writer):
            writer.write(Caller(Wire(transport="tls")).request("INVITE"))
            await reader.readuntil(b"\r\n\r\n")
    (invited,) = [event for event in answering.events if isinstance(event, Invited)]
    assert invited.flow.transport == "tls"
    assert invited.flow.peer_names == ("carrier.example", "127.0.0.1", "::1")


@pytest.mark.socket
async def test_old_tls_and_plain_text_are_refused(place: Place) -> None:
    old = place.context()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    async with Answering(tls=place.certificates()) as answering:
        assert await is_turned_away(answering.ports["tls"], old)
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tls"])
        writer.write(options())
        async with asyncio.timeout(5):
            # At most an alert: nothing of SIP.
            assert b"SIP/2.0" not in await reader.read()
        writer.close()
        assert answering.dropped == {DropReason.HANDSHAKE: 2}


@pytest.mark.socket
async def test_who_never_ends_the_handshake_is_cut_off(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HANDSHAKE_TIMEOUT", 0.1)
    async with Answering(tls=place.certificates()) as answering:
        reader, writer = await asyncio.open_connection("127.0.0.1", answering.ports["tls"])
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        assert answering.dropped == {DropReason.HANDSHAKE: 1}


@pytest.mark.socket
async def test_our_bye_takes_the_callers_connection(place: Place) -> None:
    async with Answering(tls=place.certificates()) as answering:
        caller = Caller(Wire(transport="tls"), contact="<sips:a@192.0.2.99>")
        async with connection(answering.ports["tls"], place.context()) as (reader, writer):
            writer.write(caller.request("INVITE", uri="sips:0810257510@192.0.2.1"))
            ok = b""
            while b"200 OK" not in ok:
                ok = await reader.readuntil(b"\r\n\r\n")
            assert f"Contact: <sips:127.0.0.1:{answering.ports['tls']}>".encode() in ok
            await reader.readuntil(b"telephone-event/8000\r\n")
            caller.to_tag = ok.decode().rpartition("To: ")[2].partition("tag=")[2].split("\r\n")[0]
            writer.write(caller.request("ACK", cseq=1))
            while not answering.counts["Confirmed"]:
                await asyncio.sleep(0.01)
            answering.agent.bye(caller.to_tag, time.monotonic())
            answering.transport.pump()
            bye = await reader.readuntil(b"\r\n\r\n")
            assert bye.startswith(b"BYE sips:a@192.0.2.99 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:")


@pytest.mark.socket
@pytest.mark.parametrize("meant", [True, False])
async def test_a_new_connection_must_show_a_certificate_of_who_is_meant(
    place: Place, *, meant: bool
) -> None:
    """The caller's connection is gone; who listens at its Contact has to prove who it is."""
    shown = place.authority.sign("phone.example", addresses=["127.0.0.1" if meant else "192.0.2.7"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.put_nowait(await reader.readline())
        except OSError:
            heard.put_nowait(b"")
        writer.close()

    listener = await asyncio.start_server(came, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    async with Answering(tls=place.certificates(asks=True)) as answering:
        phone = place.authority.sign("caller.example", addresses=["127.0.0.1"])
        wire = Wire(transport="tls")
        caller = Caller(wire, contact=f"<sip:a@127.0.0.1:{port};transport=tls>")
        async with connection(answering.ports["tls"], place.context(phone)) as (reader, writer):
            writer.write(caller.request("INVITE"))
            text = b""
            while b"200 OK" not in text:
                text = await reader.readuntil(b"\r\n\r\n")
            caller.to_tag = text.decode().rpartition("To: ")[2].partition("tag=")[2].split("\r")[0]
            writer.write(caller.request("ACK", cseq=1))
            while not answering.counts["Confirmed"]:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        answering.agent.bye(caller.to_tag, time.monotonic())
        answering.transport.pump()
        async with asyncio.timeout(5):
            line = await heard.get()
        assert line.startswith(b"BYE sip:a@127.0.0.1:") if meant else line == b""
        assert answering.dropped == ({} if meant else {DropReason.HANDSHAKE: 1})
    listener.close()


@pytest.mark.socket
async def test_a_new_certificate_is_shown_without_a_restart(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Answering(tls=place.certificates()) as answering:
        port, context = answering.ports["tls"], place.context()
        first = await asks(port, context)
        place.authority.sign("ivr.example")  # over the old files
        second = await asks(port, context)
        assert second != first
        place.ours.certificate.write_text("nonsense", encoding="ascii")
        assert await asks(port, context) == second
        assert await asks(port, context) == second
    refusals = [line for line in capsys.readouterr().out.splitlines() if "refused" in line]
    assert len(refusals) == 1, "one line for a change"
    assert "no certificate in PEM form" in refusals[0]


def test_reload_reads_what_has_not_changed_too(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    certificates = place.certificates()
    before = certificates.server()
    certificates.reload()
    assert certificates.server() is not before
    assert "TLS certificate taken" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", "sip.tls.certificate: {certificate}: No such file or directory; name a file"),
        ("no certificate", "sip.tls.certificate: {certificate}: no certificate in PEM form"),
        ("expired", "sip.tls.certificate: {certificate}: expired on "),
        ("too early", "sip.tls.certificate: {certificate}: not valid before "),
        ("no key", "sip.tls.key: {key}: no private key in PEM form"),
        ("missing key", "sip.tls.key: {key}: No such file or directory; name a file"),
        ("wrong key", "sip.tls.key: {key}: not the key of {certificate}"),
        ("passphrase", "sip.tls.key: {key}: protected by a passphrase; give a key without one"),
        ("missing ca", "sip.tls.client_ca: {ca}: No such file or directory; name a file"),
        ("no ca", "sip.tls.client_ca: {ca}: no certificate in PEM form"),
    ],
)
def test_files_that_are_not_in_order_are_told_in_one_line(
    place: Place, tmp_path: Path, fault: str, said: str
) -> None:
    pair, files = place.ours, place.files(asks=True)
    match fault:
        case "missing":
            pair.certificate.unlink()
        case "no certificate":
            pair.certificate.write_bytes(pair.key.read_bytes())
        case "expired":
            place.authority.sign("ivr.example", since=-3, days=2)
        case "too early":
            place.authority.sign("ivr.example", since=2)
        case "no key":
            pair.key.write_text("nonsense", encoding="ascii")
        case "missing key":
            pair.key.unlink()
        case "wrong key":
            pair.key.write_bytes(place.authority.sign("other.example").key.read_bytes())
        case "passphrase":
            place.authority.sign("ivr.example", passphrase=b"canary-4831")
        case "missing ca":
            place.authority.file.unlink()
        case "no ca":
            place.authority.file.write_text("", encoding="ascii")
    with pytest.raises(CertificateError) as caught:
        Certificates(files, lambda: TODAY)
    expected = said.format(
        certificate=pair.certificate, key=pair.key, ca=tmp_path / "authority.pem"
    )
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("DNS", "SBC.example"), ("DNS", "b.example")], ("sbc.example", "b.example")),
        ([("DNS", "sbc.example"), ("URI", "sip:Carrier.example")], ("carrier.example",)),
        ([("URI", "sip:bob@carrier.example"), ("DNS", "d.example")], ("d.example",)),
        ([("URI", "https://carrier.example"), ("DNS", "d.example")], ("d.example",)),
        ([("IP Address", "192.0.2.1"), ("DNS", "d.example")], ("d.example", "192.0.2.1")),
        ([], ()),
    ],
)
def test_the_names_of_a_peer_are_those_of_rfc_5922(
    names: list[tuple[str, str]], expected: tuple[str, ...]
) -> None:
    assert peer_names({"subjectAltName": tuple(names)}) == expected
    assert peer_names(None) == ()

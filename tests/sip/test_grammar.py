"""The grammar, item by item: what is forgiven, what is refused, and that time is linear."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.sip.grammar.cseq import CSeq
from ivr.sip.grammar.headers import Headers, unfold
from ivr.sip.grammar.media_type import MediaType
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.scan import host_port, number, parameters, split, unquoted, write_parameters
from ivr.sip.grammar.uri import Uri
from ivr.sip.grammar.via import Via
from ivr.wire import WireError
from tests.work import work


@pytest.mark.parametrize(
    ("text", "scheme", "user", "host", "port"),
    [
        ("sip:alice@example.com", "sip", "alice", "example.com", None),
        ("SIP:alice:secret@EXAMPLE.com:5070;x?h=v", "sip", "alice", "example.com", 5070),
        ("sip:%61lice@[2001:db8::1]:5061", "sip", "alice", "2001:db8::1", 5061),
        ("sip:caf%C3%A9@x", "sip", "café", "x", None),
        ("sip:caf%E9@x", "sip", "café", "x", None),
        ("sips:192.0.2.1", "sips", "", "192.0.2.1", None),
        ("sip:a;b=c%40d?e,/@host", "sip", "a;b=c@d?e,/", "host", None),
        ("tel:+33-1(23).45;ext=6", "tel", "+3312345", "", None),
        ("urn:service:sos", "urn", "service:sos", "", None),
    ],
)
def test_a_uri_is_read(text: str, scheme: str, user: str, host: str, port: int | None) -> None:
    uri = Uri.parse(text)
    assert (uri.scheme, uri.user, uri.host, uri.port) == (scheme, user, host, port)


def test_uri_parameters_in_any_case() -> None:
    uri = Uri.parse("sip:a@b;Transport=UDP;LR;maddr=x")
    assert uri.transport == "udp"
    assert uri.is_loose_router


@pytest.mark.parametrize(
    "text",
    ["", "alice", ":x", "1sip:x", "sip:", "sip:@", "sip:a@b:x", "sip:a@b:70000", "sip:a@b c",
     "sip:a@[::1", "sip:a@[::1]x", "sip:a@[zz]", "tel:", "<sip:a@b>", "sip:a@é"],
)  # fmt: skip
def test_a_broken_uri_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("<sip:a@b>;tag=x", "", "sip:a@b", "x"),
        ("sip:a@b;tag=x", "", "sip:a@b", "x"),
        ('"A \\"<;," <sip:a@b;lr> ; TAG = x', 'A "<;,', "sip:a@b;lr", "x"),
        ("A B <sip:a@b>", "A B", "sip:a@b", None),
        ("<sip:a@b?x=y,z>", "", "sip:a@b?x=y,z", None),
        ('""<sip:a@b>', "", "sip:a@b", None),
    ],
)
def test_an_address_is_read(text: str, display: str, uri: str, tag: str | None) -> None:
    address = NameAddr.parse(text)
    assert (address.display, address.uri, address.tag) == (display, uri, tag)


@pytest.mark.parametrize(
    "text", ["", "*", '"a', '"a" sip:a@b', "<sip:a@b", "<sip:a@b> x", "<sip:a b@c>", "<>", "a b"]
)
def test_a_broken_address_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        NameAddr.parse(text)


def test_a_via_is_read_and_written() -> None:
    via = Via.parse('SIP / 2.0 / udp  Host.Example : 5070 ;Branch=z9hG4bKa; rport ; x="a;b"')
    assert (via.transport, via.sent_by, via.branch) == ("UDP", ("host.example", 5070), "z9hG4bKa")
    assert str(via) == 'SIP/2.0/UDP host.example:5070;branch=z9hG4bKa;rport;x="a;b"'
    assert via.has_cookie


def test_a_via_of_another_version_comes_back_as_it_was() -> None:
    assert str(Via.parse("SIP/7.0/UDP h;branch=x").received_from("192.0.2.9", 5060)) == (
        "SIP/7.0/UDP h;branch=x;received=192.0.2.9"
    )


@pytest.mark.parametrize(
    "text",
    ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/3,0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/UDP h:x",
     "SIP/2.0/UDP ;branch=x", "SIP/2.0/U,P h", "SIP/2.0/UDP [::1"],
)  # fmt: skip
def test_a_broken_via_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        Via.parse(text)


def test_a_cseq_is_read() -> None:
    assert CSeq.parse("0009\t INVITE") == CSeq(9, "INVITE")
    assert CSeq.parse("2147483647 X").number == 2**31 - 1


@pytest.mark.parametrize("text", ["", "1", "INVITE", "-1 BYE", "2147483648 BYE", "1 BYE x", "² BYE",
                                  "9" * 5000 + " BYE"])  # fmt: skip
def test_a_broken_cseq_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        CSeq.parse(text)


def test_a_media_type_is_read() -> None:
    assert MediaType.parse("Application / SDP ; Charset=x").name == "application/sdp"
    for broken in ("", "sdp", "a/", "/b", "a b/c"):
        with pytest.raises(WireError):
            MediaType.parse(broken)


def test_headers_in_any_case_compact_folded_and_spaced() -> None:
    text = "TO :\n sip:a@b ;\n\ttag=1\nv: one, two\nVIA: three\nY:\nm: *"
    headers = Headers.parse(unfold(text), 10)
    assert headers.get("to") == "sip:a@b ; tag=1"
    assert headers.values("via") == ["one", "two", "three"]
    assert headers.get("y", "default") == ""
    assert headers.get("absent", "default") == "default"
    assert "contact" in headers


def test_the_number_of_headers_is_limited() -> None:
    Headers.parse(["a: b"] * 200, 200)
    with pytest.raises(WireError, match="Too many header fields"):
        Headers.parse(["a: b"] * 201, 200)


@given(st.text(alphabet='ab",<>;\\ =', max_size=40))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_list_keeps_all_of_its_text(text: str) -> None:
    try:
        parts = split(text, ",")
    except WireError:
        return
    assert "".join(parts).replace(" ", "").replace(",", "") == text.replace(" ", "").replace(
        ",", ""
    )


@given(
    st.dictionaries(
        st.text("abcxyz-", min_size=1, max_size=6),
        st.none() | st.text('abc0129;,"', max_size=6).map(lambda value: f'"{_escaped(value)}"'),
    )
)
@settings(max_examples=200, derandomize=True, deadline=None)
def test_parameters_survive_writing_and_reading(values: dict[str, str | None]) -> None:
    assert parameters(write_parameters(values)) == values


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def test_quotes_come_off() -> None:
    assert unquoted('"a\\"b\\\\"') == 'a"b\\'
    assert unquoted("plain") == "plain"


def test_hosts_and_numbers() -> None:
    assert host_port(" example.com : 5060 ") == ("example.com", 5060)
    assert number("0068", 255) == 68
    for broken in ("", "+1", "1_0", "0x1", "٣", "9" * 30):
        with pytest.raises(WireError):
            number(broken, 2**64)


@pytest.mark.parametrize(
    ("parse", "unit"),
    [
        (Uri.parse, "tel:{}"),
        (Uri.parse, "sip:{}@host"),
        (NameAddr.parse, "{} <sip:a@b>"),
        (NameAddr.parse, '"{}" <sip:a@b>'),
        (Via.parse, "SIP/2.0/UDP h;x={}"),
        (lambda text: split(text, ","), "{}"),
        (parameters, "{}"),
        (lambda text: Headers.parse(unfold(text), 10**6), "{}"),
    ],
)
@pytest.mark.parametrize(
    "piece", ["1", '"', "\\", "<", ";", ",", "a=b;", '",', "<>,", "%41", "\n ", "a:b\n"]
)
def test_work_grows_with_size_and_no_faster(
    parse: Callable[[str], object], unit: str, piece: str
) -> None:
    small, large = (
        work(lambda times=times: parse(unit.format(piece * times)))  # type: ignore[misc]
        for times in (500, 4000)
    )
    assert large <= 8 * small + 200

"""Offers and answers: bodies of real phones and exchanges, holds, refusals, and damage."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.sip import sdp
from ivr.wire import WireError
from tests.mutation import damaged

FOLDER = Path(__file__).parent / "sdp"
OURS = sdp.Capabilities()
LOCAL = sdp.LocalMedia("192.0.2.1", 10_000, 77, 3)


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.sdp").read_bytes()


def negotiated(name: str, capabilities: sdp.Capabilities = OURS) -> sdp.Negotiated:
    agreed = sdp.negotiate(sdp.parse(body(name)), capabilities)
    assert agreed is not None
    return agreed


def offering(*lines: str) -> sdp.SessionDescription:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0")
    return sdp.parse("\r\n".join([*head, *lines]).encode())


def agreed_on(*lines: str) -> sdp.Negotiated:
    agreed = sdp.negotiate(offering(*lines), OURS)
    assert agreed is not None
    return agreed


def answer_lines(offer: sdp.SessionDescription) -> list[str]:
    agreed = sdp.negotiate(offer, OURS)
    assert agreed is not None
    return sdp.answer(offer, agreed, LOCAL).decode().split("\r\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "pjsip_phone",
            sdp.Negotiated(
                ("192.0.2.40", 4000), "pcmu", 0, 20, {120: 16000, 121: 8000}, True, True,
                ("192.0.2.40", 4001),
            ),
        ),
        (
            "linphone",
            sdp.Negotiated(
                ("192.0.2.41", 7078), "pcmu", 0, 20, {99: 16000, 100: 8000}, True, True,
                ("192.0.2.41", 7079),
            ),
        ),
        (
            "asterisk",
            sdp.Negotiated(
                ("192.0.2.42", 17640), "pcma", 8, 20, {101: 8000}, True, True, ("192.0.2.42", 17641)
            ),
        ),
        (
            "carrier_sbc",
            sdp.Negotiated(
                ("198.51.100.8", 31482), "pcma", 8, 30, {100: 8000}, True, True,
                ("198.51.100.8", 31483),
            ),
        ),
        (
            "bare_static_types",
            sdp.Negotiated(
                ("192.0.2.43", 20000), "pcmu", 0, 20, {}, True, True, ("192.0.2.43", 20001)
            ),
        ),
        (
            "dynamic_numbers_for_g711",
            sdp.Negotiated(
                ("2001:db8::44", 20002), "pcma", 111, 30, {96: 8000}, True, True,
                ("2001:db8::44", 20003),
            ),
        ),
        ("hold_by_address", sdp.Negotiated(None, "pcma", 8, 20, {}, True, False, None)),
        (
            "secure_first_then_plain",
            sdp.Negotiated(
                ("192.0.2.46", 20008), "pcmu", 0, 20, {}, False, False, ("192.0.2.47", 20999), 2
            ),
        ),
    ],
)  # fmt: skip
def test_what_each_peer_offers_is_understood(name: str, expected: sdp.Negotiated) -> None:
    assert negotiated(name) == expected


def test_nothing_in_common_is_no_agreement() -> None:
    assert sdp.negotiate(sdp.parse(body("nothing_in_common")), OURS) is None


def test_a_codec_that_we_switched_off_is_not_taken() -> None:
    assert negotiated("asterisk", sdp.Capabilities(codecs=("pcmu",))).codec == "pcmu"


def test_telephone_events_that_we_switched_off_are_not_taken() -> None:
    assert negotiated("asterisk", sdp.Capabilities(telephone_event=False)).dtmf == {}


def test_the_answer_names_the_offers_numbers() -> None:
    lines = answer_lines(sdp.parse(body("pjsip_phone")))
    assert lines == [
        "v=0",
        "o=- 77 3 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 10000 RTP/AVP 0 121 120",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:121 telephone-event/8000",
        "a=fmtp:121 0-15",
        "a=rtpmap:120 telephone-event/16000",
        "a=fmtp:120 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_other_media_are_refused_in_their_place() -> None:
    lines = answer_lines(sdp.parse(body("secure_first_then_plain")))
    assert [line for line in lines if line.startswith("m=")] == [
        "m=audio 0 RTP/SAVP 8",
        "m=application 0 DTLS/SCTP 5000",
        "m=audio 10000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 8",
    ]


def test_an_answer_in_ipv6() -> None:
    offer = sdp.parse(body("dynamic_numbers_for_g711"))
    agreed = negotiated("dynamic_numbers_for_g711")
    local = replace(LOCAL, host="2001:db8::1")
    text = sdp.answer(offer, agreed, local).decode()
    assert "o=- 77 3 IN IP6 2001:db8::1\r\n" in text
    assert "c=IN IP6 2001:db8::1\r\n" in text


@pytest.mark.parametrize(
    ("theirs", "ours", "sends", "receives"),
    [
        ("sendrecv", "sendrecv", True, True),
        ("sendonly", "recvonly", False, True),
        ("recvonly", "sendonly", True, False),
        ("inactive", "inactive", False, False),
    ],
)
def test_the_direction_is_mirrored(theirs: str, ours: str, sends: bool, receives: bool) -> None:
    for lines in (
        ("m=audio 4000 RTP/AVP 8", f"a={theirs}"),
        (f"a={theirs}", "m=audio 4000 RTP/AVP 8"),
    ):
        agreed = agreed_on(*lines)
        assert (agreed.sends, agreed.receives) == (sends, receives)
        assert f"a={ours}" in answer_lines(offering(*lines))


def test_the_streams_own_direction_comes_before_the_sessions() -> None:
    assert agreed_on("a=inactive", "m=audio 4000 RTP/AVP 8", "a=sendrecv").sends


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        ([], 20),
        (["a=ptime:10"], 10),
        (["a=ptime:60"], 60),
        (["a=ptime: 30 "], 30),
        (["a=ptime:70"], 20),
        (["a=ptime:25"], 20),
        (["a=ptime:0"], 20),
        (["a=ptime:x"], 20),
        (["a=maxptime:10"], 10),
        (["a=ptime:60", "a=maxptime:40"], 40),
        (["a=maxptime:5"], 20),
    ],
)
def test_the_packets_length(attributes: list[str], ptime: int) -> None:
    assert agreed_on("m=audio 4000 RTP/AVP 8", *attributes).ptime_ms == ptime


@pytest.mark.parametrize(
    ("attribute", "rtcp"),
    [
        ("a=rtcp:5555", ("192.0.2.9", 5555)),
        ("a=rtcp:5555 IN IP4 192.0.2.10", ("192.0.2.10", 5555)),
        ("a=rtcp:x", ("192.0.2.9", 4001)),
        ("a=rtcp:", ("192.0.2.9", 4001)),
        ("a=rtcp:5555 IN IP4 host.example", ("192.0.2.9", 4001)),
        ("a=rtcp:0", None),
    ],
)
def test_where_their_rtcp_is(attribute: str, rtcp: tuple[str, int] | None) -> None:
    assert agreed_on("m=audio 4000 RTP/AVP 8", attribute).rtcp == rtcp


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("m=video 4000 RTP/AVP 8",),
        ("m=audio 4000 RTP/SAVP 8",),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 8",),
        ("m=audio 0 RTP/AVP 8",),
        ("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"),
        ("m=audio 4000 RTP/AVP 8", "a=rtpmap:8 PCMA/16000"),
        ("m=audio 4000 RTP/AVP 99", "a=rtpmap:99 PCMA/8000/2"),
        ("m=audio 4000 RTP/AVP 200", "a=rtpmap:200 PCMA/8000"),
        ("m=audio 4000 RTP/AVP 8", "c=IN IP4 phone.example"),
        ("m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1/127"),
    ],
)
def test_what_we_cannot_take(lines: tuple[str, ...]) -> None:
    assert sdp.negotiate(offering(*lines), OURS) is None


def test_our_offer_and_its_answer() -> None:
    offer = sdp.parse(sdp.offer(LOCAL, OURS))
    (stream,) = offer.media
    assert stream.formats == ("8", "0", "101")
    assert (offer.connection, stream.port) == ("192.0.2.1", 10_000)
    agreed = sdp.accept_answer(
        OURS,
        offering("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000", "a=ptime:30"),
    )
    assert agreed is not None
    assert (agreed.codec, agreed.payload_type, agreed.ptime_ms) == ("pcmu", 0, 30)
    assert agreed.dtmf == {96: 8000, 101: 8000}


def test_an_answer_that_refuses_our_stream() -> None:
    assert sdp.accept_answer(OURS, offering("m=audio 0 RTP/AVP 8")) is None
    assert sdp.accept_answer(OURS, offering()) is None


def test_an_offer_without_telephone_events() -> None:
    text = sdp.offer(LOCAL, sdp.Capabilities(("pcmu",), telephone_event=False)).decode()
    assert "m=audio 10000 RTP/AVP 0\r\n" in text
    assert "telephone-event" not in text


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.iterdir()))
def test_a_description_survives_writing_and_reading(name: str) -> None:
    once = sdp.parse(body(name))
    assert sdp.parse(once.serialise()) == once


def test_small_sins_are_forgiven() -> None:
    text = b"v=0\nm=audio 4000/1 rtp/avp 8\na=SENDONLY \nc=IN IP4 192.0.2.9\n\0\n"
    agreed = sdp.negotiate(sdp.parse(text), OURS)
    assert agreed is not None
    assert (agreed.remote, agreed.sends) == (("192.0.2.9", 4000), False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "SDP does not begin with v=0"),
        (b"o=- 1 1 IN IP4 x\r\n", "SDP does not begin with v=0"),
        (b"v=0\r\nnonsense\r\n", "Malformed SDP line"),
        (b"v=0\r\nm=audio\r\n", "Malformed media line in SDP"),
        (b"v=0\r\nm=audio x RTP/AVP 8\r\n", "Malformed number"),
        (b"v=0\r\nm=audio 70000 RTP/AVP 8\r\n", "Number out of range"),
        (b"v=0\r\nc=IN IP4\r\n", "Malformed connection line in SDP"),
        (b"v=0\r\n" + b"m=audio 1 RTP/AVP 8\r\n" * 33, "Too many media in SDP"),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, "SDP too large"),
    ],
)
def test_a_broken_description_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        sdp.parse(data)
    assert caught.value.reason == reason


def _agreement(data: bytes) -> None:
    offer = sdp.parse(data)
    agreed = sdp.negotiate(offer, OURS)
    if agreed:
        sdp.parse(sdp.answer(offer, agreed, LOCAL))


def test_nothing_but_wire_error_escapes() -> None:
    for data in damaged([file.read_bytes() for file in sorted(FOLDER.iterdir())]):
        try:
            _agreement(data)
        except WireError:
            continue


@given(st.lists(st.text("vmca=: 018/AVPRTIN.\t\xe9", max_size=30), max_size=10))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_lines_of_anything_raise_nothing_else(lines: list[str]) -> None:
    with contextlib.suppress(WireError):
        _agreement("\n".join(["v=0", *lines]).encode("latin-1"))

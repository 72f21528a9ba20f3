"""Keys for SRTP in session descriptions (RFC 4568): read strictly, chosen, offered, never shown."""

import base64
from dataclasses import replace

import pytest

from ivr.sip import sdp
from ivr.sip.sdp import crypto
from ivr.sip.sdp.crypto import Crypto, SecureSound, Suite
from ivr.wire import WireError
from tests.mutation import damaged

KEY = bytes(range(30))
INLINE = "inline:" + base64.b64encode(KEY).decode()
GCM = "inline:" + base64.b64encode(KEY[:28]).decode()
CM_80, CM_32 = Suite.AES_CM_128_HMAC_SHA1_80, Suite.AES_CM_128_HMAC_SHA1_32
LOCAL = sdp.LocalMedia("192.0.2.1", 10_000, 77, 3)
OFF, OPTIONAL, REQUIRED = (sdp.Capabilities(secure_sound=level) for level in SecureSound)


def description(*lines: str) -> sdp.SessionDescription:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0")
    return sdp.parse("\r\n".join([*head, *lines]).encode())


def offer(profile: str, *cryptos: str) -> sdp.SessionDescription:
    return description(f"m=audio 4000 {profile} 8", *(f"a=crypto:{text}" for text in cryptos))


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}",
        f"1  AES_CM_128_HMAC_SHA1_80  {INLINE}|2^20",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1048576 WSH=128",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^48 KDR=0 -UNKNOWN=3",
    ],
)
def test_what_is_read(value: str) -> None:
    assert crypto.parse(value) == Crypto(1, CM_80, KEY)


def test_a_key_of_gcm_with_and_without_its_padding() -> None:
    for text in (GCM, GCM.rstrip("=")):
        assert crypto.parse(f"7 AEAD_AES_128_GCM {text}") == Crypto(
            7, Suite.AEAD_AES_128_GCM, KEY[:28]
        )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "Unknown crypto suite"),
        (f"1 F8_128_HMAC_SHA1_80 {INLINE}", "Unknown crypto suite"),
        (f"x AES_CM_128_HMAC_SHA1_80 {INLINE}", "Malformed number"),
        (f"1234567890 AES_CM_128_HMAC_SHA1_80 {INLINE}", "Crypto tag too long"),
        ("1 AES_CM_128_HMAC_SHA1_80", "Crypto key not inline"),
        ("1 AES_CM_128_HMAC_SHA1_80 uri:x", "Crypto key not inline"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA", "Crypto key of another length"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE[:-1]}!", "Malformed crypto key"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {GCM}", "Crypto key of another length"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE};{INLINE}", "More than one crypto key"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20|1:4", "Master key identifier not supported"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1:4", "Master key identifier not supported"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^49", "Number out of range"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|0", "Crypto key without a life"),
        *(
            (f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} {name}", "Crypto session parameter not supported")
            for name in (
                *("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP"),
                *("KDR=4", "FEC_ORDER=FEC_SRTP", "FEC_KEY=inline:x", "NEW", "-"),
            )
        ),
    ],
)
def test_what_is_refused_by_name(value: str, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        crypto.parse(value)
    assert caught.value.reason == reason


def test_the_suite_is_our_choice_and_the_tag_is_theirs() -> None:
    agreed = sdp.negotiate(
        offer(
            "RTP/SAVP",
            f"1 AES_CM_128_HMAC_SHA1_32 {INLINE}",
            f"4 AES_CM_128_HMAC_SHA1_80 {INLINE}",
            f"5 AEAD_AES_128_GCM {GCM} UNENCRYPTED_SRTP",
            f"4 AEAD_AES_128_GCM {GCM}",
        ),
        OPTIONAL,
    )
    assert agreed is not None
    assert agreed.crypto == Crypto(4, CM_80, KEY)


@pytest.mark.parametrize(
    ("capabilities", "profile", "keys", "secured"),
    [
        (OFF, "RTP/AVP", True, False),
        (OFF, "RTP/AVP", False, False),
        (OFF, "RTP/SAVP", True, None),
        (OPTIONAL, "RTP/AVP", True, True),
        (OPTIONAL, "RTP/AVP", False, False),
        (OPTIONAL, "RTP/SAVP", True, True),
        (OPTIONAL, "RTP/SAVPF", True, True),
        (OPTIONAL, "RTP/SAVP", False, None),
        (OPTIONAL, "UDP/TLS/RTP/SAVP", True, None),
        (REQUIRED, "RTP/AVP", True, True),
        (REQUIRED, "RTP/AVP", False, None),
        (REQUIRED, "RTP/SAVP", True, True),
    ],
)
def test_secured_plain_or_refused(
    capabilities: sdp.Capabilities, profile: str, keys: bool, secured: bool | None
) -> None:
    theirs = offer(profile, *([f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}"] if keys else []))
    agreed = sdp.negotiate(theirs, capabilities)
    assert (agreed and agreed.crypto is not None) == secured
    if agreed is None:
        return
    ours = (sdp.fresh(1, CM_80),) if secured else ()
    lines = sdp.answer(theirs, agreed, replace(LOCAL, crypto=ours)).decode().split("\r\n")
    assert f"m=audio 10000 {profile} 8" in lines
    assert [line for line in lines if "crypto" in line] == [f"a=crypto:{k.value}" for k in ours]


def test_a_secure_stream_comes_before_a_plain_one() -> None:
    both = description(
        "m=audio 4000 RTP/AVP 8",
        "m=audio 4002 RTP/SAVP 8",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {INLINE}",
    )
    chosen = [sdp.negotiate(both, level) for level in (OFF, OPTIONAL, REQUIRED)]
    assert [agreed and agreed.media for agreed in chosen] == [0, 1, 1]


@pytest.mark.parametrize(
    ("capabilities", "profile", "count"),
    [(OFF, "RTP/AVP", 0), (OPTIONAL, "RTP/AVP", 3), (REQUIRED, "RTP/SAVP", 3)],
)
def test_our_offer(capabilities: sdp.Capabilities, profile: str, count: int) -> None:
    ours = sdp.fresh_offer()[:count]
    (stream,) = sdp.parse(sdp.offer(replace(LOCAL, crypto=ours), capabilities)).media
    assert stream.protocol == profile
    assert crypto.offered(stream.attributes) == list(ours)
    assert len({key.key for key in ours}) == count


def test_an_answer_to_our_offer() -> None:
    ours = sdp.fresh_offer()
    taken = f"2 AES_CM_128_HMAC_SHA1_80 {INLINE}"
    agreed = sdp.accept_answer(REQUIRED, offer("RTP/SAVP", taken), ours)
    assert agreed is not None
    assert agreed.crypto == Crypto(2, CM_80, KEY)
    for wrong in ((), (f"9 AES_CM_128_HMAC_SHA1_80 {INLINE}",), (f"2 {CM_32} {INLINE}",)):
        assert sdp.accept_answer(REQUIRED, offer("RTP/SAVP", *wrong), ours) is None
    plain = sdp.accept_answer(OPTIONAL, offer("RTP/AVP"), ours)
    assert plain is not None
    assert plain.crypto is None
    assert sdp.accept_answer(REQUIRED, offer("RTP/AVP"), ours) is None


def test_keys_show_nowhere() -> None:
    theirs = offer("RTP/SAVP", f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}")
    agreed = sdp.negotiate(theirs, REQUIRED)
    assert agreed is not None
    shown = repr((theirs, agreed, replace(LOCAL, crypto=(Crypto(1, CM_80, KEY),))))
    assert INLINE.removeprefix("inline:") not in shown
    assert repr(KEY)[2:-1] not in shown


def test_nothing_but_wire_error_escapes() -> None:
    samples = [
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^20|1:4 WSH=64".encode(),
        f"2 AEAD_AES_128_GCM {GCM} KDR=0 -X".encode(),
    ]
    for data in damaged(samples):
        try:
            read = crypto.parse(data.decode("latin-1"))
        except WireError:
            continue
        assert len(read.key) == read.suite.key_size

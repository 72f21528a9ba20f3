"""When keys of sound are new and when they stay, from one offer of a call to the next."""

import base64
import re

from ivr.media.session import MediaSession, StreamParams
from ivr.negotiation import Agreement
from ivr.sip.sdp import Capabilities, SecureSound

FIRST, SECOND = (bytes([octet]) * 30 for octet in (1, 2))


class Sound(MediaSession):
    """Notes what a call's sound was told."""

    def __init__(self) -> None:
        self.local = ("192.0.2.1", 10_000)
        self.params: list[StreamParams] = []

    def configure(self, params: StreamParams) -> None:
        self.params.append(params)


def description(key: bytes | None, tag: int = 1) -> bytes:
    lines = ["v=0", "c=IN IP4 192.0.2.9", "m=audio 4000 RTP/AVP 8"]
    if key is not None:
        inline = base64.b64encode(key).decode()
        lines.append(f"a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{inline}")
    return "\r\n".join(lines).encode()


def keys_in(sdp: bytes) -> list[bytes]:
    return [base64.b64decode(key) for key in re.findall(rb"inline:(\S+)", sdp)]


def version(sdp: bytes) -> bytes:
    return sdp.split(b"o=")[1].split()[2]


def an_agreement(level: SecureSound = SecureSound.OPTIONAL) -> tuple[Agreement, Sound]:
    sound = Sound()
    return Agreement(sound, Capabilities(secure_sound=level), "192.0.2.1"), sound


def test_our_key_is_new_with_each_call_and_each_new_key_of_theirs() -> None:
    agreement, sound = an_agreement()
    first, again = agreement.answer(description(FIRST)), agreement.answer(description(FIRST))
    rekeyed = agreement.answer(description(SECOND))
    assert first == again, "the same offer has the same answer, key and version included"
    assert keys_in(rekeyed) != keys_in(first)
    assert version(rekeyed) != version(first)
    assert keys_in(an_agreement()[0].answer(description(FIRST))) != keys_in(first)
    told = [params.keys for params in sound.params]
    assert [keys and (keys.ours, keys.theirs) for keys in told] == [
        (*keys_in(first), FIRST),
        (*keys_in(first), FIRST),
        (*keys_in(rekeyed), SECOND),
    ]


def test_what_we_answered_is_still_ours_when_we_offer_it_for_a_refresh() -> None:
    agreement, sound = an_agreement()
    ours = keys_in(agreement.answer(description(FIRST)))
    agreement.take_answer(description(SECOND))
    keys = sound.params[-1].keys
    assert keys is not None
    assert ([keys.ours], keys.theirs) == (ours, SECOND)


def test_our_offer_has_a_key_for_each_suite_and_the_answer_picks_one() -> None:
    agreement, sound = an_agreement()
    ours = keys_in(agreement.offer())
    assert len(set(ours)) == 3
    assert set(ours).isdisjoint(keys_in(agreement.offer()))
    ours = keys_in(agreement.offer())
    agreement.take_answer(description(FIRST, tag=2))
    keys = sound.params[-1].keys
    assert keys is not None
    assert (keys.suite, keys.ours, keys.theirs) == ("AES_CM_128_HMAC_SHA1_80", ours[1], FIRST)


def test_sound_may_become_plain_where_it_may() -> None:
    agreement, sound = an_agreement()
    agreement.answer(description(FIRST))
    assert keys_in(agreement.answer(description(None))) == []
    assert sound.params[-1].keys is None

"""Messages between front and worker: cut as the stream likes, never too long, never telling."""

import msgspec
import pytest

from ivr.media import link
from ivr.media.stream import Clip, SrtpKeys, StreamParams, StreamStats

KEYS = SrtpKeys("AES_CM_128_HMAC_SHA1_80", b"o" * 30, b"t" * 30)

ORDERS: list[link.Order] = [
    link.Setup("127.0.0.1", (0, 0), 0, 1, 5.0, 10, 100, True, True),
    link.Open(1),
    link.Configure(
        1, StreamParams(("192.0.2.1", 4000), None, "pcmu", 0, 30, {96: 16000}, sends=False)
    ),
    link.Configure(1, StreamParams(None, None, "pcma", 8, 20, {}, keys=KEYS)),
    link.Play(1, 2, (Clip(0, 100), Clip(50, 20)), True),
    link.InfoKey(1, "9", 0.25),
]
REPORTS: list[link.Report] = [
    link.Ready(True),
    link.Opened(1, ("127.0.0.1", 4000)),
    link.Pressed(1, "9", "inband"),
    link.Closed(1, StreamStats(sent=3, ways=frozenset({"info"}))),
]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_survive_any_cut(size: int) -> None:
    stream = b"".join(map(link.encode, ORDERS))
    frames = link.Frames()
    bodies = [
        body for at in range(0, len(stream), size) for body in frames.feed(stream[at : at + size])
    ]
    decoder = msgspec.msgpack.Decoder(link.Order)
    assert [decoder.decode(body) for body in bodies] == ORDERS


def test_reports_survive() -> None:
    decoder = msgspec.msgpack.Decoder(link.Report)
    bodies = link.Frames().feed(b"".join(map(link.encode, REPORTS)))
    assert [decoder.decode(body) for body in bodies] == REPORTS


def test_a_message_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(link.LinkError):
        list(link.Frames().feed((link.MAX_MESSAGE + 1).to_bytes(4, "big")))


def test_keys_do_not_show() -> None:
    assert "9" not in repr(link.InfoKey(1, "9", 0.25))
    assert "9" not in repr(link.Pressed(1, "9", "info"))
    assert "oooo" not in repr(ORDERS)
    assert "tttt" not in repr(ORDERS)

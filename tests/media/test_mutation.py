"""Ten thousand damaged packets of each kind: dropped by the engine, `WireError` of the parsers."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ivr.media import rfc4733, rtcp
from ivr.media.engine import Engine
from ivr.media.reception import ReportBlock
from ivr.media.stream import StreamParams
from ivr.wire import WireError
from tests.media.packets import PEER, event, mixed, packet

COUNT = 10_000
BATCH = 40
RTP_SEEDS = [
    packet(1, 160),
    packet(2, 320, b"\xbe\xde\0\1extnsound", first=0x90),
    packet(3, 480, b"csrc\0\0\0\1extnsound\1", first=0xB1),
    event(4, 640, "5", 160, marker=True),
    event(5, 640, "5", 320, end=True),
    event(6, 9000, "#", 65535),
]
BLOCK = ReportBlock(9, 1, 2, 3, 4)
RTCP_SEEDS = [
    rtcp.build(7, "abc", rtcp.SenderInfo(1 << 40, 5, 6, 7), BLOCK, rtcp.LastReport(3, 0.5)),
    rtcp.build(7, "name@192.0.2.1", None, BLOCK, rtcp.LastReport(), bye=True),
]


def damaged(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """A seed cut, lengthened or with octets changed; now and then nothing but noise."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        match chance.randrange(5):
            case 0:
                del data[chance.randint(0, len(data)) :]
            case 1:
                data += chance.randbytes(chance.choice([1, 3, 40, 1472]))
            case 2 if data:
                data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 3 if data:
                data[chance.randrange(min(16, len(data)))] ^= 1 << chance.randrange(8)
            case _ if chance.random() < 0.2:
                data = bytearray(chance.randbytes(chance.randint(0, 80)))
    return bytes(data)


def test_damaged_rtp_never_stops_the_engine() -> None:
    chance = random.Random(4733)
    engine = Engine(4, np.zeros(2, np.uint8))
    slots = [engine.open(0.0, "c") for _ in range(4)]
    for slot in slots:
        dtmf = {101: 8000, 96: 16000}
        engine.configure(slot, StreamParams(PEER, None, "pcma", 8, 20, dtmf))
    for number in range(COUNT // BATCH):
        items = [(chance.choice(slots), damaged(RTP_SEEDS, chance), PEER) for _ in range(BATCH)]
        engine.receive(mixed(items), number * 0.02)
        engine.tick(number, number * 0.02)
        engine.reports(number * 0.02, 1e9)
        engine.events()
    assert engine.malformed > COUNT // 20
    assert sum(engine.stats(slot).received for slot in slots) > COUNT // 20
    engine.receive(mixed([(slots[0], packet(1, 0, ssrc=1234), PEER)]), 1e4)
    before = engine.stats(slots[0]).received
    engine.receive(mixed([(slots[0], packet(2, 160, ssrc=1234), PEER)]), 1e4)
    assert engine.stats(slots[0]).received == before + 1


def test_damaged_rtcp_never_stops_the_engine() -> None:
    chance = random.Random(3550)
    engine = Engine(1, np.zeros(2, np.uint8))
    slot = engine.open(0.0, "c")
    engine.configure(slot, StreamParams(PEER, None, "pcma", 8, 20, {}))
    for number in range(COUNT):
        engine.receive_rtcp(slot, damaged(RTCP_SEEDS, chance), PEER, number * 0.01)
        if number % 500 == 0:
            assert all(report.data for report in engine.reports(number * 0.01, 1e9))
    assert 0 < engine.malformed < COUNT


@pytest.mark.parametrize(
    ("parse", "seeds"),
    [(rtcp.parse, RTCP_SEEDS), (rfc4733.parse, [b"\x05\x8a\x03\x20"])],
    ids=["rtcp", "telephone-event"],
)
def test_parsers_raise_wire_error_only(
    parse: Callable[[bytes], object], seeds: Sequence[bytes]
) -> None:
    chance = random.Random(1)
    refused = 0
    for _ in range(COUNT):
        try:
            parse(damaged(seeds, chance))
        except WireError:
            refused += 1
    assert 0 < refused < COUNT

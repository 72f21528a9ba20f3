"""Sound under damage: RTP and RTCP into the engine, telephone events into their receiver."""

from collections.abc import Sequence
from itertools import count

import numpy as np

from ivr.media import rfc4733, rtcp
from ivr.media.engine import Engine
from ivr.media.reception import ReportBlock
from ivr.media.stream import StreamParams
from ivr.wire import WireError
from tests.fuzz.damage import BINARY
from tests.fuzz.targets import Target
from tests.media.packets import PEER, event, mixed, packet

TICK = 0.02
BLOCK = ReportBlock(9, 1, 2, 3, 4)
PACKETS = [
    packet(1, 160),
    packet(2, 320, b"\xbe\xde\0\1extnsound", first=0x90),
    packet(3, 480, b"csrc\0\0\0\1extnsound\1", first=0xB1),
    packet(65535, 0xFFFFFFFF, marker=True, ssrc=0xFFFFFFFF),
    event(4, 640, "5", 160, marker=True),
    event(5, 640, "5", 320, end=True),
    event(6, 9000, "#", 65535),
    event(7, 9100, "1", 800, payload_type=96),
]
REPORTS = [
    rtcp.build(7, "abc", rtcp.SenderInfo(1 << 40, 5, 6, 7), BLOCK, rtcp.LastReport(3, 0.5)),
    rtcp.build(7, "name@192.0.2.1", None, BLOCK, rtcp.LastReport(), bye=True),
    rtcp.build(7, "", None, None, rtcp.LastReport()),
]
EVENTS = [bytes([key, 0x8A * end, 0, 160]) for key in range(18) for end in (0, 1)]


def _engine() -> tuple[Engine, list[int]]:
    engine = Engine(4, np.zeros(2, np.uint8))
    slots = [engine.open(0.0, "c") for _ in range(4)]
    for slot in slots:
        engine.listen(slot, True)
        dtmf = {101: 8000, 96: 16000}
        engine.configure(slot, StreamParams(PEER, None, "pcma", 8, 20, dtmf))
    return engine, slots


class Rtp(Target):
    """The engine's receive path, with four calls whose clock goes on."""

    name = "rtp"
    share = 110
    ways = BINARY

    def whole(self) -> Sequence[bytes]:
        return PACKETS

    def __init__(self) -> None:
        super().__init__()
        self._turns = count()
        self._engine, self._slots = _engine()

    def feed(self, data: bytes) -> bool:
        turn = next(self._turns)
        before = self._engine.malformed
        slot = self._slots[turn % len(self._slots)]
        self._engine.receive(mixed([(slot, data, PEER)]), turn * TICK)
        if turn % 10 == 0:
            self._engine.tick(turn // 10, turn * TICK)
            self._engine.reports(turn * TICK, 1e9)
            self._engine.events()
        return self._engine.malformed == before

    def settle(self) -> None:
        for slot in self._slots:
            self._engine.close(slot, 0.0, 1e9)
        assert self._engine.calls == 0
        self._engine, self._slots = _engine()
        self._turns = count()


class Rtcp(Target):
    """RTCP, by its parser and by the engine."""

    name = "rtcp"
    share = 66
    ways = BINARY

    def whole(self) -> Sequence[bytes]:
        return REPORTS

    def __init__(self) -> None:
        super().__init__()
        self._turns = count()
        self._engine, self._slots = _engine()

    def feed(self, data: bytes) -> bool:
        turn = next(self._turns)
        self._engine.receive_rtcp(self._slots[0], data, PEER, turn * TICK)
        if turn % 100 == 0:
            assert all(report.data for report in self._engine.reports(turn * TICK, 1e9))
        try:
            rtcp.parse(data)
        except WireError:
            return False
        return True

    def settle(self) -> None:
        self._engine, self._slots = _engine()
        self._turns = count()


class TelephoneEvents(Target):
    """RFC 4733: payloads with numbers that go forward, back and round."""

    name = "rfc 4733"
    share = 30
    ways = BINARY

    def whole(self) -> Sequence[bytes]:
        return EVENTS

    def __init__(self) -> None:
        super().__init__()
        self._receiver = rfc4733.EventReceiver()
        self._now = 0.0

    def feed(self, data: bytes) -> bool:
        try:
            payload = rfc4733.parse(data)
        except WireError:
            return False
        self._now += TICK
        mark = sum(data)
        self._receiver.receive(
            payload,
            sequence=mark * 257 & 0xFFFF,
            timestamp=mark % 7 * 0x40000000 & 0xFFFFFFFF,
            marker=bool(mark & 1),
            rate=8000 if mark & 2 else 16000,
            now=self._now,
        )
        return True

    def settle(self) -> None:
        self._receiver.advance(self._now + 10)
        assert self._receiver.deadline is None

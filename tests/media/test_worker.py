"""A worker on a machine that is too slow for its calls."""

import contextlib
import mmap
import socket
import threading
import time

import msgspec
import pytest

from ivr.media import link
from ivr.media.engine import Engine
from ivr.media.playout import Burst
from ivr.media.stream import StreamParams
from ivr.media.worker import FrontGone, Worker

pytestmark = pytest.mark.socket


def test_one_that_is_always_late_goes_on_hearing_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(engine: Engine, number: int, now: float) -> list[Burst]:
        time.sleep(0.03)
        return []

    monkeypatch.setattr(Engine, "tick", slow)
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.setblocking(False)
    setup = link.Setup("127.0.0.1", (0, 0), 0, 1, 5.0, 10, 800, False, False)
    worker = Worker(theirs, setup, mmap.mmap(-1, 2 * setup.bank_size))

    def serve() -> None:
        with contextlib.suppress(FrontGone):
            worker.run()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        params = StreamParams(("127.0.0.1", 9), None, "pcma", 8, 20, {})
        for order in (link.Open(1), link.Configure(1, params), link.AskLoad(1)):
            ours.sendall(link.encode(order))
        time.sleep(0.5)
        for request in range(2, 7):
            ours.sendall(link.encode(link.AskLoad(request)))
        frames, decoder = link.Frames(), msgspec.msgpack.Decoder(link.Report)
        loads: list[link.Load] = []
        while not loads or loads[-1].request != 6:
            reports = [decoder.decode(body) for body in frames.feed(ours.recv(65536))]
            loads += [report for report in reports if isinstance(report, link.Load)]
    finally:
        ours.close()
        thread.join(10)
        theirs.close()
    first, last = loads[0], loads[-1]
    assert last.calls == 1
    assert last.busy_seconds - first.busy_seconds > 0.8 * (last.clock - first.clock)

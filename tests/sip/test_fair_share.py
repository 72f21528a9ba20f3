"""A flood from one address does not stop the callers from another."""

import asyncio
import contextlib

import pytest

from ivr.sip import fair_share
from ivr.sip.events import DropReason
from ivr.sip.fair_share import FAULT_COST, FairShare, Shares
from tests.sip.answering import Answering
from tests.sip.caller import Caller
from tests.wire import Wire

SBC = "192.0.2.7"
INVITE = b"INVITE sip:a@b SIP/2.0\r\n"


def taken(share: FairShare, host: str, count: int, now: float, data: bytes = b"BYE") -> int:
    return sum(share.takes(host, data, now) for _ in range(count))


def shares() -> FairShare:
    return FairShare(Shares(), lambda host: host == SBC)


def test_a_busy_trunk_never_meets_its_limit() -> None:
    """200 calls a second of 10 messages each, for a minute, in bursts of a fifth of a second."""
    share = shares()
    for step in range(300):
        now = step / 5
        assert taken(share, SBC, 40, now, INVITE) == 40
        assert taken(share, SBC, 360, now) == 360


def test_a_stranger_has_its_share_and_no_more() -> None:
    share = shares()
    assert taken(share, "203.0.113.1", 1000, 0.0) == 200, "what two seconds save up"
    assert taken(share, "203.0.113.1", 1000, 1.0) == 100
    assert taken(share, "203.0.113.2", 10, 1.0) == 10, "another one is not touched"


def test_other_shares_hold_from_then_on_and_who_is_known_is_asked_anew() -> None:
    known = {"203.0.113.1"}
    share = FairShare(Shares(), lambda host: host in known)
    assert taken(share, "203.0.113.1", 5000, 0.0) == 5000
    known.clear()
    share.adopt(Shares(stranger=50.0, strangers=100.0))
    assert taken(share, "203.0.113.1", 5000, 1.0) == 100
    assert taken(share, "203.0.113.2", 5000, 1.0) == 100
    assert taken(share, "203.0.113.3", 5000, 1.0) == 0


def test_invites_and_what_cannot_be_read_cost_more() -> None:
    share = shares()
    assert taken(share, "203.0.113.1", 100, 0.0, INVITE) == 20
    for _ in range(10):
        share.charge("203.0.113.2", FAULT_COST, 0.0)
    assert taken(share, "203.0.113.2", 100, 0.0) == 0


def test_strangers_together_do_not_touch_the_trunks() -> None:
    share = shares()
    hosts = [f"198.51.100.{n}" for n in range(250)]
    assert sum(taken(share, host, 100, 0.0) for host in hosts) == 2000
    assert taken(share, SBC, 1000, 0.0) == 1000


def test_a_whole_ipv6_network_is_one_source() -> None:
    share = shares()
    assert sum(taken(share, f"2001:db8::{n:x}", 10, 0.0) for n in range(100)) == 200
    assert taken(share, "2001:db8:0:1::1", 10, 0.0) == 10


def test_the_table_is_bounded_and_trunks_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_share, "MAX_SOURCES", 100)
    share = shares()
    for number in range(500):
        share.takes(f"10.0.{number // 250}.{number % 250}", b"BYE", 0.0)
    assert len(share) == 100
    assert taken(share, SBC, 1000, 0.0) == 1000
    assert len(share) == 100
    share.takes("203.0.113.9", b"BYE", 10.0)
    assert len(share) == 1, "those who have been silent are forgotten"


@pytest.mark.socket
@pytest.mark.parametrize("flood", [b"garbage", Caller(Wire()).request("INVITE")])
async def test_a_flood_from_one_address_leaves_room_for_another(flood: bytes) -> None:
    share = FairShare(Shares(), lambda host: host == "127.0.0.2")
    loop = asyncio.get_running_loop()
    async with Answering("0.0.0.0", fair_share=share) as answering:
        target = ("127.0.0.1", answering.ports["udp"])
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        class Phone(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                heard.put_nowait(data)

        flooder, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        phone, _ = await loop.create_datagram_endpoint(Phone, local_addr=("127.0.0.2", 0))
        for _ in range(20):
            for _ in range(200):
                flooder.sendto(flood, target)
            phone.sendto(Caller(Wire()).request("OPTIONS"), target)
            await asyncio.sleep(0)
        answers: list[bytes] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while len(answers) < 20:
                    answers.append(await heard.get())
        assert [answer[:11] for answer in answers] == [b"SIP/2.0 200"] * 20
        assert answering.dropped[DropReason.FLOOD] > 3000
        flooder.close()
        phone.close()

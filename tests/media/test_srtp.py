"""The guard of a secured call, against an independent pair of contexts that plays the peer."""

import secrets
from collections import Counter
from collections.abc import Callable

import pytest
from pylibsrtp import Error, Policy, Session

from ivr.media.srtp import MAX_SOURCES, Drop, Dropped, Guard
from ivr.media.stream import SrtpKeys
from tests.media.packets import packet
from tests.mutation import damaged

SUITES = {
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 16),
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30, 10),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30, 4),
}
CM = "AES_CM_128_HMAC_SHA1_80"
REPORT = b"\x80\xc9\x00\x01\x00\x00\x00\x07"


def keys_for(suite: str = CM) -> SrtpKeys:
    size = SUITES[suite][1]
    return SrtpKeys(suite, secrets.token_bytes(size), secrets.token_bytes(size))


class Peer:
    """The other side: it sends with `keys.theirs` and reads with `keys.ours`."""

    def __init__(self, keys: SrtpKeys) -> None:
        profile = SUITES[keys.suite][0]
        self.out = Session(Policy(keys.theirs, Policy.SSRC_ANY_OUTBOUND, 0, profile))
        self.into = Session(Policy(keys.ours, Policy.SSRC_ANY_INBOUND, 0, profile))


def guarded(suite: str = CM) -> tuple[Guard, Peer, Counter[Drop], SrtpKeys]:
    keys, drops = keys_for(suite), Counter[Drop]()
    return Guard(keys, drops), Peer(keys), drops, keys


def read(guard: Guard, data: bytes) -> bytes:
    """What the engine gets of a datagram: read into a row of memory, as a socket does."""
    row = memoryview(bytearray(1472))

    def receive(into: memoryview) -> int:
        into[: len(data)] = data
        return len(data)

    return bytes(row[: guard.reader(receive)(row)])


def sent(guard: Guard, data: bytes) -> bytes:
    gone: list[bytes] = []

    def send(secured: bytes) -> int:
        gone.append(secured)
        return len(secured)

    guard.sender(send)(data)
    return gone[0]


def test_keys_do_not_show() -> None:
    keys = keys_for()
    assert repr(keys) == f"SrtpKeys(suite='{CM}')"


@pytest.mark.parametrize("suite", SUITES)
def test_both_sides_understand_each_other(suite: str) -> None:
    guard, peer, drops, _ = guarded(suite)
    plain = packet(1, 0)
    secured = sent(guard, plain)
    assert len(secured) == len(plain) + SUITES[suite][2]
    assert peer.into.unprotect(secured) == plain
    assert read(guard, peer.out.protect(plain)) == plain
    assert peer.into.unprotect_rtcp(guard.protect_rtcp(REPORT)) == REPORT
    assert guard.open_rtcp(peer.out.protect_rtcp(REPORT)) == REPORT
    assert not drops


def test_what_a_socket_refused_goes_out_again_as_it_was() -> None:
    guard, _, _, _ = guarded()
    assert sent(guard, packet(1, 0)) == sent(guard, packet(1, 0))


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_not_authentic_is_dropped_by_name_and_the_rest_is_heard(suite: str) -> None:
    guard, peer, drops, _ = guarded(suite)
    secured = bytearray(peer.out.protect(packet(1, 0)))
    secured[20] ^= 1
    for data in (bytes(secured), packet(2, 160)):
        with pytest.raises(Dropped):
            read(guard, data)
    report = bytearray(peer.out.protect_rtcp(REPORT))
    report[-1] ^= 1
    with pytest.raises(Dropped):
        guard.open_rtcp(bytes(report))
    assert drops == {Drop.UNAUTHENTIC: 3}
    assert read(guard, peer.out.protect(packet(3, 320))) == packet(3, 320)


def test_a_packet_heard_twice_is_a_replay() -> None:
    guard, peer, drops, _ = guarded()
    secured = peer.out.protect(packet(1, 0))
    read(guard, secured)
    with pytest.raises(Dropped):
        read(guard, secured)
    assert drops == {Drop.REPLAYED: 1}


def test_late_packets_and_the_wrap_of_the_sequence() -> None:
    guard, peer, drops, _ = guarded()
    numbers = [65_533, 65_534, 65_535, 0, 1, 2]
    secured = [peer.out.protect(packet(number, 0)) for number in numbers]
    for at in (0, 2, 3, 1, 5, 4):
        assert read(guard, secured[at]) == packet(numbers[at], 0)
    for number in numbers:
        assert peer.into.unprotect(sent(guard, packet(number, 0))) == packet(number, 0)
    assert not drops


def with_source(ssrc: int) -> bytes:
    data = packet(1, 0)
    return data[:8] + ssrc.to_bytes(4, "big") + data[12:]


def test_the_peer_may_change_its_source_but_not_for_ever() -> None:
    guard, peer, drops, _ = guarded()
    for ssrc in range(1, MAX_SOURCES + 1):
        assert read(guard, peer.out.protect(with_source(ssrc))) == with_source(ssrc)
    for ssrc in (1000, 1001):
        with pytest.raises(Dropped):
            read(guard, peer.out.protect(with_source(ssrc)))
    assert drops == {Drop.TOO_MANY_SOURCES: 2}


def test_a_new_key_of_the_peers_loses_no_sound() -> None:
    guard, before, drops, _ = guarded()
    read(guard, before.out.protect(packet(1, 0)))
    late = before.out.protect(packet(2, 160))
    new = keys_for()
    guard.rekey(new)
    after = Peer(new)
    assert read(guard, late) == packet(2, 160), "sent before the peer had our answer"
    assert read(guard, after.out.protect(packet(3, 320))) == packet(3, 320)
    assert after.into.unprotect(sent(guard, packet(1, 0))) == packet(1, 0)
    assert not drops
    with pytest.raises(Dropped):
        read(guard, before.out.protect(packet(4, 480)))
    assert drops == {Drop.UNAUTHENTIC: 1}
    with pytest.raises(Error):
        before.into.unprotect(sent(guard, packet(2, 160)))


def test_a_key_that_stays_keeps_its_count_and_its_window() -> None:
    guard, peer, drops, keys = guarded()
    for number in (65_535, 0):
        assert peer.into.unprotect(sent(guard, packet(number, 0)))
    secured = peer.out.protect(packet(1, 0))
    read(guard, secured)
    guard.rekey(SrtpKeys(keys.suite, keys.ours, keys.theirs))
    assert peer.into.unprotect(sent(guard, packet(1, 0))) == packet(1, 0)
    with pytest.raises(Dropped):
        read(guard, secured)
    assert drops == {Drop.REPLAYED: 1}


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_but_dropped_escapes(suite: str) -> None:
    guard, peer, drops, _ = guarded(suite)
    samples = [peer.out.protect(packet(number, 0)) for number in range(5)]
    ways: list[Callable[[Guard, bytes], bytes]] = [read, Guard.open_rtcp]
    refused = 0
    for data in damaged([*samples, peer.out.protect_rtcp(REPORT), b""]):
        for way in ways:
            try:
                way(guard, data[:1472])
            except Dropped:
                refused += 1
    assert sum(drops.values()) == refused > 1000


def test_a_suite_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="suite"):
        Guard(SrtpKeys("F8_128_HMAC_SHA1_80", bytes(30), bytes(30)), Counter())

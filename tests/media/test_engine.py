"""The engine: datagrams, orders and `now` in; exact packets, keys and figures out."""

import itertools
import struct
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ivr.media import rtcp
from ivr.media.engine import Engine, NoSlot
from ivr.media.playout import CROWD, Burst
from ivr.media.stream import Address, Clip, KeyPressed, PlayEnded, Spoke, StreamParams
from tests.media.packets import PEER, SILENCE, arrivals, event, mixed, packet

BANK_SIZE = 4000
ALAW = np.random.default_rng(1).integers(0, 128, BANK_SIZE, np.uint8)
ULAW = ALAW + np.uint8(128)
PARAMS = StreamParams(PEER, None, "pcma", 8, 20, {101: 8000})
STRANGER: Address = ("198.51.100.66", 6666)
NAT: Address = ("203.0.113.5", 31000)


class Line:
    """One call on an engine, and its clock."""

    def __init__(self, params: StreamParams | None = PARAMS, *, random: bytes = bytes(10)) -> None:
        bank = np.concatenate([ALAW, ULAW])
        self.engine = Engine(4, bank, entropy=lambda size: random[:size])
        self.slot = self.engine.open(0.0, "cname")
        self.number = 0
        if params is not None:
            self.engine.configure(self.slot, params)

    @property
    def now(self) -> float:
        return self.number * 0.01

    def tick(self) -> list[bytes]:
        """The packets of the next tick."""
        self.number += 1
        return rows(self.engine.tick(self.number, self.now))

    def run(self, milliseconds: int) -> list[bytes]:
        return [data for _ in range(milliseconds // 10) for data in self.tick()]

    def hear(self, *datagrams: bytes, source: Address = PEER) -> None:
        self.engine.receive(arrivals(self.slot, datagrams, source), self.now)

    def play(self, *clips: Clip, barge_in: bool = True, number: int = 1) -> None:
        self.engine.play(self.slot, number, clips, barge_in=barge_in)

    def events(self) -> list[KeyPressed | PlayEnded | Spoke]:
        events = self.engine.events()
        assert all(slot == self.slot for slot, _ in events)
        return [event for _, event in events]


def rows(bursts: Sequence[Burst]) -> list[bytes]:
    return [row.tobytes() for burst in bursts for row in burst.data]


def sound(packets: Sequence[bytes]) -> bytes:
    return b"".join(data[12:] for data in packets)


def test_the_sequence_wraps() -> None:
    line = Line()
    line.engine._playout._sequence[line.slot] = 65_534  # ten minutes later
    packets = line.run(100)
    assert [int.from_bytes(data[2:4], "big") for data in packets[:4]] == [65_534, 65_535, 0, 1]


def test_the_first_packets_octet_by_octet() -> None:
    line = Line(random=struct.pack("=IIH", 0xAABBCCDD, 2**32 - 160, 65535))
    first, second = line.run(40)
    assert first[:12] == struct.pack("!BBHII", 0x80, 0x88, 32767, 0, 0xAABBCCDD)
    assert second[:12] == struct.pack("!BBHII", 0x80, 0x08, 32768, 160, 0xAABBCCDD)
    assert first[12:] == second[12:] == SILENCE


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
def test_each_ptime_has_its_pace_and_size(ptime: int) -> None:
    line = Line(replace(PARAMS, ptime_ms=ptime))
    packets = line.run(1200)
    assert len(packets) == 1200 // ptime
    assert {len(data) for data in packets} == {12 + 8 * ptime}
    stamps = [struct.unpack_from("!HI", data, 2) for data in packets]
    steps = {(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(stamps)}
    assert steps == {(1, 8 * ptime)}


def test_silence_in_u_law() -> None:
    line = Line(replace(PARAMS, codec="pcmu", payload_type=0))
    [data] = line.run(20)
    assert data[1] & 0x7F == 0
    assert data[12:] == b"\xff" * 160


@pytest.mark.parametrize(("codec", "bank"), [("pcma", ALAW), ("pcmu", ULAW)])
@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_a_play_is_its_clips_after_200_ms_of_silence(
    codec: str, bank: np.ndarray, ptime: int
) -> None:
    line = Line(replace(PARAMS, codec=codec, ptime_ms=ptime))
    line.play(Clip(0, 1000), Clip(3000, 1), Clip(0, 0), Clip(2000, 1500))
    heard = sound(line.run(1200))
    silence = heard[:1]
    wanted = bank[:1000].tobytes() + bank[3000:3001].tobytes() + bank[2000:3500].tobytes()
    lead = -(-200 // ptime) * ptime * 8
    assert heard[:lead] == silence * lead
    assert heard[lead : lead + len(wanted)] == wanted
    assert heard[lead + len(wanted) :] == silence * (len(heard) - lead - len(wanted))
    assert line.events() == [PlayEnded(1, 4, False)]


def test_only_the_streams_beginning_has_silence_first() -> None:
    line = Line()
    line.run(200)
    line.play(Clip(0, 160))
    assert sound(line.run(20)) == ALAW[:160].tobytes()
    assert line.events() == [PlayEnded(1, 1, False)]
    line.play(Clip(160, 320), number=2)
    assert sound(line.run(40)) == ALAW[160:480].tobytes()


def test_a_play_replaces_the_one_before() -> None:
    line = Line()
    line.run(200)
    line.play(Clip(0, 1000), Clip(0, 1000))
    line.run(20)
    line.play(Clip(2000, 320), number=2)
    assert line.events() == [PlayEnded(1, 1, False)]
    assert sound(line.run(40)) == ALAW[2000:2320].tobytes()
    assert line.events() == [PlayEnded(2, 1, False)]


def test_a_play_of_nothing_ends() -> None:
    line = Line()
    line.play()
    line.run(240)
    assert line.events() == [PlayEnded(1, 0, False)]


def test_stop_is_silence_from_the_next_packet() -> None:
    line = Line()
    line.play(Clip(0, 4000))
    line.run(300)
    line.engine.stop(line.slot)
    assert line.events() == [PlayEnded(1, 1, False)]
    assert sound(line.run(100)) == SILENCE * 5
    line.engine.stop(line.slot)
    assert line.events() == []


@pytest.mark.parametrize("clip", [Clip(-1, 10), Clip(0, BANK_SIZE + 1), Clip(BANK_SIZE, 1)])
def test_a_clip_outside_the_bank_is_refused(clip: Clip) -> None:
    with pytest.raises(ValueError, match="bank"):
        Line().play(clip)


def test_ticks_left_out_leave_a_gap_in_the_timestamps_only() -> None:
    line = Line()
    [before] = line.run(20)
    line.number += 100
    [after] = line.run(20)
    assert struct.unpack_from("!HI", before, 2) == (0, 160)
    assert struct.unpack_from("!HI", after, 2) == (1, 160 + 160 + 8000)


def test_a_hold_sends_nothing_and_the_prompt_goes_on_after_it() -> None:
    line = Line()
    line.play(Clip(0, 1600))
    line.run(300)
    for held in (replace(PARAMS, sends=False), replace(PARAMS, remote=None, sends=False)):
        line.engine.configure(line.slot, held)
        assert line.run(500) == []
    line.engine.configure(line.slot, PARAMS)
    packets = line.run(100)
    assert sound(packets) == ALAW[800:1600].tobytes()
    assert packets[0][1] == 0x88, "a talk spurt begins with the marker"
    assert struct.unpack_from("!H", packets[0], 2) == (15,)
    assert packets[1][1] == 0x08


def test_a_new_codec_takes_over_in_the_middle_of_a_prompt() -> None:
    line = Line()
    line.play(Clip(0, 1600))
    line.run(300)
    line.engine.configure(line.slot, replace(PARAMS, codec="pcmu", payload_type=0, ptime_ms=40))
    packets = line.run(100)
    assert sound(packets[:2]) == ULAW[800 : 800 + 640].tobytes()


def opened(ptimes: Sequence[int]) -> Engine:
    """An engine with a call of each ptime."""
    engine = Engine(len(ptimes), np.zeros(2 * BANK_SIZE, np.uint8))
    for ptime in ptimes:
        engine.configure(engine.open(0.0, "c"), replace(PARAMS, ptime_ms=ptime))
    return engine


def taken(engine: Engine, last: int) -> list[int]:
    """The ticks that a worker takes, up to `last`."""
    ticks = [engine.next_tick(0)]
    while ticks[-1] < last:
        ticks.append(engine.next_tick(ticks[-1]))
    return ticks


@pytest.mark.parametrize("ptimes", [[], [20], [20] * CROWD, [20, 40, 60]])
def test_a_tick_at_which_nothing_is_due_is_left_out(ptimes: list[int]) -> None:
    assert taken(opened(ptimes), 12) == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize("ptimes", [[10], [20, 30], [20, 50], [20] * (CROWD + 1)])
def test_a_tick_at_which_something_is_due_is_taken(ptimes: list[int]) -> None:
    engine = opened(ptimes)
    sent = sum(len(rows(engine.tick(number, 0.0))) for number in taken(engine, 300))
    assert sent == sum(3000 // ptime for ptime in ptimes)


def test_calls_beyond_a_crowd_are_spread_over_the_ticks() -> None:
    engine = opened([20] * (2 * CROWD + 10))
    half = CROWD + 5
    assert [len(rows(engine.tick(number, 0.0))) for number in range(1, 5)] == [half] * 4


def test_a_call_that_ends_or_holds_takes_its_ticks_with_it() -> None:
    engine = opened([20, 10, 10])
    assert taken(engine, 4) == [1, 2, 3, 4]
    engine.close(1, 0.0, 0.0)
    engine.configure(2, replace(PARAMS, sends=False))
    assert taken(engine, 4) == [2, 4]


def test_calls_of_different_ptime_and_codec_in_one_tick() -> None:
    engine = Engine(3, np.concatenate([ALAW, ULAW]))
    kinds = [("pcma", 10), ("pcmu", 10), ("pcma", 30)]
    for codec, ptime in kinds:
        slot = engine.open(0.0, "c")
        engine.configure(slot, replace(PARAMS, codec=codec, ptime_ms=ptime))
    bursts = [burst for number in range(1, 4) for burst in engine.tick(number, 0.0)]
    sent = [
        (slot, len(row), row[12])
        for burst in bursts
        for slot, row in zip(burst.slots.tolist(), burst.data, strict=True)
    ]
    assert sorted(sent) == [(0, 92, 0xD5)] * 3 + [(1, 92, 0xFF)] * 3 + [(2, 252, 0xD5)]


def test_a_full_engine_refuses() -> None:
    engine = Engine(1, np.zeros(2, np.uint8))
    slot = engine.open(0.0, "c")
    with pytest.raises(NoSlot):
        engine.open(0.0, "c")
    engine.close(slot, 0.0, 0.0)
    assert engine.open(0.0, "c") == slot


def test_a_slot_used_again_says_and_knows_nothing_of_the_last_call() -> None:
    line = Line()
    line.play(Clip(0, 4000))
    line.run(300)
    line.hear(packet(1, 0), event(2, 160, "5", 160))
    line.engine.close(line.slot, line.now, 0.0)
    line.engine.open(line.now, "c")
    assert line.run(100) == []
    assert line.events() == []
    stats = line.engine.stats(line.slot)
    assert (stats.sent, stats.received, stats.strangers, stats.ways) == (0, 0, 0, frozenset())


def test_a_key_stops_the_prompt_at_once() -> None:
    line = Line()
    line.play(Clip(0, 4000))
    line.run(300)
    line.hear(event(1, 0, "5", 160, marker=True))
    pressed, ended = line.events()
    assert isinstance(pressed, KeyPressed)
    assert (pressed.key, pressed.way) == ("5", "rfc4733")
    assert ended == PlayEnded(1, 1, True)
    assert sound(line.run(20)) == SILENCE


def test_a_notice_is_heard_out() -> None:
    line = Line()
    line.play(Clip(0, 1600), barge_in=False)
    line.run(200)
    line.hear(event(1, 0, "5", 160, marker=True))
    assert sound(line.run(200)) == ALAW[:1600].tobytes()
    assert [type(event) for event in line.events()] == [KeyPressed, PlayEnded]


def test_an_info_key_stops_the_prompt_and_is_merged() -> None:
    line = Line()
    line.play(Clip(0, 4000))
    line.run(300)
    line.engine.info_key(line.slot, "7", 0.1, line.now)
    line.hear(event(1, 0, "7", 160, marker=True))
    line.run(200)
    assert [type(event) for event in line.events()] == [KeyPressed, PlayEnded]
    assert line.engine.stats(line.slot).ways == {"info", "rfc4733"}


def test_the_same_key_twice_in_both_ways_is_two() -> None:
    line = Line()
    for number in range(2):
        line.hear(event(10 * number, 4000 * number, "1", 160, marker=True))
        line.hear(event(10 * number + 1, 4000 * number, "1", 320, end=True))
        line.engine.info_key(line.slot, "1", 0.1, line.now)
        line.run(300)
    assert len(line.events()) == 2


def test_a_key_whose_end_is_lost_can_be_pressed_again() -> None:
    line = Line()
    for number in range(3):
        line.hear(event(100 * number, 8000 * number, "1", 160))
        line.run(1000)
    assert len(line.events()) == 3


@pytest.mark.parametrize(("payload_type", "rate"), [(96, 8000), (101, 16000), (127, 8000)])
def test_any_payload_type_can_carry_keys(payload_type: int, rate: int) -> None:
    line = Line(replace(PARAMS, dtmf={payload_type: rate}))
    line.hear(event(1, 0, "#", 160, payload_type=payload_type))
    line.hear(event(9, 9000, "1", 160, payload_type=97))
    [pressed] = line.events()
    assert isinstance(pressed, KeyPressed)
    assert pressed.key == "#"


def test_keys_are_not_heard_while_we_do_not_receive() -> None:
    line = Line(replace(PARAMS, receives=False))
    line.hear(event(1, 0, "5", 160))
    assert line.events() == []


def test_a_keys_sequence_numbers_may_be_far_from_the_sounds() -> None:
    line = Line()
    line.hear(packet(1, 0), event(40_000, 0, "1", 160), packet(2, 160), event(40_001, 0, "1", 320))
    assert len(line.events()) == 1


def test_a_stranger_is_counted_and_not_heard() -> None:
    line = Line()
    line.hear(packet(1, 0))
    line.hear(event(2, 0, "5", 160), packet(3, 0), source=STRANGER)
    assert line.events() == []
    assert line.engine.stats(line.slot).strangers == 2
    assert line.engine.peers[line.slot] == PEER


def test_what_a_connected_socket_hears_is_the_peers_and_latches() -> None:
    line = Line()
    vouched = replace(arrivals(line.slot, [packet(1, 0), event(2, 0, "5", 160)]), sources=None)
    line.engine.receive(vouched, line.now)
    assert len(line.events()) == 1
    line.hear(packet(1, 0), source=NAT)
    assert line.engine.peers[line.slot] == PEER
    stats = line.engine.stats(line.slot)
    assert (stats.received, stats.strangers) == (2, 1)


def test_behind_nat_the_first_to_send_is_the_peer_for_good() -> None:
    line = Line()
    assert line.engine.peers[line.slot] == PEER
    line.hear(packet(1, 0), source=NAT)
    assert line.engine.peers[line.slot] == NAT
    line.hear(packet(1, 0), source=STRANGER)
    assert line.engine.peers[line.slot] == NAT
    assert line.engine.stats(line.slot).strangers == 1


def test_the_negotiated_address_ousts_whoever_came_first() -> None:
    line = Line()
    line.hear(packet(1, 0), source=STRANGER)
    line.hear(packet(1, 0))
    line.hear(packet(2, 0), source=STRANGER)
    assert line.engine.peers[line.slot] == PEER
    assert line.engine.stats(line.slot).strangers == 1


def test_the_negotiated_address_ousts_a_stranger_of_the_same_batch() -> None:
    line = Line()
    items = [
        (line.slot, packet(1, 0), STRANGER),
        (line.slot, event(7, 0, "3", 160), PEER),
        (line.slot, event(8, 4000, "9", 160), STRANGER),
    ]
    line.engine.receive(mixed(items), 0.0)
    [pressed] = line.events()
    assert isinstance(pressed, KeyPressed)
    assert pressed.key == "3"


@pytest.mark.parametrize("junk", [b"", b"hello there, port!", packet(1, 0, payload_type=50)])
def test_what_was_not_agreed_on_is_not_latched_to(junk: bytes) -> None:
    line = Line()
    line.hear(junk, source=STRANGER)
    assert line.engine.peers[line.slot] == PEER
    line.hear(packet(1, 0), source=NAT)
    assert line.engine.peers[line.slot] == NAT


def test_a_new_address_in_a_re_invite_is_latched_anew() -> None:
    line = Line()
    line.hear(packet(1, 0))
    elsewhere: Address = ("192.0.2.99", 5000)
    line.engine.configure(line.slot, replace(PARAMS, remote=elsewhere))
    assert line.engine.peers[line.slot] == elsewhere
    line.hear(packet(2, 0), source=elsewhere)
    line.hear(packet(3, 0))
    assert line.engine.peers[line.slot] == elsewhere
    assert line.engine.stats(line.slot).strangers == 1


def test_the_same_address_in_a_re_invite_keeps_what_nat_made_of_it() -> None:
    line = Line()
    line.hear(packet(1, 0), source=NAT)
    line.engine.configure(line.slot, replace(PARAMS, remote=None))
    line.engine.configure(line.slot, PARAMS)
    assert line.engine.peers[line.slot] == NAT


def test_a_phone_that_names_an_address_out_of_reach_is_answered_where_it_sends_from() -> None:
    line = Line(replace(PARAMS, remote=None))
    line.play(Clip(0, 1600))
    assert line.run(100) == [], "nobody knows where to"
    line.hear(packet(1, 0), source=NAT)
    silence, prompt = line.run(200), line.run(200)
    assert sound(silence) == SILENCE * 10
    assert sound(prompt) == ALAW[:1600].tobytes(), "the prompt has waited"
    line.engine.configure(line.slot, replace(PARAMS, remote=None))  # a session refresh
    assert line.run(100)
    line.engine.configure(line.slot, replace(PARAMS, remote=None, sends=False))
    assert line.run(100) == []


def test_figures_of_a_call() -> None:
    line = Line()
    for number in range(50):
        if number % 10 != 5:
            line.hear(packet(65500 + number, number * 160))
        line.run(20)
    stats = line.engine.stats(line.slot)
    assert (stats.sent, stats.received, stats.lost) == (50, 45, 5)
    assert stats.jitter_ms == pytest.approx(0, abs=0.01)
    assert 2 < stats.mos < 3.5


def test_a_clean_call_sounds_good_and_a_silent_one_has_no_score() -> None:
    line = Line()
    assert line.engine.stats(line.slot).mos == 0
    for number in range(50):
        line.hear(packet(number, number * 160))
        line.run(20)
    assert line.engine.stats(line.slot).mos > 4.3


def test_rtcp_goes_out_every_5_s_on_average_and_through_a_hold() -> None:
    line = Line(random=b"\x80" * 10)
    line.hear(packet(1, 0))
    line.engine.configure(line.slot, replace(PARAMS, sends=False))
    times: list[float] = []
    while line.now < 30:
        line.tick()
        for report in line.engine.reports(line.now, 1e9):
            times.append(line.now)
            assert report.destination == (PEER[0], PEER[1] + 1)
            assert rtcp.parse(report.data).ntp is None, "no sender report from who does not send"
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == pytest.approx(2.5, abs=0.05)
    assert gaps == pytest.approx([5.0] * len(gaps), abs=0.05)


def test_a_sender_report_tells_what_was_sent_and_heard() -> None:
    line = Line(random=b"\x80" * 10)
    line.hear(packet(10, 0, ssrc=99), packet(12, 320, ssrc=99))
    line.run(1000)
    heard = rtcp.SenderInfo(rtcp.ntp_time(5e8), 0, 1, 160)
    data = rtcp.build(99, "caller", heard, None, rtcp.LastReport())
    line.engine.receive_rtcp(line.slot, data, (PEER[0], 4007), line.now)
    line.run(2000)
    [report] = line.engine.reports(line.now, 1e9)
    assert report.destination == (PEER[0], 4007)
    _, ntp, stamp, packets, octets = struct.unpack_from("!IQIII", report.data, 4)
    assert ntp == rtcp.ntp_time(1e9)
    assert stamp == (0x80808080 + line.number * 80) & 0xFFFFFFFF
    assert (packets, octets) == (150, 24000)
    [block] = rtcp.parse(report.data).blocks
    assert (block.ssrc, block.cumulative_lost, block.highest_sequence) == (99, 1, 12)
    last, delay = struct.unpack_from("!II", report.data, 44)
    assert last == rtcp.ntp_time(5e8) >> 16 & 0xFFFFFFFF
    assert delay / 65536 == pytest.approx(2.0, abs=0.01)


def test_a_closed_call_says_bye_to_the_negotiated_rtcp_address() -> None:
    line = Line(replace(PARAMS, remote_rtcp=(PEER[0], 9999)))
    line.run(100)
    _, bye = line.engine.close(line.slot, line.now, 1e9)
    assert bye is not None
    assert bye.destination == (PEER[0], 9999)
    assert rtcp.parse(bye.data).bye


def test_a_call_that_was_never_set_up_has_nobody_to_tell() -> None:
    line = Line(None)
    assert line.run(100) == []
    stats, bye = line.engine.close(line.slot, line.now, 1e9)
    assert bye is None
    assert stats.sent == 0


def test_rtcp_of_a_stranger_is_counted_and_not_answered() -> None:
    line = Line(random=b"\x80" * 10)
    report = rtcp.build(1, "x", None, None, rtcp.LastReport())
    line.engine.receive_rtcp(line.slot, report, STRANGER, 0.0)
    assert line.engine.stats(line.slot).strangers == 1
    line.run(3000)
    [ours] = line.engine.reports(line.now, 1e9)
    assert ours.destination == (PEER[0], PEER[1] + 1)


def test_keys_do_not_show() -> None:
    line = Line()
    line.hear(event(1, 0, "9", 160))
    assert "9" not in repr(line.events())


@pytest.mark.parametrize("ptime", [10, 20, 30, 60, None])
def test_every_call_is_read_every_20_ms_whether_it_sends_or_not(ptime: int | None) -> None:
    engine = Engine(8, np.concatenate([ALAW, ULAW]))
    slots = [engine.open(0.0, "cname") for _ in range(8)]
    for slot in slots[:4]:
        if ptime is not None:
            engine.configure(slot, replace(PARAMS, ptime_ms=ptime))
    last = dict.fromkeys(slots, 0)
    number = 0
    while number < 40:
        number = engine.next_tick(number)
        read = engine.to_read(number).tolist()
        assert len(set(read)) == len(read)
        for slot in read:
            assert number - last[slot] <= 2
            last[slot] = number
        engine.tick(number, number / 100)
    assert min(last.values()) >= 39


def test_a_row_in_which_nothing_came_is_no_packet() -> None:
    engine = Engine(2, np.concatenate([ALAW, ULAW]))
    slots = np.array([engine.open(0.0, "cname") for _ in range(2)])
    for slot in slots.tolist():
        engine.configure(slot, PARAMS)
    came = arrivals(0, [packet(1, 0), packet(2, 160)], PEER)
    engine.receive(replace(came, slots=slots, sources=None, lengths=np.array([172, -11])), 0.0)
    assert [engine.stats(slot).received for slot in slots.tolist()] == [1, 0]
    assert engine.malformed == 0

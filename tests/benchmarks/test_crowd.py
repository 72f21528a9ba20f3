"""What the callers of the benchmarks send, and what they make of what they hear."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.crowd import FRAME, PACKET, PARTS, Crowd, noise
from benchmarks.keying import Press, Scripts, Wait, entry
from benchmarks.mmsg import Received
from ivr.media import g711, rfc4733, rtp
from ivr.media.tone_blocks import ALAW
from ivr.media.tones import ToneDetector

PORT = 20_000
SILENCE = np.full(160, g711.ALAW_SILENCE, np.uint8)
SPEECH = g711.encode_alaw((8000 * np.sin(np.arange(160) / 3)).astype(np.int16))


class OneCaller:
    """A crowd of one that hears what the test says."""

    def __init__(self, *presses: Press, tones: bool = False) -> None:
        scripts = Scripts()
        script = scripts.add(presses, again_from=0) if presses else 0
        self.crowd = Crowd(1, scripts, noise(), tones=tones)
        self.crowd.start(0, PORT, script, delay=0.1)
        self.crowd.measuring = True
        self.now = 1000.0

    def sends(self, packets: int) -> list[bytes]:
        """So many packets of the caller's, 20 ms apart."""
        sent = []
        for _ in range(packets):
            [row] = self.crowd.step(0, self.now).tolist()
            sent.append(self.crowd.data[row, : int(self.crowd.lengths[row])].tobytes())
            self.now += PACKET
        return sent

    def hears(self, *packets: tuple[int, float], payload: NDArray[np.uint8] = SILENCE) -> None:
        """RTP of (sequence number, time of arrival), all read at once."""
        data = np.zeros((len(packets), FRAME.itemsize), np.uint8)
        data[:, 0], data[:, 1] = rtp.VERSION << 6, 8
        for row, (sequence, _) in zip(data, packets, strict=True):
            row[2:4] = sequence >> 8, sequence & 0xFF
            row[rtp.HEADER_SIZE :] = payload
        count = len(packets)
        self.crowd.hear(
            Received(
                data,
                np.full(count, FRAME.itemsize),
                np.full(count, PORT),
                np.array([when for _, when in packets]),
            )
        )


def test_a_key_is_heard_once_by_a_receiver_of_rfc_4733() -> None:
    caller = OneCaller(*entry(0.1, "42#", Wait.NOTHING))
    receiver, heard = rfc4733.EventReceiver(), ""
    for number, packet in enumerate(caller.sends(100)):
        fields = rtp.parse(np.frombuffer(packet, np.uint8)[None], np.array([len(packet)]))
        assert fields.valid[0]
        assert fields.sequence[0] == number + 1
        if fields.payload_type[0] == 101:
            changes = receiver.receive(
                rfc4733.parse(fields.payload(0)),
                sequence=int(fields.sequence[0]),
                timestamp=int(fields.timestamp[0]),
                marker=bool(fields.marker[0]),
                rate=8000,
                now=number * PACKET,
            )
            heard += "".join(change.key for change in changes if change.pressed)
    assert heard == 3 * "42#"


def test_a_key_as_a_tone_is_heard_once_wherever_it_begins_in_a_packet() -> None:
    caller = OneCaller(*entry(0.1, "0123456789*#", Wait.NOTHING), tones=True)
    detector, heard = ToneDetector(1), ""
    slots, laws = np.zeros(1, np.int64), np.full(1, ALAW)
    for packet in caller.sends(125):
        data = np.zeros((1, rtp.MAX_PACKET), np.uint8)
        data[0, : len(packet)] = np.frombuffer(packet, np.uint8)
        fields = rtp.parse(data, np.array([len(packet)]))
        changes = detector.hear(slots, laws, fields, slots, caller.now)
        heard += "".join(change.key for _, change in changes if change.pressed)
    assert heard.startswith("0123456789*#")  # and so on, from the beginning


def test_callers_are_spread_over_the_20_ms() -> None:
    crowd = Crowd(4 * PARTS, Scripts(), noise())
    for row in range(4 * PARTS):
        crowd.start(row, PORT + 2 * row, 0)
    sent = [crowd.step(part, 0.0).tolist() for part in range(PARTS)]
    assert [len(rows) for rows in sent] == [4] * PARTS
    assert sorted(row for rows in sent for row in rows) == list(range(4 * PARTS))


def test_a_packet_missing_is_lost_across_the_wrap_and_between_two_readings() -> None:
    caller = OneCaller()
    caller.hears((65533, 1.00), (65534, 1.02), (0, 1.06))
    caller.hears((1, 1.08), (3, 1.12))
    assert caller.crowd.heard.received == 5
    assert caller.crowd.heard.lost == 2
    assert caller.crowd.heard.gap_max == pytest.approx(0.04)
    assert caller.crowd.heard.gap(0.5) == pytest.approx(0.02, abs=2e-4)


def test_a_packet_overtaken_is_not_lost() -> None:
    caller = OneCaller()
    caller.hears((1, 1.00), (3, 1.02), (2, 1.03), (4, 1.04))
    assert caller.crowd.heard.lost == 0


def test_the_answer_to_a_key_is_the_first_sound_and_not_the_silence_before() -> None:
    caller = OneCaller(Press(0.1, "1", Wait.VERDICT))
    caller.sends(5)
    pressed = caller.now - PACKET
    caller.hears((1, pressed + 0.02), (2, pressed + 0.04))
    caller.hears((3, pressed + 0.33), payload=SPEECH)
    caller.hears((4, pressed + 0.35), payload=SPEECH)
    assert caller.crowd.heard.verdicts == [pytest.approx(0.33)]
    assert caller.crowd.heard.answers == []


def test_a_key_without_an_answer_is_counted() -> None:
    caller = OneCaller(Press(0.1, "1", Wait.ANSWER))
    caller.sends(5)
    caller.hears((1, caller.now))
    caller.crowd.give_up_waiting(caller.now + 2)
    assert caller.crowd.heard.unanswered == 1


def test_a_detour_begins_between_two_rounds() -> None:
    scripts = Scripts()
    round_of_keys = scripts.add([Press(10.0, "1"), Press(0.1, "2")], again_from=0)
    login = scripts.add([Press(0.1, "9"), Press(10.0, "8")], again_from=1)
    crowd = Crowd(1, scripts, noise())
    crowd.start(0, PORT, round_of_keys)
    crowd.detour(0, login, at=0.05)
    keys = []
    for number in range(100):
        crowd.step(0, number * PACKET)
        packet = crowd.data[0]
        if packet[1] == 0x80 | 101:
            keys.append(int(packet[rtp.HEADER_SIZE]))
    assert keys == [1, 2, 9]


def test_silence_after_a_key_is_the_first_packet_without_sound() -> None:
    caller = OneCaller(Press(0.1, "1", Wait.SILENCE))
    caller.sends(5)
    pressed = caller.now - PACKET
    caller.hears((1, pressed - 0.01))
    caller.hears((2, pressed + 0.02), payload=SPEECH)
    caller.hears((3, pressed + 0.04), (4, pressed + 0.06))
    assert caller.crowd.heard.silences == [pytest.approx(0.04)]

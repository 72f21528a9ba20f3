"""RFC 4733: one press is one key, however its packets come."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.media.rfc4733 import KEYS, SILENT_END, EventReceiver, TelephoneEvent, parse
from ivr.wire import WireError


@dataclass(frozen=True)
class Sent:
    """One packet of a caller: when it arrives (s), its sequence number and event."""

    at: float
    sequence: int
    timestamp: int
    key: str
    duration: int
    end: bool = False
    marker: bool = False


def press(
    key: str,
    at: float,
    sequence: int,
    timestamp: int,
    *,
    milliseconds: int = 100,
    rate: int = 8000,
    marker: bool = True,
) -> list[Sent]:
    """The packets of a press: one each 20 ms, the last sent three times (section 2.5.1.4)."""
    step = rate // 50
    count = milliseconds // 20
    held = [
        Sent(
            at + number * 0.02,
            (sequence + number) & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            key,
            (number + 1) * step,
            marker=marker and number == 0,
        )
        for number in range(count)
    ]
    ends = [
        Sent(
            at + (count + repeat) * 0.02,
            (sequence + count + repeat) & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            key,
            count * step,
            end=True,
        )
        for repeat in range(3)
    ]
    return held + ends


def heard(packets: Sequence[Sent], *, rate: int = 8000) -> tuple[str, list[float]]:
    """The keys that went down, and when each came up again; asserts that each did, and once."""
    receiver = EventReceiver()
    keys = ""
    releases: list[float] = []
    for sent in [*packets, None]:
        if (deadline := receiver.deadline) is not None and (sent is None or deadline <= sent.at):
            releases += [deadline for change in receiver.advance(deadline) if not change.pressed]
        if sent is None:
            break
        changes = receiver.receive(
            TelephoneEvent(KEYS.index(sent.key), sent.end, sent.duration),
            sequence=sent.sequence,
            timestamp=sent.timestamp,
            marker=sent.marker,
            rate=rate,
            now=sent.at,
        )
        for change in changes:
            if change.pressed:
                assert len(releases) == len(keys), "a key went down while another was held"
                keys += change.key
            else:
                releases.append(sent.at)
    assert receiver.deadline is None
    assert len(releases) == len(keys)
    return keys, releases


def unmarked(packets: Sequence[Sent]) -> list[Sent]:
    return [
        Sent(sent.at, sent.sequence, sent.timestamp, sent.key, sent.duration, sent.end)
        for sent in packets
    ]


ONE = press("1", 0.0, 10, 1000)
AGAIN = press("1", 0.3, 25, 1000 + 2400)
HELD_10_S = [
    # Section 2.5.1.3: at 65535 a new segment begins where the last one ended, without marker.
    Sent(number * 0.02, number, 0 if number < 409 else 65535, "5", 0, marker=number == 0)
    for number in range(500)
]
HELD_10_S = [
    Sent(
        sent.at,
        sent.sequence,
        sent.timestamp,
        "5",
        min((sent.sequence + 1) * 160 - sent.timestamp, 65535),
        end=sent.sequence >= 498,
        marker=sent.marker,
    )
    for sent in HELD_10_S
]


def moved(packets: Sequence[Sent], by: int) -> list[Sent]:
    """The repeated ends with a timestamp that moves on, as some gateways send them."""
    ends = [sent for sent in packets if sent.end]
    return [sent for sent in packets if not sent.end] + [
        Sent(end.at, end.sequence, end.timestamp + by * number, end.key, end.duration, end=True)
        for number, end in enumerate(ends)
    ]


@pytest.mark.parametrize(
    ("packets", "keys"),
    [
        pytest.param(ONE, "1", id="a press"),
        pytest.param(unmarked(ONE), "1", id="no marker"),
        pytest.param(ONE[:5], "1", id="every end lost"),
        pytest.param(ONE[5:], "1", id="only ends arrive"),
        pytest.param(ONE[-1:], "1", id="only the last end arrives"),
        pytest.param([ONE[1], ONE[0], ONE[3], ONE[2], *ONE[4:]], "1", id="reordered"),
        pytest.param([*ONE[:5], ONE[6], ONE[5], ONE[7], ONE[4]], "1", id="late after the end"),
        pytest.param([sent for sent in ONE for _ in range(2)], "1", id="each packet twice"),
        pytest.param(ONE + AGAIN, "11", id="the same key twice"),
        pytest.param(unmarked(ONE + AGAIN), "11", id="twice without marker"),
        pytest.param(unmarked(ONE[:5] + AGAIN[:5]), "11", id="twice without marker or end"),
        pytest.param(ONE + AGAIN[-1:], "11", id="twice, of the second only an end"),
        pytest.param(
            ONE[:2] + press("2", 0.06, 15, 1480), "12", id="the next key before the first one's end"
        ),
        pytest.param(
            ONE[:5] + press("2", 0.2, 20, 2600)[:1] + ONE[5:] + press("2", 0.2, 20, 2600)[1:],
            "12",
            id="ends after the next key began",
        ),
        pytest.param(HELD_10_S, "5", id="10 s hold in segments"),
        pytest.param(
            [sent for sent in HELD_10_S if not 405 <= sent.sequence <= 410],
            "5",
            id="packets lost around the segments' border",
        ),
        pytest.param(moved(ONE, 160), "1", id="repeated ends move on by a packet"),
        pytest.param(moved(ONE, 1), "1", id="repeated ends move on by one"),
        pytest.param(moved(ONE, 1600), "1", id="repeated ends move on by far"),
        pytest.param(moved(ONE, 160) + AGAIN, "11", id="moved ends, then the same key"),
        pytest.param(press("4", 0.0, 65533, 2**32 - 400), "4", id="counters wrap"),
        pytest.param(
            press("4", 0.0, 65533, 2**32 - 400) + press("4", 0.3, 10, 2000), "44", id="wrap, again"
        ),
        pytest.param(
            press("4", 0.0, 0, 9000) + press("3", 0.5, 100, 500), "43", id="timestamps go back"
        ),
        pytest.param(
            [s for n, k in enumerate(KEYS) for s in press(k, n * 0.2, n * 10, n * 1600)],
            KEYS,
            id="every key",
        ),
    ],
)
def test_presses(packets: list[Sent], keys: str) -> None:
    assert heard(packets)[0] == keys


def test_a_key_is_told_at_its_first_packet() -> None:
    receiver = EventReceiver()
    changes = receiver.receive(
        TelephoneEvent(1, False, 160), sequence=1, timestamp=5, marker=True, rate=8000, now=0.0
    )
    assert [(change.key, change.pressed) for change in changes] == [("1", True)]


def test_silence_ends_a_key_after_150_ms() -> None:
    keys, releases = heard(ONE[:5])
    assert keys == "1"
    assert releases == pytest.approx([ONE[4].at + 0.150])
    assert SILENT_END == 0.150


def test_a_gap_in_a_long_press_is_not_a_second_one() -> None:
    assert heard(HELD_10_S[:100] + HELD_10_S[120:])[0] == "5"


def test_a_16_khz_event_in_segments() -> None:
    first = [
        Sent(n * 0.02, n, 0, "8", min((n + 1) * 320, 65535), marker=n == 0) for n in range(205)
    ]
    second = [Sent(n * 0.02, n, 65535, "8", (n + 1) * 320 - 65535) for n in range(205, 250)]
    assert heard(first + second, rate=16000)[0] == "8"


@pytest.mark.parametrize("event", [16, 32, 64, 255])
def test_other_events_are_no_keys(event: int) -> None:
    receiver = EventReceiver()
    other = TelephoneEvent(event, False, 160)
    assert not receiver.receive(other, sequence=1, timestamp=5, marker=True, rate=8000, now=0.0)
    assert receiver.deadline is None


def test_payload() -> None:
    assert parse(b"\x0b\x8a\x03\x20") == TelephoneEvent(11, True, 800)
    assert parse(b"\x0b\x0a\x03\x20tail") == TelephoneEvent(11, False, 800)


@pytest.mark.parametrize("size", range(4))
def test_a_short_payload_is_refused(size: int) -> None:
    with pytest.raises(WireError):
        parse(bytes(size))


def test_keys_do_not_show() -> None:
    receiver = EventReceiver()
    changes = receiver.receive(
        TelephoneEvent(9, False, 1), sequence=1, timestamp=5, marker=True, rate=8000, now=0.0
    )
    assert "9" not in repr(changes)
    assert "9" not in repr(TelephoneEvent(9, False, 1))


@given(
    data=st.data(), keys=st.text(KEYS, min_size=1, max_size=8), rate=st.sampled_from([8000, 16000])
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_any_loss_order_and_repetition(data: st.DataObject, keys: str, rate: int) -> None:
    """Each press keeps at least one packet; its packets are shuffled, repeated and lost at will."""
    sequence = data.draw(st.integers(0, 65535))
    timestamp = data.draw(st.integers(0, 2**32 - 1))
    marker = data.draw(st.booleans())
    arriving: list[Sent] = []
    for number, key in enumerate(keys):
        whole = press(
            key,
            number * 0.4,
            sequence + number * 20,
            timestamp + number * rate * 2 // 5,
            rate=rate,
            marker=marker,
        )
        times = [sent.at for sent in whole]
        kept = data.draw(st.lists(st.sampled_from(whole), min_size=1, max_size=2 * len(whole)))
        arriving += [
            Sent(at, sent.sequence, sent.timestamp, sent.key, sent.duration, sent.end, sent.marker)
            for at, sent in zip(sorted(times * 2), kept, strict=False)
        ]
    assert heard(arriving, rate=rate)[0] == keys

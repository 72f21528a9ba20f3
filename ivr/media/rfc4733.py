"""Telephone events (RFC 4733): which key a caller holds, from packets that come as they may.

Sans-IO: payloads and `now` (monotonic seconds) go in, changes of a key come out. One receiver per
call.
"""

import struct
from collections import OrderedDict
from dataclasses import dataclass, field

from ivr.media.rtp import sequence_distance, timestamp_distance
from ivr.wire import WireError

KEYS = "0123456789*#ABCD"
"""The keys of events 0 to 15 (RFC 4733 section 3.2)."""

SILENT_END = 0.150
"""Seconds without a packet after which a key counts as released: every end packet was lost."""

_MAX_DURATION = 0xFFFF
_SEGMENT_SLACK = 0.060  # s: how far off a new segment may begin when the old one's end was lost
_END_REPEATS = 3  # packets: an end is sent three times in a row (section 2.5.1.4)
_REMEMBERED = 16  # timestamps
_FORGOTTEN_AFTER = 3.0  # s: no network delivers a packet this late; the timestamp is free again


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """One payload (section 2.3). `duration` in units of the stream's clock rate."""

    event: int = field(repr=False)
    end: bool
    duration: int


def parse(payload: bytes) -> TelephoneEvent:
    """Parse one telephone-event payload. Raises `WireError` when it is too short."""
    if len(payload) < 4:
        raise WireError("telephone-event shorter than 4 bytes")
    event, flags, duration = struct.unpack_from("!BBH", payload)
    return TelephoneEvent(event, bool(flags & 0x80), duration)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key went down (`pressed`) or up."""

    key: str = field(repr=False)
    pressed: bool


@dataclass(slots=True)
class _Press:
    """The key heard last: still held, or over (`ended_by_packet` says how)."""

    event: int
    timestamp: int  # of the segment under way
    duration: int
    rate: int
    sequence: int
    last_packet: float
    held: bool = True
    ended_by_packet: bool = False


class EventReceiver:
    """Turns one call's telephone-event packets into keys; each RTP timestamp is one key."""

    def __init__(self) -> None:
        self._press: _Press | None = None
        self._seen: OrderedDict[int, float] = OrderedDict()  # timestamp → when last heard

    @property
    def deadline(self) -> float | None:
        """When `advance` is due, or None while no key is held."""
        if self._press is None or not self._press.held:
            return None
        return self._press.last_packet + SILENT_END

    def advance(self, now: float) -> list[KeyChange]:
        """Release a key that has not been heard of for `SILENT_END`."""
        press = self._press
        if press is None or not press.held or now < press.last_packet + SILENT_END:
            return []
        press.held = False
        return [KeyChange(KEYS[press.event], pressed=False)]

    def receive(
        self,
        packet: TelephoneEvent,
        *,
        sequence: int,
        timestamp: int,
        marker: bool,
        rate: int,
        now: float,
    ) -> list[KeyChange]:
        """Take one packet: 16-bit `sequence`, 32-bit `timestamp`, clock `rate` in Hz.

        Events past 15 are no keys and change nothing.
        """
        if packet.event >= len(KEYS):
            return []
        changes = self.advance(now)
        press = self._press
        if (
            press is not None
            and timestamp == press.timestamp
            and self._is_remembered(timestamp, now)
        ):
            self._remember(timestamp, now)
            return changes + self._more(press, packet, sequence, now)
        if self._is_remembered(timestamp, now):
            return changes  # late, of an older key or segment
        if press is not None and self._goes_on(press, packet, sequence, timestamp, marker, now):
            self._remember(timestamp, now)
            if not press.ended_by_packet:
                press.timestamp, press.duration = timestamp, packet.duration
            return changes + self._more(press, packet, sequence, now)
        if press is not None and press.held:
            changes.append(KeyChange(KEYS[press.event], pressed=False))
        self._remember(timestamp, now)
        self._press = _Press(packet.event, timestamp, packet.duration, rate, sequence, now)
        changes.append(KeyChange(KEYS[packet.event], pressed=True))
        return changes + self._more(self._press, packet, sequence, now)

    def _more(
        self, press: _Press, packet: TelephoneEvent, sequence: int, now: float
    ) -> list[KeyChange]:
        press.duration = max(press.duration, packet.duration)
        press.last_packet = now
        if sequence_distance(sequence, press.sequence) > 0:
            press.sequence = sequence
        if not packet.end:
            return []
        press.ended_by_packet = True
        if not press.held:
            return []
        press.held = False
        return [KeyChange(KEYS[press.event], pressed=False)]

    def _goes_on(
        self,
        press: _Press,
        packet: TelephoneEvent,
        sequence: int,
        timestamp: int,
        marker: bool,
        now: float,
    ) -> bool:
        """Whether a packet with a new timestamp still belongs to `press`.

        Two things do that: a key held so long that it is sent in segments (section 2.5.1.3), and
        senders that move the timestamp of an event's packets, its repeated ends above all.
        """
        if marker or packet.event != press.event or now - press.last_packet > _FORGOTTEN_AFTER:
            return False
        offset = timestamp_distance(timestamp, press.timestamp)
        if 0 < offset < press.duration:
            return True  # a key cannot go down again before it came up: the timestamp moved
        steps = sequence_distance(sequence, press.sequence)
        if packet.end and 0 < steps <= _END_REPEATS and offset > 0:
            return True  # no room for a pause and another press between these two packets
        if press.ended_by_packet:
            return False
        slack = round(_SEGMENT_SLACK * press.rate)
        return offset == press.duration or abs(offset - _MAX_DURATION) <= slack

    def _is_remembered(self, timestamp: int, now: float) -> bool:
        heard = self._seen.get(timestamp)
        return heard is not None and now - heard <= _FORGOTTEN_AFTER

    def _remember(self, timestamp: int, now: float) -> None:
        self._seen[timestamp] = now
        self._seen.move_to_end(timestamp)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

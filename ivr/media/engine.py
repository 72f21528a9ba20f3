"""The sound of all the calls of a worker: numpy over calls, no socket, no clock.

Datagrams, orders and `now` (monotonic seconds) go in; packets to send, keys and the ends of plays
come out. A call is a slot, a number below `capacity`. Only rare things (keys, RTCP, the packet in
which a clip ends) take Python per packet.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ivr.media import rfc4733, rtcp, rtp
from ivr.media.keys import KeyMerger
from ivr.media.playout import Burst, Playout
from ivr.media.quality import mean_opinion_score
from ivr.media.reception import Reception
from ivr.media.stream import (
    Address,
    Clip,
    Codec,
    KeyPressed,
    PlayEnded,
    Spoke,
    StreamParams,
    StreamStats,
    Way,
)
from ivr.media.tone_blocks import ALAW, ULAW
from ivr.media.tones import ToneDetector
from ivr.media.voice import VoiceDetector
from ivr.wire import WireError

REPORT_INTERVAL = 5.0
"""Seconds between RTCP reports on average (RFC 3550 section 6.2)."""

_DEAF = -1
_Event = KeyPressed | PlayEnded | Spoke
_LAWS = {Codec.PCMA: ALAW, Codec.PCMU: ULAW}


class NoSlot(Exception):  # noqa: N818 - a full engine is an answer, not a fault
    """Every slot has a call."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Datagrams that came to RTP ports, in the order of arrival.

    `data`: (M, rtp.MAX_PACKET) uint8; `lengths`: (M,) int64, bytes of each row, below zero where
    none came after all; `slots`: M calls, no one twice where `sources` is None; `sources`: M
    addresses, or None when each is where the call's RTP goes to (`Engine.peers`), as a connected
    socket ensures.
    """

    data: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    slots: Sequence[int] | NDArray[np.int64]
    sources: Sequence[Address] | None


@dataclass(frozen=True, slots=True)
class Datagram:
    """RTCP to send for a call."""

    slot: int
    data: bytes
    destination: Address


@dataclass(slots=True)
class _Call:
    """What of a call is not an array."""

    cname: str
    params: StreamParams | None = None
    negotiated: Address | None = None
    rtcp_source: Address | None = None
    events: rfc4733.EventReceiver = field(default_factory=rfc4733.EventReceiver)
    keys: KeyMerger = field(default_factory=KeyMerger)
    strangers: int = 0
    sent_at_report: int = 0
    heard_report: int = 0  # middle 32 bits of the NTP time of the peer's last sender report
    heard_report_at: float = 0.0


class Engine:
    """Up to `capacity` calls. `bank` and `entropy`: see `Playout`. `inband`: hear tones too."""

    def __init__(
        self,
        capacity: int,
        bank: NDArray[np.uint8],
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        inband: bool = True,
    ) -> None:
        self._entropy = entropy
        self._tones = ToneDetector(capacity) if inband else None
        self._voices = VoiceDetector(capacity)
        self._playout = Playout(capacity, bank, entropy)
        self._reception = Reception(capacity)
        self._calls: dict[int, _Call] = {}
        self._free = list(range(capacity - 1, -1, -1))
        self._events: list[tuple[int, _Event]] = []
        self._holding: set[int] = set()  # slots whose telephone event is under way
        self._tick = 0
        self._sound_type = np.full(capacity, -1, np.int64)
        self._law = np.full(capacity, _DEAF)  # how to decode what a call hears
        self._event_rate = np.zeros((capacity, 128), np.int64)  # Hz by payload type, 0: no event
        self._latched = np.zeros(capacity, np.bool_)
        self._report_due = np.full(capacity, np.inf)
        self.peers: list[Address | None] = [None] * capacity
        """Where each call's RTP goes to, and once it is latched the only one it hears.

        It changes in `configure`, and in `receive` for a call that somebody else sent to.
        """
        self.malformed = 0
        """Datagrams dropped because they were not RTP, RTCP or telephone events."""

    @property
    def calls(self) -> int:
        """How many calls there are."""
        return len(self._calls)

    def open(self, now: float, cname: str) -> int:
        """The slot of a new call; nothing is sent before `configure`. Raises `NoSlot`.

        `cname`: who we are in RTCP, in this call alone (RFC 7022).
        """
        if not self._free:
            raise NoSlot
        slot = self._free.pop()
        self._calls[slot] = _Call(cname)
        self._playout.open(slot)
        self._reception.open(slot)
        # The first report comes sooner (RFC 3550 section 6.2).
        self._report_due[slot] = now + self._report_delay() / 2
        return slot

    def close(self, slot: int, now: float, wall: float) -> tuple[StreamStats, Datagram | None]:
        """End a call: its figures, and the RTCP BYE to send when there is somebody to tell.

        `wall`: seconds since 1970, for RTCP alone.
        """
        stats = self.stats(slot)
        bye = self._report(slot, now, wall, bye=True)
        self._playout.close(slot)
        del self._calls[slot]
        self._free.append(slot)
        self._holding.discard(slot)
        self._events = [item for item in self._events if item[0] != slot]
        self._sound_type[slot] = -1
        self._law[slot] = _DEAF
        self._voices.forget(slot)
        if self._tones is not None:
            self._tones.forget(slot)
        self._event_rate[slot] = 0
        self._latched[slot] = False
        self._report_due[slot] = np.inf
        self.peers[slot] = None
        return stats, bye

    def configure(self, slot: int, params: StreamParams) -> None:
        """Take over what was negotiated, at first or again; a new remote is latched anew.

        Without a remote, sound goes to whoever is latched; nowhere before somebody is.
        """
        call = self._calls[slot]
        call.params = params
        if params.remote is not None and params.remote != call.negotiated:
            call.negotiated = self.peers[slot] = params.remote
            call.rtcp_source = None
            self._latched[slot] = False
        self._sound_type[slot] = params.payload_type
        self._event_rate[slot] = 0
        self._law[slot] = _LAWS[Codec(params.codec)] if params.receives else _DEAF
        if params.receives:
            for payload_type, rate in params.dtmf.items():
                self._event_rate[slot, payload_type] = rate
        self._playout.configure(slot, replace(params, remote=self.peers[slot]))

    def play(self, slot: int, number: int, clips: Sequence[Clip], *, barge_in: bool) -> None:
        """Play clips in place of what plays. Raises ValueError: a clip outside the bank."""
        self._playout.play(slot, number, clips, barge_in=barge_in)
        self._collect_ended()

    def stop(self, slot: int) -> None:
        """Silence from the next packet on."""
        self._playout.stop(slot)
        self._collect_ended()

    def listen(self, slot: int, wanted: bool) -> None:
        """Tell, once, when the caller talks from now on; or no more."""
        if wanted:
            self._voices.listen(slot)
        else:
            self._voices.forget(slot)

    def info_key(self, slot: int, key: str, duration: float, now: float) -> None:
        """A key that a SIP INFO brought, pressed for `duration` seconds."""
        keys = self._calls[slot].keys
        if keys.tapped(Way.INFO, key, duration, now):
            self._key_pressed(slot, key, Way.INFO)

    def receive(self, arrivals: Arrivals, now: float) -> None:
        """Take the datagrams that came to RTP ports by `now`. Never raises for what they hold."""
        packets = rtp.parse(arrivals.data, arrivals.lengths)
        slots = np.asarray(arrivals.slots, np.int64)
        is_sound = packets.payload_type == self._sound_type[slots]
        event_rate = self._event_rate[slots, packets.payload_type]
        rows = np.flatnonzero(packets.valid)
        self.malformed += int(np.count_nonzero(arrivals.lengths >= 0)) - len(rows)
        if arrivals.sources is None:
            self._latched[slots[rows]] = True
        else:
            expected = is_sound | (event_rate > 0)
            admitted = [
                self._admit(int(slots[row]), arrivals.sources[row], bool(expected[row]))
                for row in rows.tolist()
            ]
            rows = rows[admitted]
        self._reception.update(slots[rows], packets, rows, is_sound[rows], now)
        events = rows[np.flatnonzero(event_rate[rows])]
        if events.size:
            self._telephone_events(slots[events], packets, events, event_rate[events], now)
        sounds = rows[is_sound[rows] & (self._law[slots[rows]] != _DEAF)]
        if sounds.size:
            self._hear(slots[sounds], packets, sounds, now)

    def _hear(
        self, slots: NDArray[np.int64], packets: rtp.Packets, rows: NDArray[np.int64], now: float
    ) -> None:
        """Take the sound in the rows of `packets`: tones, and voices where they are waited for."""
        laws = self._law[slots]
        if self._tones is not None:
            self._tone_changes(self._tones.hear(slots, laws, packets, rows, now), now)
        if self._voices.listens:
            speaking = self._playout.is_playing(slots)
            talking = self._voices.hear(slots, laws, packets, rows, speaking, now)
            self._events += [(slot, Spoke()) for slot in talking]

    def _admit(self, slot: int, source: Address, expected: bool) -> bool:
        """Whether to hear `source`; latches to it where that is still open.

        The negotiated address is always right. Until it has sent, the first other one to send what
        was agreed on (`expected`) is taken for it: that is what NAT makes of the address in SDP,
        and how a phone is heard that names one which our sockets cannot reach.
        """
        call = self._calls[slot]
        if source == call.negotiated or (expected and not self._latched[slot]):
            if self.peers[slot] is None and call.params is not None:
                self._playout.configure(slot, replace(call.params, remote=source))
            self.peers[slot] = source
            self._latched[slot] = True
            return True
        if source == self.peers[slot] and self._latched[slot]:
            return True
        call.strangers += 1
        return False

    def _telephone_events(
        self,
        slots: NDArray[np.int64],
        packets: rtp.Packets,
        rows: NDArray[np.int64],
        rates: NDArray[np.int64],
        now: float,
    ) -> None:
        columns = (slots, rows, packets.sequence[rows], packets.timestamp[rows], rates)
        markers: list[bool] = packets.marker[rows].tolist()
        for slot, row, sequence, timestamp, rate, marker in zip(
            *(column.tolist() for column in columns), markers, strict=True
        ):
            try:
                event = rfc4733.parse(packets.payload(row))
            except WireError:
                self.malformed += 1
                continue
            changes = self._calls[slot].events.receive(
                event, sequence=sequence, timestamp=timestamp, marker=marker, rate=rate, now=now
            )
            self._apply(slot, changes, now)

    def _apply(self, slot: int, changes: Sequence[rfc4733.KeyChange], now: float) -> None:
        call = self._calls[slot]
        for change in changes:
            self._key_changed(slot, change, Way.RFC4733, now)
        if call.events.deadline is None:
            self._holding.discard(slot)
        else:
            self._holding.add(slot)

    def _tone_changes(self, changes: Sequence[tuple[int, rfc4733.KeyChange]], now: float) -> None:
        for slot, change in changes:
            self._key_changed(slot, change, Way.INBAND, now)

    def _key_changed(self, slot: int, change: rfc4733.KeyChange, way: Way, now: float) -> None:
        keys = self._calls[slot].keys
        if not change.pressed:
            keys.released(way, now)
        elif keys.pressed(way, change.key, now):
            self._key_pressed(slot, change.key, way)

    def _key_pressed(self, slot: int, key: str, way: Way) -> None:
        self._events.append((slot, KeyPressed(key, way)))
        self._playout.barge_in(slot)
        self._collect_ended()

    def _collect_ended(self) -> None:
        self._events.extend(self._playout.ended())

    def tick(self, number: int, now: float) -> list[Burst]:
        """What to send at tick `number` (they count up, TICK_MS apart, and may be left out)."""
        self._tick = number
        for slot in [*self._holding]:
            self._apply(slot, self._calls[slot].events.advance(now), now)
        if self._tones is not None:
            self._tone_changes(self._tones.advance(now), now)
        bursts = self._playout.tick(number)
        self._collect_ended()
        return bursts

    def to_read(self, number: int) -> NDArray[np.int64]:
        """The slots whose datagrams are wanted at tick `number`: each at every second tick or so,
        in step with its packets where it sends that often, so that ticks share the work."""
        return self._playout.in_step(number, self.next_tick(number))

    def next_tick(self, number: int) -> int:
        """The tick to take after `number`: one at which no packet is due is left out.

        Never two in a row: 20 ms is how long a key may wait to be heard.
        """
        return number + 1 if self._playout.is_due(number + 1) else number + 2

    def events(self) -> list[tuple[int, _Event]]:
        """Keys, ends of plays and who talks, with their slots, in order, since the last asking."""
        events, self._events = self._events, []
        return events

    def stats(self, slot: int) -> StreamStats:
        """The call's figures so far."""
        call = self._calls[slot]
        received, lost = self._reception.received(slot), self._reception.lost(slot)
        jitter = self._reception.jitter_ms(slot)
        mos = 0.0
        if received and call.params is not None:
            mos = mean_opinion_score(lost / (received + lost), jitter, call.params.ptime_ms)
        sent, _ = self._playout.sent(slot)
        ways = frozenset(way.value for way in call.keys.ways)
        rejects = {} if self._tones is None else self._tones.rejects(slot)
        return StreamStats(
            sent, received, lost, round(jitter, 2), mos, ways, call.strangers, rejects
        )

    def receive_rtcp(self, slot: int, data: bytes, source: Address, now: float) -> None:
        """Take a datagram that came to the call's RTCP port. Never raises for what it holds."""
        call, peer = self._calls[slot], self.peers[slot]
        if peer is None or source[0] != peer[0]:
            call.strangers += 1
            return
        try:
            report = rtcp.parse(data)
        except WireError:
            self.malformed += 1
            return
        call.rtcp_source = source
        if report.ntp is not None:
            call.heard_report = report.ntp >> 16 & 0xFFFFFFFF
            call.heard_report_at = now

    def reports(self, now: float, wall: float) -> list[Datagram]:
        """The RTCP reports due by `now`; `wall`: seconds since 1970. They go on through a hold."""
        due = np.flatnonzero(self._report_due <= now).tolist()
        reports = [self._report(slot, now, wall) for slot in due]
        for slot in due:
            self._report_due[slot] = now + self._report_delay()
        return [report for report in reports if report is not None]

    def _report_delay(self) -> float:
        """Half to one and a half times the interval, so that calls do not report in step."""
        return REPORT_INTERVAL * (0.5 + int.from_bytes(self._entropy(2), "big") / 65536)

    def _report(self, slot: int, now: float, wall: float, *, bye: bool = False) -> Datagram | None:
        call = self._calls[slot]
        destination = self._rtcp_destination(slot, call)
        if destination is None:
            return None
        sent, octets = self._playout.sent(slot)
        sender = None
        if sent > call.sent_at_report:
            timestamp = int(self._playout.timestamps(np.array([slot]), self._tick)[0])
            sender = rtcp.SenderInfo(rtcp.ntp_time(wall), timestamp, sent, octets)
        call.sent_at_report = sent
        last = rtcp.LastReport()
        if call.heard_report:
            last = rtcp.LastReport(call.heard_report, now - call.heard_report_at)
        block = self._reception.report(slot)
        ssrc = self._playout.ssrc(slot)
        return Datagram(
            slot, rtcp.build(ssrc, call.cname, sender, block, last, bye=bye), destination
        )

    def _rtcp_destination(self, slot: int, call: _Call) -> Address | None:
        peer = self.peers[slot]
        if call.rtcp_source is not None or peer is None or call.params is None:
            return call.rtcp_source
        if peer == call.negotiated and call.params.remote_rtcp is not None:
            return call.params.remote_rtcp
        return (peer[0], peer[1] + 1) if peer[1] < 0xFFFF else None

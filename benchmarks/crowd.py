"""The sound of many callers: numpy over callers, no socket, no clock.

Each sends a packet of A-law every 20 ms, or telephone events (RFC 4733) while a key is down, and
notes when the server's packets come. A caller is a row; the rows are in `PARTS` parts, whose turns
to send are spread over the 20 ms.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.keying import EVENT_CODES, Scripts, Wait
from benchmarks.mmsg import Received
from ivr.media import g711, rtp
from tests.sounds import Press, to_alaw, tone

SAMPLES = 160
PACKET = 20e-3
PARTS = 5
FRAME = np.dtype([("header", rtp.HEADER), ("payload", "u1", SAMPLES)])
SOUND_PAYLOAD_TYPE = 8
EVENT_PAYLOAD_TYPE = 101
EVENT_SIZE = rtp.HEADER_SIZE + 4
EVENT_PACKETS = 5  # a key is down for 100 ms
EVENT_ENDS = 3
TONE_PACKETS = EVENT_PACKETS + 1
_TONE_BEGINS = range(0, SAMPLES, 20)  # in its first packet
VOLUME = 10  # -dBm0
GAP_BIN = 1e-4
"""Seconds: how finely inter-arrival times are counted; the last bin has all that are longer."""
GAP_BINS = 20_001
GAP_BATCH = 100
LOUD = 300  # of 32768: -41 dB, well over the noise of a recording's pauses
LOUD_SAMPLES = 8  # 1 ms of it in a packet
LONG_PAUSE = 4.0  # s
_BACKGROUND_PACKETS = 500

_IS_LOUD = np.abs(g711.decode_alaw(np.arange(256, dtype=np.uint8)).astype(np.int64)) >= LOUD


def noise(seed: int = 1, level: float = 40.0) -> NDArray[np.uint8]:
    """10 s of A-law: what a line sounds like when nobody speaks, some -58 dBm0."""
    samples = np.random.default_rng(seed).normal(0, level, _BACKGROUND_PACKETS * SAMPLES)
    return g711.encode_alaw(samples.astype(np.int16)).reshape(-1, SAMPLES)


def _tones() -> NDArray[np.uint8]:
    """(keys, beginnings, packets, samples): A-law of each key as a tone of 100 ms."""
    press = Press(tone_ms=1e3 * PACKET * EVENT_PACKETS)
    sound = np.zeros((len(EVENT_CODES), len(_TONE_BEGINS), TONE_PACKETS * SAMPLES))
    for key, code in EVENT_CODES.items():
        pressed = tone(key, press)
        for number, begin in enumerate(_TONE_BEGINS):
            sound[code, number, begin : begin + len(pressed)] = pressed
    return to_alaw(sound).reshape(*sound.shape[:2], TONE_PACKETS, SAMPLES)


@dataclass(slots=True)
class Heard:
    """What the callers heard while it was measured. Times in seconds.

    `gaps`: how many inter-arrival times fell in each `GAP_BIN`. `answers` and `verdicts`: from the
    first packet of the last key to the first packet with audible sound; `silences`: to the first
    without any; `unanswered`: keys that nothing waited for followed before the next such key.
    """

    sent: int = 0
    unsent: int = 0
    received: int = 0
    lost: int = 0
    gap_max: float = 0.0
    gaps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(GAP_BINS, np.int64))
    answers: list[float] = field(default_factory=list)
    verdicts: list[float] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)
    unanswered: int = 0
    _not_binned: list[NDArray[np.float64]] = field(default_factory=list)

    def add_gaps(self, gaps: NDArray[np.float64]) -> None:
        """Count inter-arrival times; they are sorted into bins some thousands at a time."""
        if gaps.size:
            self.gap_max = max(self.gap_max, float(gaps.max()))
        self._not_binned.append(gaps)
        if len(self._not_binned) >= GAP_BATCH:
            self.sort_gaps()

    def sort_gaps(self) -> None:
        """Bring `gaps` up to date."""
        if self._not_binned:
            bins = np.concatenate(self._not_binned) / GAP_BIN
            self.gaps += np.bincount(
                np.clip(bins, 0, GAP_BINS - 1).astype(np.int64), minlength=GAP_BINS
            )
            self._not_binned.clear()

    def gap(self, share: float) -> float:
        """The `share` (0…1) percentile of the inter-arrival times."""
        self.sort_gaps()
        total = np.cumsum(self.gaps)
        if not total[-1]:
            return 0.0
        return float((np.searchsorted(total, share * total[-1]) + 0.5) * GAP_BIN)


class Crowd:
    """Up to `capacity` callers, who key `scripts` and otherwise send `background`. `tones`: keys go
    as tones in the sound, which begin anywhere in a packet, instead of as events."""

    def __init__(
        self,
        capacity: int,
        scripts: Scripts,
        background: NDArray[np.uint8],
        *,
        tones: bool = False,
    ) -> None:
        self.rows_of_part = -(-capacity // PARTS)
        rows = self.rows_of_part * PARTS
        self._scripts = scripts
        self._background = background
        self._frames = np.zeros(rows, FRAME)
        header = self._frames["header"]
        header["first"] = rtp.VERSION << 6
        header["second"] = SOUND_PAYLOAD_TYPE
        header["ssrc"] = np.arange(rows) + 1
        self.data: NDArray[np.uint8] = self._frames.view(np.uint8).reshape(rows, FRAME.itemsize)
        self.lengths: NDArray[np.uint64] = np.full(rows, FRAME.itemsize, np.uint64)
        """Bytes of each packet to send. May be replaced by an array of the same shape."""
        self._active = np.zeros(rows, np.bool_)
        self._sequence = np.zeros(rows, np.int64)
        self._timestamp = np.zeros(rows, np.int64)
        self._place = np.zeros(rows, np.int64)  # in the background
        self._position = np.zeros(rows, np.int64)  # in the scripts
        self._pause = np.zeros(rows, np.int64)  # packets until the next key
        self._event = np.full(rows, -1, np.int64)  # packets of the key so far
        self._event_code = np.zeros(rows, np.uint8)
        self._event_timestamp = np.zeros(rows, np.int64)
        self._tones = _tones() if tones else None
        self._tone_begin = np.zeros(rows, np.int64)  # which of `_TONE_BEGINS`
        self._detour = np.zeros(rows, np.int64)  # the script to begin, and when
        self._detour_at = np.full(rows, np.inf)
        self._row_of_port = np.full(0x10000, -1, np.int64)
        self._highest = np.zeros(rows, np.int64)
        self._last_arrival = np.zeros(rows)
        self._asked = np.zeros(rows)
        self._asked_for = np.zeros(rows, np.int64)
        self.first_sound: NDArray[np.float64] = np.zeros(rows)
        """When each caller's first packet came; 0 before it."""
        self.heard = Heard()
        self.measuring = False

    def start(self, row: int, port: int, script: int, delay: float = 0.0) -> None:
        """The row's call was answered, its sound comes from `port`; the first key of its script is
        pressed in `delay` seconds."""
        self._active[row] = True
        self._row_of_port[port] = row
        self._position[row] = script
        self._pause[row] = round(delay / PACKET)
        self._event[row] = -1
        self._detour_at[row] = np.inf
        self._last_arrival[row] = self._asked[row] = self.first_sound[row] = 0.0
        self._place[row] = row * 37 % len(self._background)

    def stop(self, row: int) -> None:
        """The row's call is over."""
        self._active[row] = False

    def detour(self, row: int, script: int, at: float) -> None:
        """Let the caller begin `script` at `at`, between two rounds of what it keys now."""
        self._detour[row], self._detour_at[row] = script, at

    def give_up_waiting(self, before: float) -> None:
        """Count as unanswered the keys of before then that no sound has followed."""
        waiting = self._asked > 0
        self.heard.unanswered += int(np.count_nonzero(waiting & (self._asked < before)))
        self._asked[waiting] = 0.0

    def step(self, part: int, now: float) -> NDArray[np.int64]:
        """Make the next packet of each caller of the part; the rows to send, `now`."""
        rows = slice(part * self.rows_of_part, (part + 1) * self.rows_of_part)
        frames, header = self._frames[rows], self._frames["header"][rows]
        self._sequence[rows] += 1
        self._timestamp[rows] += SAMPLES
        self._place[rows] += 1
        self._pause[rows] -= 1
        header["sequence"] = self._sequence[rows] & 0xFFFF
        header["timestamp"] = self._timestamp[rows] & 0xFFFFFFFF
        header["second"] = SOUND_PAYLOAD_TYPE
        frames["payload"] = self._background[self._place[rows] % len(self._background)]
        self.lengths[rows] = FRAME.itemsize
        active = np.flatnonzero(self._active[rows]) + rows.start
        self._key(active, now)
        if self.measuring:
            self.heard.sent += len(active)
        return active

    def _key(self, active: NDArray[np.int64], now: float) -> None:
        up = active[self._event[active] < 0]
        away = up[self._detour_at[up] <= now]
        if away.size:
            self._go_away(away)
        due = up[(self._pause[up] <= 0) & (self._position[up] > 0)]
        if due.size:
            self._press(due, now)
        down = active[self._event[active] >= 0]
        if down.size and self._tones is not None:
            self._send_tones(down, self._tones)
        elif down.size:
            self._send_events(down)

    def _go_away(self, away: NDArray[np.int64]) -> None:
        # Only at a pause as long as one between two rounds: not in the middle of an entry.
        away = away[self._scripts.pause[self._position[away]] > LONG_PAUSE / PACKET]
        self._position[away] = self._detour[away]
        self._pause[away] = self._scripts.pause[self._position[away]]
        self._detour_at[away] = np.inf

    def _press(self, due: NDArray[np.int64], now: float) -> None:
        position = self._position[due]
        self._event[due] = 0
        self._event_code[due] = self._scripts.code[position]
        self._event_timestamp[due] = self._timestamp[due]
        waits = self._scripts.wait[position]
        asking = due[waits != Wait.NOTHING]
        if asking.size and self.measuring:
            self.heard.unanswered += int(np.count_nonzero(self._asked[asking]))
            self._asked[asking] = now
            self._asked_for[asking] = waits[waits != Wait.NOTHING]
        self._tone_begin[due] = (self._tone_begin[due] + 3) % len(_TONE_BEGINS)  # each in its turn
        self._position[due] = self._scripts.following[position]

    def _send_tones(self, down: NDArray[np.int64], tones: NDArray[np.uint8]) -> None:
        step = self._event[down]
        sound = tones[self._event_code[down], self._tone_begin[down], step]
        self._frames["payload"][down] = sound
        self._event[down] = step + 1
        self._key_up(down[step + 1 == TONE_PACKETS])

    def _send_events(self, down: NDArray[np.int64]) -> None:
        step = self._event[down]
        ending = step >= EVENT_PACKETS
        duration = np.minimum(step + 1, EVENT_PACKETS + 1) * SAMPLES
        header = self._frames["header"]
        header["second"][down] = np.where(step == 0, rtp.MARKER, 0) | EVENT_PAYLOAD_TYPE
        header["timestamp"][down] = self._event_timestamp[down] & 0xFFFFFFFF
        payload = self._frames["payload"]
        payload[down, 0] = self._event_code[down]
        payload[down, 1] = np.where(ending, 0x80, 0) | VOLUME
        payload[down, 2] = duration >> 8
        payload[down, 3] = duration & 0xFF
        self.lengths[down] = EVENT_SIZE
        self._event[down] = step + 1
        self._key_up(down[step + 1 == EVENT_PACKETS + EVENT_ENDS])

    def _key_up(self, rows: NDArray[np.int64]) -> None:
        self._event[rows] = -1
        self._pause[rows] = self._scripts.pause[self._position[rows]]

    def hear(self, received: Received) -> None:
        """Take what came from the server: RTP of the calls, and anything else, which is ignored."""
        data = received.data
        rows = self._row_of_port[received.ports]
        sound = (data[:, 1] & 0x7F == SOUND_PAYLOAD_TYPE) & (data[:, 0] >> 6 == rtp.VERSION)
        kept = np.flatnonzero((rows >= 0) & sound & (received.lengths > rtp.HEADER_SIZE))
        if not kept.size:
            return
        kept = kept[np.argsort(rows[kept], kind="stable")]  # each caller's together, in order
        rows, arrived = rows[kept], received.arrived[kept]
        sequence = data[kept, 2].astype(np.int64) << 8 | data[kept, 3]
        first, last = np.ones((2, len(rows)), np.bool_)
        first[1:] = last[:-1] = rows[1:] != rows[:-1]
        before = np.where(first, self._last_arrival[rows], np.roll(arrived, 1))
        starts = np.flatnonzero(first)
        callers = rows[starts]
        new = self._last_arrival[callers] == 0
        self.first_sound[callers[new]] = arrived[starts[new]]
        self._highest[callers[new]] = sequence[starts[new]] - 1
        ahead = rtp.sequence_distance(sequence, self._highest[rows])
        advance = np.maximum(np.maximum.reduceat(ahead, starts), 0)
        self._highest[callers] += advance
        self._last_arrival[callers] = arrived[last]
        if self.measuring:
            self.heard.received += len(rows)
            self.heard.lost += int(advance.sum()) - len(rows)  # one that was overtaken comes later
            self.heard.add_gaps((arrived - before)[before > 0])
        asked = np.flatnonzero(self._asked[rows] > 0)
        if asked.size:
            self._look_for_answers(rows[asked], arrived[asked], data[kept[asked]])

    def _look_for_answers(
        self, rows: NDArray[np.int64], arrived: NDArray[np.float64], data: NDArray[np.uint8]
    ) -> None:
        payload = data[:, rtp.HEADER_SIZE : FRAME.itemsize]
        loud = np.count_nonzero(_IS_LOUD[payload], axis=1)
        wants_silence = self._asked_for[rows] == Wait.SILENCE
        answers = np.where(wants_silence, loud == 0, loud >= LOUD_SAMPLES)
        found = {
            Wait.ANSWER: self.heard.answers,
            Wait.VERDICT: self.heard.verdicts,
            Wait.SILENCE: self.heard.silences,
        }
        for row, when in zip(rows[answers].tolist(), arrived[answers].tolist(), strict=True):
            if 0 < self._asked[row] < when:
                found[Wait(self._asked_for[row])].append(when - float(self._asked[row]))
                self._asked[row] = 0.0

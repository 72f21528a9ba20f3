"""Keys heard as tones in the sound (ITU-T Q.23, Q.24; ETSI ES 201 235-3), all calls at once.

Sans-IO: the packets of a tick and `now` (monotonic seconds) go in, keys that went down or up come
out. Every block of 5 ms passes a cheap gate; only where six have passed in a row are they fitted
(`tone_fit`), and only while a key is held are its two tones followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ivr.media import tone_fit
from ivr.media.rfc4733 import KeyChange
from ivr.media.rtp import Packets
from ivr.media.tone_blocks import Ready, ToneBlocks
from ivr.media.tone_fit import DIAL_WINDOW, DIGITS, WINDOW, Verdict
from ivr.media.turns import Turns

SILENT_END = 0.150
"""Seconds without sound after which a key counts as released."""


class Reject(StrEnum):
    """Why what began like a key was none."""

    SHORT = "too_short"
    TWIST = "twist"
    FREQUENCY = "frequency"
    NOISE = "noise"
    SPEECH = "talk_off"


REJECTS = tuple(Reject)
_OF_VERDICT = np.full(len(Verdict), -1, np.int8)
for _verdict, _reject in (
    (Verdict.TWIST, Reject.TWIST),
    (Verdict.FREQUENCY, Reject.FREQUENCY),
    (Verdict.NOISE, Reject.NOISE),
    (Verdict.SPEECH, Reject.SPEECH),
):
    _OF_VERDICT[_verdict] = REJECTS.index(_reject)

_NONE = -1
_SETTLED = -2  # of a run in which there was a digit
_PASS = 4  # blocks judged at once: what most packets bring
_LEAST_SHORT = 3  # blocks in a row from which on a tone counts as one that was too short
_PRESENT = 0.4  # of a held tone's amplitude: below, it is absent
_STEADY = 0.7  # of it: so loud a tone still goes on, and is no echo
_RELEASE = 5  # blocks without it, 25 ms: 10 must not split a key, 40 must
_RELEASE_KNOWN = 3  # of these, what must not be lost packets
_ECHO = 0.5  # of a digit's amplitude: the same digit below that, right after it, is its echo
_ECHO_BLOCKS = 30
_PAIRS = slice(-2, None), slice(0, 2), slice(2, 4)  # of a window, each of which must be like tones
_LONGEST_GAP = 12  # blocks lost between two parts of one window


@dataclass(frozen=True, slots=True)
class _Pass:
    """Blocks (K, B) of some calls: `come` whole or `lost`, or neither and not due yet; through the
    `gate` or not; `before`: how many in a row had passed it; `ends`: such a row ends here;
    `complete`: it fills a window."""

    slots: NDArray[np.int64]
    numbers: NDArray[np.int64]
    places: NDArray[np.int64]
    come: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    gate: NDArray[np.bool_]
    before: NDArray[np.int64]
    ends: NDArray[np.bool_]
    complete: NDArray[np.bool_]


class ToneDetector:
    """Listens to up to `capacity` calls."""

    def __init__(self, capacity: int) -> None:
        self._blocks = ToneBlocks(capacity)
        self._turns = Turns(capacity)
        self._run = np.zeros(capacity, np.int64)  # blocks in a row that passed the gate
        self._lost = np.zeros(capacity, np.int64)  # blocks lost since the last that came
        self._held = np.full(capacity, _NONE, np.int64)  # digit
        self._amplitude = np.zeros((capacity, 2), np.float32)  # of the held digit's tones
        self._last = np.full(capacity, _NONE, np.int64)  # the digit that was held last
        self._released = np.zeros(capacity, np.int64)  # the number of the block that ended it
        self._absent = np.zeros(capacity, np.int64)  # blocks since the held digit's last
        self._absent_known = np.zeros(capacity, np.int64)
        self._dial = np.zeros(capacity, np.bool_)  # a dial tone was heard before the last tones
        self._mark = np.full(capacity, _NONE, np.int64)  # of the last window: end · 16 + digit
        self._doubt = np.full(capacity, _NONE, np.int8)  # why the run's last window was no digit
        self._rejects = np.zeros((capacity, len(REJECTS)), np.int64)
        self._holding: dict[int, float] = {}  # slot → when its sound last came
        self._changes: list[tuple[int, KeyChange]] = []

    def forget(self, slot: int) -> None:
        """A call is over; its slot may be another's."""
        self._blocks.forget(slot)
        for state in (self._run, self._lost, self._absent, self._absent_known, self._rejects):
            state[slot] = 0
        self._held[slot] = self._last[slot] = self._mark[slot] = self._doubt[slot] = _NONE
        self._dial[slot] = False
        self._holding.pop(slot, None)

    def rejects(self, slot: int) -> dict[str, int]:
        """How often something began like a key and was none, by `Reject`."""
        counts = self._rejects[slot].tolist()
        return {reject.value: count for reject, count in zip(REJECTS, counts, strict=True) if count}

    def hear(
        self,
        slots: NDArray[np.int64],
        laws: NDArray[np.int64],
        packets: Packets,
        rows: NDArray[np.int64],
        now: float,
    ) -> list[tuple[int, KeyChange]]:
        """Take sound: rows (K,) of `packets`, of calls `slots` (K,), encoded by `laws` (K,).

        Returns the keys that went down or up, in order, each with its call.
        """
        for turn in self._turns.of(slots):
            chosen = slots[turn]
            ready, broken = self._blocks.put(chosen, laws[turn], packets, rows[turn])
            if broken.size:
                self._break(broken)
            for part in _parts(ready):
                self._judge(part)
                self._blocks.judged(part)
        if self._holding:
            for slot in {*slots.tolist()} & self._holding.keys():
                self._holding[slot] = now
        changes, self._changes = self._changes, []
        return changes

    def advance(self, now: float) -> list[tuple[int, KeyChange]]:
        """Release keys of calls whose sound has stopped for `SILENT_END`."""
        if not self._holding:
            return []
        stopped = [slot for slot, last in self._holding.items() if now >= last + SILENT_END]
        for slot in stopped:
            self._release(slot, 0)
            self._run[slot] = 0
        changes, self._changes = self._changes, []
        return changes

    def _break(self, slots: NDArray[np.int64]) -> None:
        """The calls fell silent, or began anew."""
        self._end_runs(slots)
        self._run[slots] = self._lost[slots] = 0
        for slot in slots[self._held[slots] != _NONE].tolist():
            self._release(slot, 0)

    def _judge(self, ready: Ready) -> None:
        """Go through at most `_PASS` blocks of each call."""
        slots = ready.slots
        numbers = ready.first[:, None] + np.arange(int(ready.count.max()))
        places = self._blocks.places(slots[:, None], numbers)
        due = np.arange(numbers.shape[1]) < ready.count[:, None]
        come = self._blocks.known(places, numbers) & due
        lost = due & ~come
        gate = self._blocks.gate(places) & come
        run = self._run[slots]
        before = np.empty(numbers.shape, np.int64)  # the run up to each block, without it
        runs = np.empty(numbers.shape, np.int64)
        ends = come & ~gate
        if np.count_nonzero(lost) or np.count_nonzero(self._lost[slots]):
            ends |= self._lost_for_long(slots, come, lost)
        for step in range(numbers.shape[1]):
            before[:, step] = run
            run = (run + gate[:, step]) * ~ends[:, step]
            runs[:, step] = run
        self._run[slots] = run
        ends &= before >= _LEAST_SHORT
        complete = gate & (runs >= WINDOW)
        some = np.flatnonzero((complete | ends).any(axis=1) | (self._held[slots] != _NONE))
        if some.size:
            self._follow(
                _Pass(
                    slots[some],
                    numbers[some],
                    places[some],
                    come[some],
                    lost[some],
                    gate[some],
                    before[some],
                    ends[some],
                    complete[some],
                )
            )

    def _lost_for_long(
        self, slots: NDArray[np.int64], come: NDArray[np.bool_], lost: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Where so much is lost that what comes next begins anew."""
        missing = self._lost[slots]
        too_long = np.zeros(lost.shape, np.bool_)
        for step in range(lost.shape[1]):
            missing = np.where(come[:, step], 0, missing + lost[:, step])
            too_long[:, step] = missing > _LONGEST_GAP
        self._lost[slots] = missing
        return too_long

    def _follow(self, blocks: _Pass) -> None:
        """The calls in which something may be tones, block by block."""
        slots = blocks.slots
        if np.count_nonzero(blocks.ends):
            self._end(blocks)
        strength = self._strength(slots, blocks.places)
        present: NDArray[np.bool_] = np.minimum(strength[..., 0], strength[..., 1]) >= _PRESENT
        digits, amplitudes = self._windows(blocks, blocks.complete & ~present)
        goes_on = (digits != _NONE) & (digits == self._held[slots, None])
        if np.count_nonzero(goes_on):
            goes_on &= strength.max(axis=2) >= _STEADY
            # One tone is softer than it began, as codecs make it: the other tells that it goes on.
            present |= goes_on
            softer = np.where(strength < _PRESENT, amplitudes, np.inf)[goes_on]
            np.minimum.at(self._amplitude, slots[np.nonzero(goes_on)[0]], softer)
        for step in range(blocks.numbers.shape[1]):
            held = self._held[slots] != _NONE
            if np.count_nonzero(held):
                for index in self._gone(slots, held, blocks, present, step):
                    self._release(int(slots[index]), int(blocks.numbers[index, step]))
            new = (digits[:, step] != _NONE) & (digits[:, step] != self._held[slots])
            if np.count_nonzero(new):
                new &= ~self._is_echo(
                    slots, digits[:, step], amplitudes[:, step], blocks.numbers[:, step]
                )
            for index in np.flatnonzero(new).tolist():
                number, amplitude = int(blocks.numbers[index, step]), amplitudes[index, step]
                self._press(int(slots[index]), int(digits[index, step]), amplitude, number)
                present[index, step:] = blocks.gate[index, step:]

    def _gone(
        self,
        slots: NDArray[np.int64],
        held: NDArray[np.bool_],
        blocks: _Pass,
        present: NDArray[np.bool_],
        step: int,
    ) -> list[int]:
        """Indices of the calls whose held key is up as of a block."""
        absent = held & blocks.come[:, step] & ~present[:, step]
        back = slots[held & present[:, step] & blocks.come[:, step]]
        self._absent[back] = self._absent_known[back] = 0
        self._absent[slots] += absent | (held & blocks.lost[:, step] & (self._absent[slots] > 0))
        self._absent_known[slots] += absent
        over = absent & (self._absent[slots] >= _RELEASE)
        over &= self._absent_known[slots] >= _RELEASE_KNOWN
        indices: list[int] = np.flatnonzero(over).tolist()
        return indices

    def _windows(
        self, blocks: _Pass, wanted: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The digit that the window up to each block holds, and the amplitudes of its tones."""
        digits = np.full(wanted.shape, _NONE)
        amplitudes = np.zeros((*wanted.shape, 2), np.float32)
        row, step = np.nonzero(wanted)
        if row.size:
            slots, last = blocks.slots[row], blocks.numbers[row, step]
            windows = self._last_known(slots, last)
            for pair in _PAIRS:
                if not row.size:
                    break
                places = self._blocks.places(slots[:, None], windows[:, pair])
                likely = tone_fit.may_be_digit(self._blocks.features(places))
                likely |= np.diff(windows[:, pair], axis=1)[:, 0] != 1  # a hole between them
                row, step = row[likely], step[likely]
                slots, windows = slots[likely], windows[likely]
        if row.size:
            found = self._fit(slots, windows, self._dial_tone(slots, windows[:, 0]))
            is_digit = self._believed(slots, windows[:, -1], found)
            digits[row[is_digit], step[is_digit]] = found.digit[is_digit]
            amplitudes[row, step] = found.amplitude
            unsettled = self._doubt[slots] != _SETTLED
            self._doubt[slots[unsettled]] = _OF_VERDICT[found.verdict[unsettled]]
        return digits, amplitudes

    def _fit(
        self, slots: NDArray[np.int64], numbers: NDArray[np.int64], dial: NDArray[np.bool_]
    ) -> tone_fit.Fit:
        """What the blocks of those numbers (M, B) are."""
        places = self._blocks.places(slots[:, None], numbers)
        blocks, overtones = self._blocks.features(places), self._blocks.overtones(places)
        return tone_fit.fit(blocks, overtones, numbers, dial)

    def _believed(
        self, slots: NDArray[np.int64], last: NDArray[np.int64], found: tone_fit.Fit
    ) -> NDArray[np.bool_]:
        """Which windows, ordered by call and by their `last` block, are digits: the clean ones, and
        those after another of the same digit."""
        is_digit = found.verdict == Verdict.DIGIT
        mark = np.where(is_digit, last * len(DIGITS) + found.digit, _NONE)
        before = np.empty_like(mark)
        before[1:] = mark[:-1]
        begins = np.flatnonzero(np.diff(slots, prepend=_NONE))
        before[begins] = self._mark[slots[begins]]
        ends = np.append(begins[1:], len(slots)) - 1
        self._mark[slots[ends]] = mark[ends]
        believed: NDArray[np.bool_] = mark - before == len(DIGITS)
        believed |= found.clean
        believed &= is_digit
        return believed

    def _last_known(
        self, slots: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The numbers of the last `WINDOW` blocks that came, up to `numbers` (M,), ascending."""
        plain = numbers[:, None] + np.arange(1 - WINDOW, 1)
        come = self._blocks.known(self._blocks.places(slots[:, None], plain), plain)
        holed = np.flatnonzero(~come.all(axis=1))
        if holed.size:
            wide = numbers[holed, None] - np.arange(WINDOW + _LONGEST_GAP)
            come = self._blocks.known(self._blocks.places(slots[holed, None], wide), wide)
            order = np.argsort(~come, axis=1, kind="stable")[:, :WINDOW]
            plain[holed] = np.take_along_axis(wide, np.sort(order, axis=1)[:, ::-1], axis=1)
        return plain

    def _dial_tone(self, slots: NDArray[np.int64], begin: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a dial tone was heard before the windows that `begin` there, or still is."""
        before = begin[:, None] - np.arange(DIAL_WINDOW, 0, -1)
        places = self._blocks.places(slots[:, None], before)
        known = self._blocks.known(places, before)
        heard = tone_fit.is_dial_tone(self._blocks.features(places), known)
        # While tones are on, nothing is learnt of what is below them.
        tones = self._blocks.gate(places).any(axis=1)
        heard |= tones & self._dial[slots]
        self._dial[slots] = heard
        return heard

    def _strength(self, slots: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float32]:
        """(K, B, 2): of the held digit's tones in the blocks (K, B), as shares of what they were
        when it went down; 0 where none is held."""
        strength = np.zeros((*places.shape, 2), np.float32)
        held = np.flatnonzero(self._held[slots] != _NONE)
        if held.size:
            of_held = slots[held]
            blocks = self._blocks.features(places[held])
            heard = np.abs(tone_fit.amplitudes(blocks, self._held[of_held]))
            strength[held] = heard / self._amplitude[of_held, None]
        return strength

    def _is_echo(
        self,
        slots: NDArray[np.int64],
        digits: NDArray[np.int64],
        amplitudes: NDArray[np.float32],
        numbers: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Whether digits are the one that was up just now, come back from the far end."""
        softer = (amplitudes < _ECHO * self._amplitude[slots]).all(axis=1)
        soon = numbers - self._released[slots] <= _ECHO_BLOCKS
        again: NDArray[np.bool_] = softer & soon & (digits == self._last[slots])
        return again

    def _press(self, slot: int, digit: int, amplitude: NDArray[np.float32], number: int) -> None:
        if self._held[slot] != _NONE:
            self._release(slot, number)
        self._held[slot] = self._last[slot] = digit
        self._amplitude[slot] = amplitude
        self._absent[slot] = self._absent_known[slot] = 0
        self._doubt[slot] = _SETTLED
        self._holding[slot] = 0.0
        self._changes.append((slot, KeyChange(DIGITS[digit], pressed=True)))

    def _release(self, slot: int, number: int) -> None:
        """The key is up as of block `number`."""
        self._released[slot] = number
        digit = int(self._held[slot])
        self._held[slot] = _NONE
        self._holding.pop(slot, None)
        self._changes.append((slot, KeyChange(DIGITS[digit], pressed=False)))

    def _end(self, blocks: _Pass) -> None:
        """Note why what began like a digit, and ends here, was none."""
        row, step = np.nonzero(blocks.ends)
        slots, length = blocks.slots[row], blocks.before[row, step]
        self._end_runs(slots)
        short = (length < WINDOW) & (self._held[slots] == _NONE)
        if np.count_nonzero(short):
            slots = slots[short]
            after = blocks.numbers[row[short], step[short]]
            self._count_short(slots, after[:, None] - np.arange(_LEAST_SHORT, 0, -1))

    def _end_runs(self, slots: NDArray[np.int64]) -> None:
        doubted = slots[(self._doubt[slots] >= 0) & (self._held[slots] == _NONE)]
        self._rejects[doubted, self._doubt[doubted]] += 1
        self._doubt[slots] = _NONE

    def _count_short(self, slots: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Count those of the blocks that were tones."""
        places = self._blocks.places(slots[:, None], numbers)
        come = self._blocks.known(places, numbers).all(axis=1)
        come &= tone_fit.may_be_digit(self._blocks.features(places[:, -2:]))
        slots, numbers = slots[come], numbers[come]
        if slots.size:
            found = self._fit(slots, numbers, np.zeros(len(slots), np.bool_))
            tones = slots[found.verdict == Verdict.DIGIT]
            self._rejects[tones, REJECTS.index(Reject.SHORT)] += 1


def _parts(ready: Ready) -> Iterator[Ready]:
    """The blocks in parts of at most `_PASS` of each call."""
    done = 0
    while ready.slots.size and int(ready.count.max()) > done:
        more = ready.count > done
        yield Ready(
            ready.slots[more],
            ready.first[more] + done,
            np.minimum(ready.count[more] - done, _PASS),
        )
        done += _PASS

"""Keys in, answers out: the digit collector that every `Phone` uses (DOMAIN: on the telephone).

Sans-IO: keys and `now` (monotonic seconds) go in; an answer and the next deadline come out.
The phone that owns it does this at each prompt:

1. `begin(entry, now)`, then `advance(now)`: keys pressed ahead may answer at once;
2. unless `keying` (the caller has begun), play the prompt and call `prompt_started(now)`;
3. at each key `press(key, now)`, then `advance(now)`; a key that counts stops the prompt;
4. at the end of the prompt `prompt_ended(now)`; at `next_deadline()`, `advance(now)`;
5. when the caller talks, `spoke()`, then `advance(now)`.

The rules that are easy to get wrong, and why:

- The first-digit time runs from the end of the prompt, the inter-digit time from the last key or
  from `begin`, whichever is later, so that pauses between keys pressed ahead cost nothing. No timer
  runs over a whole entry: a caller who is still keying is never cut.
- A `#` that follows, within the inter-digit time, an answer which needed none was only late: it
  is dropped, or it would mean "forgotten" at the prompt after.
- Between keys pressed ahead, a pause longer than the inter-digit time ends an entry that is long
  enough, as it would have done had the prompt been over.
"""

from collections import deque
from collections.abc import Iterator

from ivr.dialplan.phone import Collected, Entry, Heard

MAX_KEYS_AHEAD = 64
"""Keys kept for prompts to come; later ones are dropped."""

KEYPAD = frozenset("0123456789*#")
"""The keys that callers have. A to D exist in RFC 4733 but on no caller's telephone: noise."""


class Collector:
    """The keys of one call. Never shows a key in its representation."""

    __slots__ = (
        "_ahead",
        "_answer",
        "_entry",
        "_hash_dropped_until",
        "_keyed",
        "_keyed_at",
        "_prompt_playing",
        "_quiet_since",
    )

    def __init__(self) -> None:
        self._ahead: deque[tuple[str, float]] = deque()
        self._entry: Entry | None = None
        self._answer: Collected | None = None
        self._keyed = ""
        self._keyed_at = 0.0
        self._prompt_playing = False
        self._quiet_since = 0.0
        self._hash_dropped_until: float | None = None

    def __repr__(self) -> str:
        return "Collector(***)"

    @property
    def keying(self) -> bool:
        """The caller has begun the present answer: a prompt would only talk over it."""
        return bool(self._keyed) or self._answer is not None

    @property
    def waiting(self) -> bool:
        """Keys pressed ahead wait for a question: what the caller may skip need not be said."""
        return bool(self._ahead)

    def begin(self, entry: Entry, now: float) -> None:
        """Ask for one answer. Keys pressed ahead count, unless `entry.fresh`."""
        if entry.fresh:
            self.discard()
        self._entry = entry
        self._answer = None
        self._keyed = ""
        self._keyed_at = now
        self._quiet_since = now
        self._prompt_playing = False
        self._take_keys_ahead(now)

    def prompt_started(self, now: float) -> None:
        """A prompt plays: the first-digit time waits for its end."""
        self._prompt_playing = True
        self._quiet_since = now

    def prompt_ended(self, now: float) -> None:
        """The prompt is over, or a key stopped it."""
        self._prompt_playing = False
        self._quiet_since = now

    def press(self, key: str, now: float) -> bool:
        """One key was pressed. Returns whether it counts, hence stops a prompt.

        Keys that no caller has, those beyond `MAX_KEYS_AHEAD` and a late `#` do not count.
        """
        if key not in KEYPAD or len(self._ahead) >= MAX_KEYS_AHEAD:
            return False
        self._time_out(now)
        if not self._ahead and self._is_late_hash(key, now):
            self._hash_dropped_until = None
            return False
        self._ahead.append((key, now))
        if self._entry is not None and self._answer is None:
            self._take_keys_ahead(now)
        return True

    def spoke(self) -> None:
        """The caller talks: an answer where the entry wants it, nothing plays and no key came."""
        entry = self._entry
        if entry is not None and entry.voice and not (self._prompt_playing or self.keying):
            self._answer = Collected(Heard.VOICE)

    def discard(self) -> None:
        """Throw away the keys pressed ahead."""
        self._ahead.clear()

    def next_deadline(self) -> float | None:
        """When to call `advance` if no key comes before; None while nothing is waited for."""
        entry = self._entry
        if entry is None:
            return None
        if self._answer is not None:
            return self._keyed_at
        if self._keyed:
            return self._keyed_at + entry.inter_digit
        if self._prompt_playing:
            return None
        return self._quiet_since + entry.first_digit

    def advance(self, now: float) -> Collected | None:
        """The answer, once there is one. It is given out once; the collector then rests."""
        self._time_out(now)
        answer = self._answer
        if answer is not None:
            self._entry = None
            self._answer = None
            self._keyed = ""
        return answer

    def _time_out(self, now: float) -> None:
        deadline = self.next_deadline()
        if self._answer is not None or deadline is None or now < deadline:
            return
        if self._keyed:
            self._end_by_pause(deadline)
        else:
            self._answer = Collected(Heard.SILENCE)

    def _take_keys_ahead(self, now: float) -> None:
        for key, pressed_at in self._keys_wanted():
            self._take(key, pressed_at)
        # What was keyed ahead is timed from now: the caller was waiting for the prompt.
        self._keyed_at = max(self._keyed_at, now)

    def _keys_wanted(self) -> Iterator[tuple[str, float]]:
        previous: float | None = None
        while self._ahead and self._answer is None and self._entry is not None:
            key, pressed_at = self._ahead[0]
            paused = previous is not None and pressed_at - previous > self._entry.inter_digit
            if paused and len(self._keyed) in self._entry.lengths:
                self._end_by_pause(pressed_at)
                return
            self._ahead.popleft()
            previous = pressed_at
            yield key, pressed_at

    def _take(self, key: str, pressed_at: float) -> None:
        entry = self._entry
        late = self._is_late_hash(key, pressed_at)
        self._hash_dropped_until = None
        if entry is None or late:
            return
        if (not self._keyed or key == "*") and key in entry.keys:
            self._answer = Collected(Heard.KEY, key)
            self._drop_hash_after(pressed_at, entry)
        elif key == "#" and len(self._keyed) in entry.lengths:
            self._answer = Collected(Heard.ENTRY, self._keyed)
        elif key in "*#" or not entry.lengths:
            self._answer = Collected(Heard.ERROR)
        else:
            self._keyed += key
            self._keyed_at = pressed_at
            if len(self._keyed) == max(entry.lengths):
                self._answer = Collected(Heard.ENTRY, self._keyed)
                self._drop_hash_after(pressed_at, entry)

    def _is_late(self, key: str, pressed_at: float) -> bool:
        """Whether this is the `#` of an answer that needed none. Only the next key can be."""
        late_until, self._hash_dropped_until = self._hash_dropped_until, None
        return key == "#" and late_until is not None and pressed_at <= late_until

    def _end_by_pause(self, at: float) -> None:
        entry = self._entry
        if entry is None:
            return
        if len(self._keyed) in entry.lengths:
            self._answer = Collected(Heard.ENTRY, self._keyed)
            self._drop_hash_after(at, entry)
        else:
            self._answer = Collected(Heard.ERROR)

    def _is_late_hash(self, key: str, pressed_at: float) -> bool:
        until = self._hash_dropped_until
        return key == "#" and until is not None and pressed_at <= until

    def _drop_hash_after(self, pressed_at: float, entry: Entry) -> None:
        self._hash_dropped_until = pressed_at + entry.inter_digit

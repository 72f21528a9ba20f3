"""One key press is one digit, whichever way or ways it comes.

Sans-IO: what each way heard and `now` (monotonic seconds) go in; whether it is a new press comes
out. One merger per call.
"""

from dataclasses import dataclass, field

from ivr.media.stream import Way

WINDOW = 0.8
"""Seconds after the end of a press in which another way may still bring the same one.

Wider than the 0.5 s after which a lost INFO is sent again (RFC 3261 timer T1).
"""

TAIL = 0.060
"""Seconds after the end of an event in which its tone may still be heard: a true second press has
a pause of 40 ms, and 30 ms of tone before it is known.
"""

_REMEMBERED = 32
_LONGEST_INFO = 10.0  # s: an INFO's own duration counts up to this


@dataclass(slots=True)
class _Press:
    key: str = field(repr=False)
    ways: set[Way]
    end: float | None  # None while held


class KeyMerger:
    """Absorbs what one way repeats of another; the same way twice is two presses.

    Each press waits for every other way to bring it once, the oldest first, so that "11" heard
    twice in two ways is two digits in whatever order the four arrive. But a tone that breaks off
    and goes on while its event lasts, as where a gateway mutes it late, is one press.
    """

    def __init__(self) -> None:
        self.ways: set[Way] = set()
        self._presses: list[_Press] = []
        self._held: dict[Way, _Press] = {}
        self._tone: _Press | None = None  # the press that a tone brought last

    def pressed(self, way: Way, key: str, now: float) -> bool:
        """A key went down; True when it is a press not heard yet."""
        tone = self._tone
        if way is Way.INBAND and tone is not None and self._lasts(tone, key, now):
            press, is_new = tone, False
        else:
            press, is_new = self._match(way, key, now)
        if way is Way.INBAND:
            self._tone = press
        press.end = None
        self._held[way] = press
        return is_new

    def _lasts(self, tone: _Press, key: str, now: float) -> bool:
        """Whether a tone is that of a press that it brought already, whose event is not over."""
        if tone.key != key or Way.RFC4733 not in tone.ways:
            return False
        return tone.end is None or now <= tone.end + TAIL

    def released(self, way: Way, now: float) -> None:
        """The key that `way` held is up."""
        press = self._held.pop(way, None)
        if press is not None and press not in self._held.values():
            press.end = now

    def tapped(self, way: Way, key: str, duration: float, now: float) -> bool:
        """A whole press of `duration` seconds, as an INFO tells it; True when not heard yet."""
        press, is_new = self._match(way, key, now)
        if press.end is not None:
            press.end = max(press.end, now + min(duration, _LONGEST_INFO))
        return is_new

    def _match(self, way: Way, key: str, now: float) -> tuple[_Press, bool]:
        self.ways.add(way)
        self._presses = [
            press for press in self._presses if press.end is None or now <= press.end + WINDOW
        ]
        for press in self._presses:
            if press.key == key and way not in press.ways:
                press.ways.add(way)
                return press, False
        press = _Press(key, {way}, now)
        self._presses.append(press)
        del self._presses[:-_REMEMBERED]
        return press, True

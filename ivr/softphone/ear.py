"""When the far end speaks, from the level of its sound. Sans-IO."""

from ivr.softphone.events import Silence, Sound


class Ear:
    """Hears in a level what a person would: the far end begins to speak, and stops.

    `hear` is told the level (`Handset.level`) every 10 to 20 ms. A pause between words is no
    silence: it takes `end_silence` seconds.
    """

    LOUD = 6  # about -44 dBFS: under any speech, over any idle line
    GRACE = 0.3  # a prompt cut by a key sounds on so long: barge-in, packets under way, jitter

    __slots__ = ("_end_silence", "_floor", "_last_loud", "_loud_before", "_speaking")

    def __init__(self, end_silence: float = 0.5) -> None:
        self._end_silence = end_silence
        self._floor = float("-inf")
        self._last_loud = float("-inf")
        self._loud_before = False
        self._speaking = False

    def hear(self, level: int, now: float) -> tuple[Sound | Silence, float] | None:
        """An event and the time it happened, once for each change."""
        loud = level >= self.LOUD
        steady = loud and self._loud_before  # a lone click is not speech
        self._loud_before = loud
        if steady:
            self._last_loud = now
            if not self._speaking:
                self._speaking = True
                return Sound(), now
        elif self._speaking and now - self._last_loud >= self._end_silence:
            self._speaking = False
            return Silence(), self._last_loud
        return None

    def pressed(self, now: float) -> None:
        """A key was pressed: only what sounds from now on can be the answer to it."""
        self._floor = now + self.GRACE

    def prompt_ended(self, now: float) -> bool:
        """Was something said since the last key, and is it over?

        True uses that prompt up: the next one must be heard before it is true again.
        """
        ended = not self._speaking and self._last_loud > self._floor
        if ended:
            self._floor = now
        return ended

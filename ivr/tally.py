"""What the calls of a server add up to since its start, for the metrics."""

from collections import Counter
from dataclasses import dataclass, field, replace

from ivr.dialplan.phone import TransferOutcome
from ivr.histogram import Histogram
from ivr.records import CallRecord, EndClass, EndReason

DURATIONS = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)  # seconds
JITTERS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # seconds
NO_KEYS = "none"  # in place of the way in which a call's keys came
A_MOMENT = 50  # packets of ours: who hung up sooner had no time to be heard
SCORES = (2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.4)  # MOS


@dataclass(slots=True)
class SoundTally:
    """The sound of one trunk's calls: packets `sent`, `received` and `lost` on their way to us,
    jitter in seconds and MOS by call, and answered calls from which nothing was heard at all in
    over a second."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    unheard: int = 0
    jitter: Histogram = field(default_factory=lambda: Histogram(JITTERS))
    score: Histogram = field(default_factory=lambda: Histogram(SCORES))

    def copy(self) -> "SoundTally":
        """The same as it is just now."""
        return replace(self, jitter=self.jitter.copy(), score=self.score.copy())


@dataclass(slots=True)
class Tally:
    """Since the start; by names that configuration and dialplans gave, never a caller.

    `answered`: by line. `authenticated`: by kind of secret. `durations`: seconds from the 200 to
    the BYE (RFC 6076 §4.5). `sound`: by trunk. `ways`: calls by how keys were heard; `rejects`:
    what was like a key in the sound and was none. `entered`: by dialplan and node; `left`: calls
    that ended there, and by whose doing.
    """

    answered: Counter[str] = field(default_factory=Counter)
    ended: Counter[EndReason] = field(default_factory=Counter)
    authenticated: Counter[str] = field(default_factory=Counter)
    transfers: Counter[TransferOutcome] = field(default_factory=Counter)
    durations: Histogram = field(default_factory=lambda: Histogram(DURATIONS))
    sound: dict[str, SoundTally] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    entered: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: Counter[tuple[str, str, EndClass]] = field(default_factory=Counter)

    def copy(self) -> "Tally":
        """The same as it is just now."""
        return Tally(
            self.answered.copy(),
            self.ended.copy(),
            self.authenticated.copy(),
            self.transfers.copy(),
            self.durations.copy(),
            {trunk: sound.copy() for trunk, sound in self.sound.copy().items()},
            self.ways.copy(),
            self.rejects.copy(),
            self.entered.copy(),
            self.left.copy(),
        )

    def call_ended(self, record: CallRecord, trunk: str) -> None:
        """Count a call that is over."""
        reason = record.end_reason or EndReason.FAILED
        self.ended[reason] += 1
        if record.plan and record.node:
            self.left[record.plan, record.node, reason.end_class] += 1
        if record.answered is None:
            return
        self.answered[record.line] += 1
        if record.ended is not None:
            self.durations.add((record.ended - record.answered).total_seconds())
        if record.authenticated:
            self.authenticated[record.authenticated] += 1
        self.ways.update(record.dtmf or [NO_KEYS])
        self.rejects.update(record.dtmf_rejects)
        if rtp := record.rtp:
            sound = self.sound.setdefault(trunk, SoundTally())
            sound.sent += int(rtp["sent"])
            sound.received += int(rtp["received"])
            sound.lost += int(rtp["lost"])
            if rtp["received"]:
                sound.jitter.add(rtp["jitter_ms"] / 1000)
                sound.score.add(rtp["mos"])
            elif rtp["sent"] > A_MOMENT:
                sound.unheard += 1

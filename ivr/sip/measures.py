"""What RFC 6076 measures of sessions and registrations, seen from who is called. Sans-IO.

Counts, from which its ratios can be computed over any time.
"""

from collections import Counter
from dataclasses import dataclass, field

from ivr.histogram import Histogram

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 32.0)
"""Bounds of every delay: from what a house does at once to the end of a transaction."""


def _delays() -> Histogram:
    return Histogram(SECONDS)


@dataclass(slots=True)
class Measures:
    """Since the start; delays in seconds.

    `answers`: by trunk ("" before it is known) and the status of the final answer to an INVITE that
    opens a session. One that is answered without a transaction counts as often as it is repeated.
    `response`: until the first answer but 100 (§4.3, session request delay).
    `disconnect`: until our BYE was answered (§4.4.1), and `undisconnected`: BYEs that nobody
    answered. `registration`: until a REGISTER succeeded (§4.1), and `registrations`: by trunk and
    whether it did (§4.2).
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    response: Histogram = field(default_factory=_delays)
    disconnect: Histogram = field(default_factory=_delays)
    undisconnected: int = 0
    registration: Histogram = field(default_factory=_delays)
    registrations: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def copy(self) -> "Measures":
        """The same as they are just now."""
        return Measures(
            self.answers.copy(),
            self.response.copy(),
            self.disconnect.copy(),
            self.undisconnected,
            self.registration.copy(),
            self.registrations.copy(),
        )

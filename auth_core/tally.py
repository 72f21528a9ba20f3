"""What authentication adds up to in this process since it started, for the metrics.

Nothing here tells why a try was refused, nor whose it was: only the audit trail knows.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from auth_core.model import Channel, Outcome, Verdict


class Throttle(StrEnum):
    """What kept a try from being judged at once."""

    BUSY = "busy"  # the caller's number or address has failed too often
    DELAYED = "delayed"  # so has the number, or all who come the same way
    LOCKED = "locked"  # the file is locked, or its secret is shut for good


@dataclass(slots=True)
class AuthTally:
    """`verdicts`: by channel, outcome and, where the secret was right, its kind, else "". `surges`:
    by which way more failures came in a minute than are usual. `lost_passwords`: requests by
    channel, served or not."""

    verdicts: Counter[tuple[Channel, Outcome, str]] = field(default_factory=Counter)
    throttled: Counter[Throttle] = field(default_factory=Counter)
    surges: Counter[str] = field(default_factory=Counter)
    lost_passwords: Counter[Channel] = field(default_factory=Counter)

    def judged(self, verdict: Verdict, channel: Channel) -> None:
        """Count a verdict."""
        kind = verdict.kind.value if verdict.kind else ""
        self.verdicts[channel, verdict.outcome, kind] += 1

    def copy(self) -> "AuthTally":
        """The same as it is just now."""
        return AuthTally(
            self.verdicts.copy(),
            self.throttled.copy(),
            self.surges.copy(),
            self.lost_passwords.copy(),
        )

"""Session-Expires and Min-SE (RFC 4028 §4 and §5)."""

from dataclasses import dataclass

from ivr.sip.grammar.scan import number, parameters
from ivr.wire import WireError

LONGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """How many seconds a session lives without a refresh, and who refreshes: uac, uas or ""."""

    seconds: int
    refresher: str

    @classmethod
    def parse(cls, text: str) -> "SessionExpires":
        """Read `1800;refresher=uas`. Raises `WireError`."""
        seconds, _, tail = text.partition(";")
        refresher = (parameters(tail).get("refresher") or "").lower()
        if refresher not in ("", "uac", "uas"):
            raise WireError("Malformed Session-Expires header")
        return cls(delta_seconds(seconds), refresher)


def delta_seconds(text: str) -> int:
    """The seconds of a Min-SE or a Retry-After, comment and parameters left out.

    Raises `WireError`.
    """
    return number(text.partition(";")[0].partition("(")[0].strip(), LONGEST)

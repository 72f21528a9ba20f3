"""History-Info (RFC 7044 §5): where a call was sent to, one entry for each time."""

from dataclasses import dataclass

from ivr.sip.grammar.headers import Headers
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.scan import number
from ivr.wire import WireError

MAX_INDEX = 2**16


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One target. `index` is its place in the tree of targets: (1,), (1, 1), (1, 2), …"""

    index: tuple[int, ...]
    target: NameAddr

    @classmethod
    def parse(cls, text: str) -> "HistoryEntry":
        """Read `<sip:0810257510@pbx.example>;index=1.1`. Raises `WireError`."""
        target = NameAddr.parse(text)
        index = target.parameters.get("index")
        if not index:
            raise WireError("Malformed History-Info header")
        return cls(tuple(number(part, MAX_INDEX) for part in index.split(".")), target)


def history(headers: Headers) -> list[HistoryEntry]:
    """The entries of a message, the first target first (§5: by index). Raises `WireError`."""
    entries = [HistoryEntry.parse(value) for value in headers.values("history-info")]
    return sorted(entries, key=lambda entry: entry.index)

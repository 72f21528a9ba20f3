"""Keys in the body of an INFO: application/dtmf-relay and application/dtmf, as phones send them."""

from dataclasses import dataclass, field

from ivr.sip.grammar.scan import number
from ivr.wire import WireError

DTMF_RELAY = "application/dtmf-relay"
DTMF = "application/dtmf"
DTMF_TYPES = frozenset({DTMF_RELAY, DTMF})
DEFAULT_DURATION_MS = 250
LONGEST_MS = 60_000
MAX_BODY = 1_024
_KEYS = frozenset("0123456789*#ABCD")
# Some gateways give the event number of RFC 4733 instead of the key.
_EVENTS = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}


@dataclass(frozen=True, slots=True)
class InfoKey:
    """One key press; the key never shows in a repr."""

    key: str = field(repr=False)
    duration_ms: int


def parse(content_type: str, body: bytes) -> InfoKey:
    """Read `Signal=5 Duration=160` (one to a line), or a bare key in application/dtmf.

    Raises `WireError`.
    """
    if len(body) > MAX_BODY:
        raise WireError("DTMF body too large")
    signal, duration = "", DEFAULT_DURATION_MS
    for line in body.decode("latin-1").splitlines():
        name, equals, value = line.partition("=")
        name, value = name.strip().lower(), value.strip()
        if name == "signal" and equals:
            signal = signal or value
        elif name == "duration" and equals:
            duration = number(value, LONGEST_MS)
        elif name and not equals and content_type == DTMF:
            signal = signal or name
    key = _EVENTS.get(signal, signal.upper())
    if key not in _KEYS:
        raise WireError("Malformed DTMF body")
    return InfoKey(key, duration)

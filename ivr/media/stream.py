"""The values that describe one call's sound, shared by the engine, the worker and the front."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Address = tuple[str, int]

SAMPLE_RATE = 8000
TICK_MS = 10
"""The engine's step; every ptime is a multiple of it."""
MAX_PTIME_MS = 60
LATENESS_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Seconds: between them the ticks of a worker are counted by how late they began."""


class Codec(StrEnum):
    """The encodings of G.711."""

    PCMA = "pcma"
    PCMU = "pcmu"


class Way(StrEnum):
    """The ways in which a key can be heard."""

    RFC4733 = "rfc4733"
    INFO = "info"
    INBAND = "inband"


class NoMedia(Exception):  # noqa: N818 - an answer to a call too many, not a fault
    """A call cannot have sound just now."""


class NoPortsLeft(NoMedia):
    """Every port of the range is in use or at rest."""


class NoWorker(NoMedia):
    """No worker answers."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What sound is secured with: the crypto-suite by its name in SDP (RFC 4568), and the master
    key and salt of each side. Masked in every repr."""

    suite: str
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamParams:
    """What offer and answer agreed on (RFC 3264), seen from our side.

    `remote`: where RTP goes, None while held or when our sockets cannot reach it. `remote_rtcp`:
    where RTCP goes when it is not the port after RTP's. `codec`: "pcma" or "pcmu", sent as
    `payload_type`. `ptime_ms`: 10 to 60, a multiple of 10. `dtmf`: payload type of telephone-event
    → its clock rate in Hz. `sends` and `receives`: whether our side does. `keys`: of SRTP, None
    for plain RTP. Raises ValueError on anything else.
    """

    remote: Address | None
    remote_rtcp: Address | None
    codec: str
    payload_type: int
    ptime_ms: int
    dtmf: Mapping[int, int]
    sends: bool = True
    receives: bool = True
    keys: SrtpKeys | None = None

    def __post_init__(self) -> None:
        Codec(self.codec)
        if self.ptime_ms % TICK_MS or not TICK_MS <= self.ptime_ms <= MAX_PTIME_MS:
            raise ValueError(f"ptime {self.ptime_ms} ms is not one of 10, 20 … {MAX_PTIME_MS}")
        for address in (self.remote, self.remote_rtcp):
            if address is not None and not 0 < address[1] <= 0xFFFF:
                raise ValueError("a port is a number from 1 to 65535")
        if not all(0 <= number <= 127 for number in (self.payload_type, *self.dtmf)):
            raise ValueError("an RTP payload type is a number from 0 to 127")
        if not all(1000 <= rate <= 96000 for rate in self.dtmf.values()):
            raise ValueError("a telephone-event clock rate is a number of Hz, 8000 or 16000")


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording in the prompt bank: `offset` and `length` in bytes (= samples at 8 kHz)."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class StreamStats:
    """One call's sound, at its end or so far.

    `sent`, `received`: RTP packets; `lost`: those that never came (RFC 3550 A.3); `jitter_ms`:
    RFC 3550 A.8, arrivals known to the grain of 20 ms; `mos`: 1 to 4.5, or 0 when nothing was
    received (`quality.mean_opinion_score`); `ways`: how keys were heard; `strangers`: packets
    dropped because they came from somebody else; `rejects`: how often something in the sound began
    like a key and was none, by `tones.Reject`.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    mos: float = 0.0
    ways: frozenset[str] = frozenset()
    strangers: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed `key` (one of 0-9*#ABCD); reported when the press begins."""

    key: str = field(repr=False)
    way: str


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """A play is over: at its end, stopped or replaced, or because of a key (`barged`).

    `clips_begun`: how many of its clips the caller heard at least the beginning of.
    """

    play: int
    clips_begun: int
    barged: bool


@dataclass(frozen=True, slots=True)
class Spoke:
    """The caller talks, while somebody listened whether they do."""


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The worker that carried the call is gone; nothing more is sent or heard."""


MediaEvent = KeyPressed | PlayEnded | Spoke | MediaLost

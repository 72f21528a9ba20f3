"""What the front and a media worker say to each other: msgpack messages, each after its length."""

import struct
from collections.abc import Iterator

import msgspec

from ivr.media.stream import Address, Clip, StreamParams, StreamStats

MAX_MESSAGE = 1 << 20
"""Bytes of one message."""
MAX_BACKLOG = 4 << 20
"""Bytes that may wait to be read; a side that reads so little is taken for dead."""

_LENGTH = struct.Struct("!I")


class LinkError(Exception):
    """The other side does not speak our language: a bug, since both come from this package."""


class Setup(msgspec.Struct, tag=True, frozen=True):
    """The first order. The worker's ports are every `shares`th pair of the range from `share`."""

    host: str
    port_range: tuple[int, int]
    share: int
    shares: int
    port_rest: float
    capacity: int
    bank_size: int
    io_uring: bool
    inband: bool


class Open(msgspec.Struct, tag=True, frozen=True):
    call: int


class Configure(msgspec.Struct, tag=True, frozen=True):
    call: int
    params: StreamParams


class Play(msgspec.Struct, tag=True, frozen=True):
    call: int
    play: int
    clips: tuple[Clip, ...]
    barge_in: bool


class Stop(msgspec.Struct, tag=True, frozen=True):
    call: int


class Listen(msgspec.Struct, tag=True, frozen=True):
    call: int
    wanted: bool


class InfoKey(msgspec.Struct, tag=True, frozen=True):
    call: int
    key: str
    duration: float  # s

    def __repr__(self) -> str:
        return f"InfoKey(call={self.call}, key=***)"


class Close(msgspec.Struct, tag=True, frozen=True):
    call: int


class AskLoad(msgspec.Struct, tag=True, frozen=True):
    request: int


class AskStreams(msgspec.Struct, tag=True, frozen=True):
    request: int
    calls: tuple[int, ...]


CallOrder = Configure | Play | Stop | Listen | InfoKey | Close
Order = Setup | Open | AskLoad | AskStreams | CallOrder


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker can take calls. `batches`: it has a ring for the packets of many at once."""

    batches: bool


class Opened(msgspec.Struct, tag=True, frozen=True):
    call: int
    local: Address


class NotOpened(msgspec.Struct, tag=True, frozen=True):
    """No port is left for the call."""

    call: int


class Pressed(msgspec.Struct, tag=True, frozen=True):
    call: int
    key: str
    way: str

    def __repr__(self) -> str:
        return f"Pressed(call={self.call}, key=***, way={self.way})"


class Ended(msgspec.Struct, tag=True, frozen=True):
    call: int
    play: int
    clips_begun: int
    barged: bool


class Talks(msgspec.Struct, tag=True, frozen=True):
    """See `stream.Spoke`."""

    call: int


class Closed(msgspec.Struct, tag=True, frozen=True):
    call: int
    stats: StreamStats


class Load(msgspec.Struct, tag=True, frozen=True):
    """See `session.WorkerStats`."""

    request: int
    clock: float
    busy_seconds: float
    lateness: list[int]
    memory: int
    calls: int
    ports: int
    resting: int
    late_ticks: int
    unsent: int
    malformed: int
    srtp_dropped: dict[str, int]


class Streams(msgspec.Struct, tag=True, frozen=True):
    """The figures so far of those calls asked for that there are."""

    request: int
    stats: dict[int, StreamStats]


Report = Ready | Opened | NotOpened | Pressed | Ended | Talks | Closed | Load | Streams

_encoder = msgspec.msgpack.Encoder()


def encode(message: Order | Report) -> bytes:
    """One message as it goes on the stream."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream into the bodies of its messages. Raises `LinkError` on one too long."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what was read; yield each body that is whole."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_MESSAGE:
                raise LinkError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield body

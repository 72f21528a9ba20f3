"""A session description as a value: bytes in, bytes out (RFC 4566). Linear in its size."""

from dataclasses import dataclass, field
from enum import StrEnum

from ivr.sip.grammar.scan import number
from ivr.wire import WireError

MAX_SIZE = 65_535
MAX_MEDIA = 32

Attributes = tuple[tuple[str, str], ...]


class Direction(StrEnum):
    """Which way media flows, as seen by who wrote the description (RFC 4566 §6)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> "Direction":
        """The direction of one who sends, receives, both or neither."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)


_DIRECTIONS: frozenset[str] = frozenset(Direction)


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line; `host` is an address without its type."""

    session_id: int
    version: int
    host: str
    username: str = "-"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {_network(self.host)}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m= section. `connection` is the address of its own c= line, None without one.

    `attributes` are (name in lower case, value) in order, "" for a property; among them are keys
    (`crypto`), so that none is shown.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: str | None = None
    attributes: Attributes = field(default=(), repr=False)

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute, None when it isn't there."""
        return _first(self.attributes, name)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description. `origin` is None in one whose o= line is missing or can't be read."""

    origin: Origin | None
    connection: str | None
    media: tuple[MediaDescription, ...]
    attributes: Attributes = field(default=(), repr=False)

    def direction(self, media: MediaDescription) -> Direction:
        """The direction of one of its media: its own, else the session's, else both ways."""
        for attributes in (media.attributes, self.attributes):
            for name, _ in attributes:
                if name in _DIRECTIONS:
                    return Direction(name)
        return Direction.SENDRECV

    def serialise(self) -> bytes:
        """The description as it goes out, with CRLF line ends."""
        lines = ["v=0"]
        if self.origin:
            lines.append(f"o={self.origin}")
        lines.append("s=-")
        if self.connection:
            lines.append(f"c={_network(self.connection)}")
        lines.append("t=0 0")
        lines += _attribute_lines(self.attributes)
        for media in self.media:
            formats = " ".join(media.formats)
            lines.append(f"m={media.kind} {media.port} {media.protocol} {formats}")
            if media.connection:
                lines.append(f"c={_network(media.connection)}")
            lines += _attribute_lines(media.attributes)
        return ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")


def parse(data: bytes) -> SessionDescription:
    """Read a description. Raises `WireError`.

    Forgiving where nothing hangs on it: line ends of LF, order of lines, missing o=, s= and t=.
    """
    if len(data) > MAX_SIZE:
        raise WireError("SDP too large")
    lines = [line for raw in data.decode("latin-1").split("\n") if (line := raw.strip("\r \t\0"))]
    if not lines or lines[0].replace(" ", "") != "v=0":
        raise WireError("SDP does not begin with v=0")
    session = _Section()
    sections: list[_Section] = []
    origin: Origin | None = None
    current = session
    for line in lines[1:]:
        kind, equals, value = line[:1], line[1:2], line[2:].strip()
        if equals != "=":
            raise WireError("Malformed SDP line")
        if kind == "m":
            if len(sections) >= MAX_MEDIA:
                raise WireError("Too many media in SDP")
            current = _Section(value)
            sections.append(current)
        elif kind == "c":
            current.connection = _address(value)
        elif kind == "a":
            name, _, text = value.partition(":")
            current.attributes.append((name.strip().lower(), text.strip()))
        elif kind == "o" and origin is None:
            origin = _origin(value)
    media = tuple(section.media() for section in sections)
    return SessionDescription(origin, session.connection, media, tuple(session.attributes))


class _Section:
    """A part of a description while it is being read; `line` is the value of its m=."""

    def __init__(self, line: str = "") -> None:
        self.line = line
        self.connection: str | None = None
        self.attributes: list[tuple[str, str]] = []

    def media(self) -> MediaDescription:
        parts = self.line.split()
        if len(parts) < 4 or not all(part.isascii() and part.isprintable() for part in parts):
            raise WireError("Malformed media line in SDP")
        port = number(parts[1].partition("/")[0], 65535)
        return MediaDescription(
            parts[0].lower(),
            port,
            parts[2].upper(),
            tuple(parts[3:]),
            self.connection,
            tuple(self.attributes),
        )


def _address(value: str) -> str:
    """The address of a c= line, without its type, TTL and count."""
    parts = value.split()
    if len(parts) != 3:
        raise WireError("Malformed connection line in SDP")
    return parts[2].partition("/")[0]


def _origin(value: str) -> Origin | None:
    parts = value.split()
    if len(parts) != 6:
        return None
    try:
        return Origin(number(parts[1], 2**64), number(parts[2], 2**64), parts[5], parts[0])
    except WireError:
        return None


def _first(attributes: Attributes, name: str) -> str | None:
    for found, value in attributes:
        if found == name:
            return value
    return None


def _network(host: str) -> str:
    return f"IN {'IP6' if ':' in host else 'IP4'} {host}"


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [f"a={name}:{value}" if value else f"a={name}" for name, value in attributes]

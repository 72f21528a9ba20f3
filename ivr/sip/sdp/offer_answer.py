"""Offer and answer (RFC 3264) for one stream of G.711 with telephone events (RFC 4733)."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from ivr.sip.grammar.scan import number
from ivr.sip.sdp.description import (
    Attributes,
    Direction,
    MediaDescription,
    Origin,
    SessionDescription,
)
from ivr.wire import WireError

PROFILE = "RTP/AVP"
OUR_EVENTS = 101  # the payload type of telephone-event in offers of ours
DEFAULT_PTIME_MS = 20
# RFC 3551 table 4: what needs no rtpmap.
_STATIC = {"0": ("pcmu", 8000), "8": ("pcma", 8000)}
_EVENT_RATES = (8000, 16000)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we can do. `codecs` ("pcma", "pcmu") are in our order, used when we offer."""

    codecs: tuple[str, ...] = ("pcma", "pcmu")
    telephone_event: bool = True


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where we receive, and what our o= line says; `version` grows by one with each change."""

    host: str
    port: int
    session_id: int
    version: int


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on.

    `remote` is where our packets go, None while held by address; `dtmf` maps payload types of
    telephone-event to clock rates in Hz; `sends` and `receives` are said of our side; `media` is
    the index of the stream among the offer's.
    """

    remote: tuple[str, int] | None
    codec: str
    payload_type: int
    ptime_ms: int
    dtmf: dict[int, int]
    receives: bool
    sends: bool
    rtcp: tuple[str, int] | None
    media: int = 0


def negotiate(offer: SessionDescription, capabilities: Capabilities) -> Negotiated | None:
    """The first stream of the offer that we can take, with the codec its author prefers.

    None when there is none: 488.
    """
    for index, media in enumerate(offer.media):
        if agreed := _agree(offer, index, media, capabilities):
            return agreed
    return None


def accept_answer(capabilities: Capabilities, answer: SessionDescription) -> Negotiated | None:
    """What the answer to an `offer` of ours makes of it; None when it refuses."""
    if not answer.media:
        return None
    agreed = _agree(answer, 0, answer.media[0], capabilities)
    if agreed and agreed.dtmf:
        # It sends us events by the number in our offer; by its own, if it doesn't follow §6.1.
        agreed.dtmf.setdefault(OUR_EVENTS, 8000)
    return agreed


def answer(offer: SessionDescription, negotiated: Negotiated, local: LocalMedia) -> bytes:
    """The answer to `offer`: its streams in order, all but the agreed one refused by port 0."""
    media = tuple(
        _stream(negotiated, local.port)
        if index == negotiated.media
        else MediaDescription(offered.kind, 0, offered.protocol, offered.formats[:1])
        for index, offered in enumerate(offer.media)
    )
    return _session(local, media).serialise()


def offer(local: LocalMedia, capabilities: Capabilities) -> bytes:
    """Our offer, for an INVITE that brought none."""
    numbers = {codec: payload_type for payload_type, (codec, _) in _STATIC.items()}
    formats = [numbers[codec] for codec in capabilities.codecs]
    attributes = [
        ("rtpmap", f"{numbers[codec]} {codec.upper()}/8000") for codec in capabilities.codecs
    ]
    if capabilities.telephone_event:
        formats.append(str(OUR_EVENTS))
        attributes += _events(OUR_EVENTS, 8000)
    attributes += [("ptime", str(DEFAULT_PTIME_MS)), (Direction.SENDRECV, "")]
    stream = MediaDescription("audio", local.port, PROFILE, tuple(formats), None, tuple(attributes))
    return _session(local, (stream,)).serialise()


def _session(local: LocalMedia, media: tuple[MediaDescription, ...]) -> SessionDescription:
    origin = Origin(local.session_id, local.version, local.host)
    return SessionDescription(origin, local.host, media)


def _stream(negotiated: Negotiated, port: int) -> MediaDescription:
    # Of several clock rates the codec's own comes first: some phones take the first there is.
    events = sorted(negotiated.dtmf.items(), key=lambda event: event[1])
    formats = [negotiated.payload_type, *(payload_type for payload_type, _ in events)]
    attributes: list[tuple[str, str]] = [
        ("rtpmap", f"{negotiated.payload_type} {negotiated.codec.upper()}/8000")
    ]
    for payload_type, rate in events:
        attributes += _events(payload_type, rate)
    direction = Direction.of(sends=negotiated.sends, receives=negotiated.receives)
    attributes += [("ptime", str(negotiated.ptime_ms)), (direction, "")]
    return MediaDescription(
        "audio", port, PROFILE, tuple(map(str, formats)), None, tuple(attributes)
    )


def _events(payload_type: int, rate: int) -> Attributes:
    return (
        ("rtpmap", f"{payload_type} telephone-event/{rate}"),
        ("fmtp", f"{payload_type} 0-15"),
    )


def _agree(
    theirs: SessionDescription, index: int, media: MediaDescription, capabilities: Capabilities
) -> Negotiated | None:
    if media.kind != "audio" or media.protocol != PROFILE or media.port == 0:
        return None
    codec, dtmf = _formats(media, capabilities)
    host = media.connection or theirs.connection
    if codec is None or host is None:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None  # a name: it would take DNS, and no phone sends one
    if address.is_multicast:
        return None
    name, payload_type = codec
    direction = theirs.direction(media)
    # The hold of RFC 2543: an address that nothing can be sent to.
    held = address.is_unspecified
    return Negotiated(
        remote=None if held else (host, media.port),
        codec=name,
        payload_type=payload_type,
        ptime_ms=_ptime(media),
        dtmf=dtmf,
        receives=direction.sends,
        sends=direction.receives and not held,
        rtcp=None if held else _rtcp(media, host),
        media=index,
    )


def _formats(
    media: MediaDescription, capabilities: Capabilities
) -> tuple[tuple[str, int] | None, dict[int, int]]:
    """The codec they like best of ours, with its payload type, and all their telephone events."""
    codec: tuple[str, int] | None = None
    dtmf: dict[int, int] = {}
    mapped = dict(_mappings(media))
    for payload_type in media.formats:
        encoding = mapped.get(payload_type) or _STATIC.get(payload_type)
        if encoding is None:
            continue
        try:
            value = number(payload_type, 127)
        except WireError:
            continue
        name, rate = encoding
        if name == "telephone-event" and rate in _EVENT_RATES and capabilities.telephone_event:
            dtmf[value] = rate
        elif codec is None and name in capabilities.codecs and rate == 8000:
            codec = (name, value)
    return codec, dtmf


def _mappings(media: MediaDescription) -> Iterator[tuple[str, tuple[str, int]]]:
    """Payload type and (encoding in lower case, clock rate) of each rtpmap that can be read."""
    for name, value in media.attributes:
        if name != "rtpmap":
            continue
        payload_type, _, encoding = value.partition(" ")
        parts = encoding.strip().split("/")
        if len(parts) < 2 or (len(parts) > 2 and parts[2].strip() != "1"):
            continue
        try:
            yield payload_type, (parts[0].lower(), number(parts[1].strip(), 192_000))
        except WireError:
            continue


def _ptime(media: MediaDescription) -> int:
    """Milliseconds in each of our packets: theirs, when it is 10 to 60 by tens."""
    ptime = _milliseconds(media, "ptime") or DEFAULT_PTIME_MS
    if ptime % 10 or not 10 <= ptime <= 60:
        ptime = DEFAULT_PTIME_MS
    longest = _milliseconds(media, "maxptime")
    if longest is not None and longest >= 10:
        ptime = min(ptime, longest // 10 * 10)
    return ptime


def _milliseconds(media: MediaDescription, name: str) -> int | None:
    value = media.attribute(name)
    if value is None:
        return None
    try:
        return number(value.partition(".")[0], 10_000)
    except WireError:
        return None


def _rtcp(media: MediaDescription, host: str) -> tuple[str, int] | None:
    """Where their RTCP is: the next port, or what a=rtcp says (RFC 3605)."""
    parts = (media.attribute("rtcp") or "").split()
    try:
        port = number(parts[0], 65535) if parts else media.port + 1
        if len(parts) == 4:
            host = str(ipaddress.ip_address(parts[3]))
    except (WireError, ValueError):
        port = media.port + 1
    return (host, port) if 0 < port < 65536 else None

"""Offer and answer (RFC 3264) for one stream of G.711 with telephone events (RFC 4733)."""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ivr.sip.grammar.scan import number
from ivr.sip.sdp import crypto
from ivr.sip.sdp.crypto import PLAIN_PROFILES, SECURE_PROFILES, Crypto, SecureSound
from ivr.sip.sdp.description import (
    Attributes,
    Direction,
    MediaDescription,
    Origin,
    SessionDescription,
)
from ivr.wire import WireError

OUR_EVENTS = 101  # the payload type of telephone-event in offers of ours
DEFAULT_PTIME_MS = 20
# RFC 3551 table 4: what needs no rtpmap.
_STATIC = {"0": ("pcmu", 8000), "8": ("pcma", 8000)}
_EVENT_RATES = (8000, 16000)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we can do. `codecs` ("pcma", "pcmu") are in our order, used when we offer.

    `secure_sound`: whether to take SRTP, and whether to take anything else.
    """

    codecs: tuple[str, ...] = ("pcma", "pcmu")
    telephone_event: bool = True
    secure_sound: SecureSound = SecureSound.OFF


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Where we receive, and what our o= line says; `version` grows by one with each change.

    `crypto`: the keys that we send with; several in an offer of ours, one in an answer.
    """

    host: str
    port: int
    session_id: int
    version: int
    crypto: tuple[Crypto, ...] = ()


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on.

    `remote` is where our packets go, None while held by address; `dtmf` maps payload types of
    telephone-event to clock rates in Hz; `sends` and `receives` are said of our side; `media` is
    the index of the stream among the offer's; `crypto` is what they send with, None where sound is
    plain RTP.
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
    profile: str = PLAIN_PROFILES[0]
    crypto: Crypto | None = None


def negotiate(offer: SessionDescription, capabilities: Capabilities) -> Negotiated | None:
    """The first stream of the offer that we can take, a secure one before others, with the codec
    its author prefers and the crypto-suite that we do.

    None when there is none: 488.
    """
    plain: Negotiated | None = None
    for index, media in enumerate(offer.media):
        keys = crypto.best(media.attributes)
        agreed = _agree(offer, index, media, capabilities, keys)
        if agreed and agreed.crypto:
            return agreed
        plain = plain or agreed
    return plain


def accept_answer(
    capabilities: Capabilities, answer: SessionDescription, ours: Sequence[Crypto] = ()
) -> Negotiated | None:
    """What the answer to an `offer` of ours makes of it, and of `ours`, its crypto attributes.

    None when it refuses, or is less secure than it must be.
    """
    if not answer.media:
        return None
    media = answer.media[0]
    keys = crypto.accepted(media.attributes, ours)
    agreed = _agree(answer, 0, media, capabilities, keys)
    if agreed and agreed.dtmf:
        # It sends us events by the number in our offer; by its own, if it doesn't follow §6.1.
        agreed.dtmf.setdefault(OUR_EVENTS, 8000)
    return agreed


def answer(offer: SessionDescription, negotiated: Negotiated, local: LocalMedia) -> bytes:
    """The answer to `offer`: its streams in order, all but the agreed one refused by port 0."""
    media = tuple(
        _stream(negotiated, local)
        if index == negotiated.media
        else MediaDescription(offered.kind, 0, offered.protocol, offered.formats[:1])
        for index, offered in enumerate(offer.media)
    )
    return _session(local, media).serialise()


def offer(local: LocalMedia, capabilities: Capabilities) -> bytes:
    """Our offer, for an INVITE that brought none.

    Where sound must be secure it is RTP/SAVP; where it may be, RTP/AVP with crypto attributes,
    which a peer that does not know them passes over.
    """
    numbers = {codec: payload_type for payload_type, (codec, _) in _STATIC.items()}
    formats = [numbers[codec] for codec in capabilities.codecs]
    attributes = [
        ("rtpmap", f"{numbers[codec]} {codec.upper()}/8000") for codec in capabilities.codecs
    ]
    if capabilities.telephone_event:
        formats.append(str(OUR_EVENTS))
        attributes += _events(OUR_EVENTS, 8000)
    attributes += [("ptime", str(DEFAULT_PTIME_MS)), (Direction.SENDRECV, "")]
    attributes += _crypto_attributes(local)
    required = capabilities.secure_sound is SecureSound.REQUIRED
    profile = (SECURE_PROFILES if required else PLAIN_PROFILES)[0]
    stream = MediaDescription("audio", local.port, profile, tuple(formats), None, tuple(attributes))
    return _session(local, (stream,)).serialise()


def _session(local: LocalMedia, media: tuple[MediaDescription, ...]) -> SessionDescription:
    origin = Origin(local.session_id, local.version, local.host)
    return SessionDescription(origin, local.host, media)


def _stream(negotiated: Negotiated, local: LocalMedia) -> MediaDescription:
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
    attributes += _crypto_attributes(local)
    numbers = tuple(map(str, formats))
    return MediaDescription(
        "audio", local.port, negotiated.profile, numbers, None, tuple(attributes)
    )


def _crypto_attributes(local: LocalMedia) -> list[tuple[str, str]]:
    return [("crypto", ours.value) for ours in local.crypto]


def _events(payload_type: int, rate: int) -> Attributes:
    return (
        ("rtpmap", f"{payload_type} telephone-event/{rate}"),
        ("fmtp", f"{payload_type} 0-15"),
    )


def _agree(
    theirs: SessionDescription,
    index: int,
    media: MediaDescription,
    capabilities: Capabilities,
    keys: Crypto | None,
) -> Negotiated | None:
    if capabilities.secure_sound is SecureSound.OFF:
        keys = None
    if media.kind != "audio" or media.port == 0 or not _is_allowed(media, capabilities, keys):
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
        profile=media.protocol,
        crypto=keys,
    )


def _is_allowed(media: MediaDescription, capabilities: Capabilities, keys: Crypto | None) -> bool:
    """Whether a stream is as secure as its profile says and as we want it.

    RTP/AVP with keys is secure too: it is how phones offer what need not be taken.
    """
    if keys is not None:
        return media.protocol in (*SECURE_PROFILES, *PLAIN_PROFILES)
    required = capabilities.secure_sound is SecureSound.REQUIRED
    return media.protocol in PLAIN_PROFILES and not required


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

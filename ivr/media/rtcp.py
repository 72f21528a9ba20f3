"""RTCP (RFC 3550 section 6): the compound packets we send, and what we need of those we get."""

import struct
from dataclasses import dataclass

from ivr.media.reception import ReportBlock
from ivr.media.rtp import VERSION
from ivr.wire import WireError

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
MAX_PACKET = 1472

_CNAME = 1
_NTP_EPOCH = 2208988800  # seconds from 1900 to 1970


def ntp_time(wall: float) -> int:
    """64-bit NTP timestamp of seconds since 1970 (section 4)."""
    return int((wall + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a sender report says of our stream (section 6.4.1)."""

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class LastReport:
    """The last sender report heard: `middle` 32 bits of its NTP time, `delay` seconds since."""

    middle: int = 0
    delay: float = 0.0


def build(
    ssrc: int,
    cname: str,
    sender: SenderInfo | None,
    block: ReportBlock | None,
    last: LastReport,
    *,
    bye: bool = False,
) -> bytes:
    """A compound packet: SR (RR without `sender`), SDES CNAME and, at the end of a call, BYE."""
    blocks = b""
    if block is not None:
        blocks = struct.pack(
            "!IB3sIIII",
            block.ssrc,
            block.fraction_lost,
            block.cumulative_lost.to_bytes(3, "big"),
            block.highest_sequence,
            block.jitter,
            last.middle,
            min(int(last.delay * 65536), 0xFFFFFFFF),
        )
    if sender is None:
        report = _packet(RECEIVER_REPORT, len(blocks) // 24, struct.pack("!I", ssrc) + blocks)
    else:
        info = struct.pack(
            "!IQIII",
            ssrc,
            sender.ntp,
            sender.timestamp,
            sender.packets & 0xFFFFFFFF,
            sender.octets & 0xFFFFFFFF,
        )
        report = _packet(SENDER_REPORT, len(blocks) // 24, info + blocks)
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # at least one null octet ends the list (section 6.5)
    compound = report + _packet(SOURCE_DESCRIPTION, 1, chunk)
    return compound + _packet(BYE, 1, struct.pack("!I", ssrc)) if bye else compound


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", VERSION << 6 | count, packet_type, len(body) // 4) + body


@dataclass(frozen=True, slots=True)
class Report:
    """A peer's compound packet: who, its NTP time if it sends, what it hears, whether it left."""

    ssrc: int
    ntp: int | None
    blocks: tuple[ReportBlock, ...]
    cname: str | None
    bye: bool


def parse(data: bytes) -> Report:
    """Parse a compound packet. Raises `WireError`; types that we do not know are passed over."""
    ssrc: int | None = None
    ntp: int | None = None
    blocks: list[ReportBlock] = []
    cname: str | None = None
    bye = False
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise WireError("RTCP header cut short")
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        body = data[at + 4 : at + 4 + 4 * words]
        if first >> 6 != VERSION:
            raise WireError("RTCP version is not 2")
        if len(body) < 4 * words:
            raise WireError("RTCP packet longer than its datagram")
        if ssrc is None and packet_type not in (SENDER_REPORT, RECEIVER_REPORT):
            raise WireError("RTCP compound does not begin with a report")
        if first & 0x20:
            body = _without_padding(body)
        count = first & 0x1F
        if packet_type == SENDER_REPORT:
            if len(body) < 24:
                raise WireError("RTCP sender report cut short")
            ssrc, ntp = struct.unpack_from("!IQ", body)
            blocks += _blocks(body[24:], count)
        elif packet_type == RECEIVER_REPORT:
            if len(body) < 4:
                raise WireError("RTCP receiver report cut short")
            (ssrc,) = struct.unpack_from("!I", body)
            blocks += _blocks(body[4:], count)
        elif packet_type == SOURCE_DESCRIPTION and count:
            cname = _cname(body)
        elif packet_type == BYE:
            bye = True
        at += 4 + 4 * words
    if ssrc is None:
        raise WireError("RTCP datagram is empty")
    return Report(ssrc, ntp, tuple(blocks), cname, bye)


def _without_padding(body: bytes) -> bytes:
    if not body or not 0 < body[-1] <= len(body):
        raise WireError("RTCP padding does not fit")
    return body[: -body[-1]]


def _blocks(data: bytes, count: int) -> list[ReportBlock]:
    if len(data) < 24 * count:
        raise WireError("RTCP report block cut short")
    blocks = []
    for number in range(count):
        ssrc, fraction, lost, highest, jitter = struct.unpack_from("!IB3sII", data, 24 * number)
        cumulative = int.from_bytes(lost, "big", signed=True)
        blocks.append(ReportBlock(ssrc, fraction, cumulative, highest, jitter))
    return blocks


def _cname(body: bytes) -> str | None:
    """The CNAME of the first chunk (section 6.5)."""
    at = 4
    while at + 2 <= len(body) and body[at]:
        kind, length = body[at], body[at + 1]
        text = body[at + 2 : at + 2 + length]
        if len(text) < length:
            raise WireError("RTCP source description item cut short")
        if kind == _CNAME:
            return text.decode("utf-8", "replace")
        at += 2 + length
    return None

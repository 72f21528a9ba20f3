"""Damage that knows what it damages: lines, numbers, separators, the fields of a packet.

Every choice comes from one `random.Random`, so that a seed gives the same inputs in every run.
"""

import random
import re
from collections.abc import Callable, Sequence

from tests.mutation import damage

LARGEST_RUN = 60_000
LARGEST = 100_000
_NUMBER = re.compile(rb"\d+")
_NUMBERS = [b"0", b"1", b"-1", b"+1", b"007", b"255", b"256", b"65535", b"65536", b"2147483647",
    b"2147483648", b"4294967295", b"4294967296", b"9223372036854775808", b"18446744073709551616",
    b"9" * 30, b"9" * 5000, b"1e9", b"0x10", b"1_0", b"\xd9\xa3", b"\xb2", b""]  # fmt: skip
PIECES = [b";", b",", b'"', b"\\", b"<", b">", b"<>", b"%", b"%41", b"%0d%0a", b"=", b"?", b"@",
    b":", b"/", b"[", b"]", b"(", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n ", b"\0", b"\x7f",
    b"\x85", b"\xa0", b"\xff", b"\xc3\xa9", b"a", b"1", b"::", b";a=b", b';a=";"', b',"', b"<>,",
    b"{", b"&a ", b"*a ", b"- ", b"| "]  # fmt: skip
_WORDS = [b"sip:", b"sips:", b"tel:", b"sip:a@b", b"<sip:a@b>;tag=x", b";lr", b";tag=x", b";tag=",
    b";branch=z9hG4bK", b";branch=z9hG4bKx", b";received=x", b";rport=1", b";maddr=1", b"[::1]",
    b"SIP/2.0", b"SIP/2.0/UDP", b"SIP/2.0/TCP h", b"INVITE", b"ACK", b"CANCEL", b"BYE", b"*",
    b"application/sdp", b"multipart/mixed;boundary=x", b"identity", b"gzip", b"100rel", b"timer",
    b"replaces", b"IN IP4 0.0.0.0", b"IN IP6 ::", b"IN IP4 224.2.1.1/127/3", b"RTP/SAVP",
    b"a=rtpmap:0 PCMU/8000", b"a=inactive", b"m=audio 9 RTP/AVP 0", b"c=IN IP4 127.0.0.1",
    b"Signal=#", b"Duration=", b"!!python/object:os.system", b"2001-99-99", b"<<: *a",
    b"v: SIP/2.0/UDP h", b"l: 5", b"k: 100rel", b"Content-Length: 99999", b"Require: x",
    b"CSeq: 1 INVITE", b"Event: refer", b"Record-Route: <sip:a;lr>", b"Contact: *"]  # fmt: skip

Damager = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def lines(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Drop, double, move, swap or borrow a line."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    rows = bytes(data).split(end)
    place, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    match chance.randrange(5):
        case 0:
            del rows[place]
        case 1:
            rows[other:other] = [rows[place]] * chance.choice([1, 1, 2, 300])
        case 2:
            rows.insert(other, rows.pop(place))
        case 3:
            rows[place], rows[other] = rows[other], rows[place]
        case _:
            rows.insert(place, chance.choice(chance.choice(samples).split(end)))
    data[:] = end.join(rows)


def values(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Give one header or key the value of another, or no value, or a word that means something."""
    end = b"\r\n" if b"\r\n" in data else b"\n"
    rows = bytes(data).split(end)
    place = chance.randrange(len(rows))
    colon = b"=" if rows[place][1:2] == b"=" else b":"
    name, _, _ = rows[place].partition(colon)
    _, _, borrowed = chance.choice(rows).partition(colon)
    rows[place] = name + colon + chance.choice([borrowed, b"", chance.choice(_WORDS)])
    data[:] = end.join(rows)


def words(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Put in a word of the grammar, or in place of what is there."""
    begin = chance.randrange(len(data) + 1)
    data[begin : begin + chance.choice([0, 0, 1, 8])] = chance.choice(_WORDS)


def numbers(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Put a number at or beyond some limit in place of one."""
    found = list(_NUMBER.finditer(data))
    if found:
        one = chance.choice(found)
        data[one.start() : one.end()] = chance.choice(_NUMBERS)


def runs(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Put in a piece a great many times."""
    begin = chance.randrange(len(data) + 1)
    piece = chance.choice(PIECES)
    length = int(2 ** chance.uniform(0, 16))
    data[begin:begin] = (piece * length)[:LARGEST_RUN]


def splice(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """The beginning of one and the end of another."""
    other = chance.choice(samples)
    cut = chance.randrange(len(data) + 1)
    data[cut:] = other[chance.randrange(len(other) + 1) :]


def octets(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """What needs no knowledge: octets cut, doubled, changed."""
    damage(data, chance)


def fields(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Set an aligned field of 1, 2 or 4 octets to an extreme."""
    size = chance.choice([1, 2, 4])
    if len(data) >= size:
        place = chance.randrange(len(data) // size) * size
        extreme = chance.choice([0, 1, 0x7F << 8 * (size - 1), (1 << 8 * size) - 1])
        data[place : place + size] = extreme.to_bytes(size, "big")


def header_bits(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Flip a bit where a packet tells how it is to be read."""
    if data:
        data[chance.randrange(min(16, len(data)))] ^= 1 << chance.randrange(8)


def padding(data: bytearray, chance: random.Random, samples: Sequence[bytes]) -> None:
    """Add noise at the end, or leave nothing but noise."""
    if chance.random() < 0.1:
        data.clear()
    data += chance.randbytes(chance.choice([1, 3, 4, 40, 1472]))


TEXT: Sequence[Damager] = (lines, values, words, numbers, numbers, runs, splice, octets, octets)
BINARY: Sequence[Damager] = (fields, fields, header_bits, header_bits, padding, splice, octets)


def broken(samples: Sequence[bytes], ways: Sequence[Damager], chance: random.Random) -> bytes:
    """One sample with one to four things wrong."""
    data = bytearray(chance.choice(samples))
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4])):
        chance.choice(ways)(data, chance, samples)
    return bytes(data[:LARGEST])

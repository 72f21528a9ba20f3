"""Damage for parsers: the same 10,000 broken inputs in every run."""

import random
from collections.abc import Iterator, Sequence

COUNT = 10_000
SEED = 3261
_INTERESTING = [b"\r\n", b"\r", b"\n", b"\0", b'"', b"<", b">", b";", b",", b":", b"\\", b"%", b"=",
    b" ", b"\t", b"\xff", b"9" * 30, b"-1", b"[", b"]", b"@", b"/", b"\xc3\xa9"]  # fmt: skip


def damaged(samples: Sequence[bytes], count: int = COUNT, seed: int = SEED) -> Iterator[bytes]:
    """`count` copies of the samples, each with one to four things wrong."""
    chance = random.Random(seed)
    for number in range(count):
        data = bytearray(samples[number % len(samples)])
        for _ in range(chance.randint(1, 4)):
            damage(data, chance)
        yield bytes(data)


def damage(data: bytearray, chance: random.Random) -> None:
    """One thing wrong: octets cut, doubled, put in, changed."""
    begin = chance.randrange(len(data) + 1)
    end = min(len(data), begin + chance.randint(1, 40))
    match chance.randrange(6):
        case 0:
            del data[begin:end]
        case 1:
            data[begin:begin] = data[begin:end]
        case 2:
            data[begin:begin] = chance.choice(_INTERESTING)
        case 3:
            data[begin : begin + 1] = bytes([chance.randrange(256)])
        case 4:
            data[begin:end] = chance.choice(_INTERESTING)
        case _:
            del data[begin:]

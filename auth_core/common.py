"""The 8-digit choices that guessers try first, beside those that other rules refuse.

Published lists of leaked passwords agree on what people do when they must choose eight digits: they
walk over the keypad, count, repeat a block, or take a number that everybody knows. The list here is
not a copy of one of them (their tails are dates and telephone numbers of one country or one site);
it is built from those habits, so that every entry has a reason:

- walks over the keypad from key to neighbouring key, no key twice (14789632, 12369874), with the 0
  under the 8 as on a telephone, or under the 1 and 2 as on a computer;
- lines of the keypad one after the other, in any direction (14725836, 78945612, 15935725);
- a block of three repeated (12312312), and runs of the same digit that count (11122233);
- counting by two, wrapping at 9 (13579135, 24680246), up and back (12345432), a count begun
  again (12345123), by two digits (10111213, 01020304, 10203040);
- two years that follow one another (19992000);
- numbers that everybody knows: pi, e, the square root of two, the golden ratio, Fibonacci's, and
  the sums of money and love that Chinese lists are full of (52013140).

Some of them other rules refuse too; dates as such are no habit that could be refused to everybody.
"""

from collections.abc import Iterator, Mapping

LENGTH = 8
FIRST_YEAR, LAST_YEAR = 1900, 2050

_ROWS = ("123", "456", "789")
_LINES = ("123", "456", "789", "147", "258", "369", "159", "357", "2580")
_KNOWN = (
    "31415926", "14159265", "27182818", "71828182", "14142135", "16180339", "11235813",
    "52013140", "13145200", "52005200", "10086100", "12345670", "01234569",
)  # fmt: skip


def _neighbours() -> Mapping[str, str]:
    """Which keys lie beside, above or below each key; the 0 below the 8, the 1 and the 2."""
    beside: dict[str, str] = {"0": "812", "8": "0", "1": "0", "2": "0"}
    for row in range(3):
        for column in range(3):
            around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
            key = _ROWS[row][column]
            near = "".join(_ROWS[r][c] for r, c in around if 0 <= r < 3 and 0 <= c < 3)
            beside[key] = beside.get(key, "") + near
    return beside


def walks() -> Iterator[str]:
    """From key to neighbouring key, no key twice."""
    beside = _neighbours()
    begun = list(beside)
    while begun:
        path = begun.pop()
        if len(path) == LENGTH:
            yield path
            continue
        begun.extend(path + key for key in beside[path[-1]] if key not in path)


def lines() -> Iterator[str]:
    """Whole lines of the keypad one after the other, none twice, cut after eight digits."""
    begun: list[tuple[str, tuple[str, ...]]] = [("", _LINES)]
    while begun:
        path, left = begun.pop()
        if len(path) >= LENGTH:
            yield path[:LENGTH]
            continue
        for line in left:
            rest = tuple(other for other in left if other != line)
            begun.extend((path + written, rest) for written in (line, line[::-1]))


def blocks() -> Iterator[str]:
    """A block of three repeated; runs of one digit, two or three long, that count up or down."""
    for number in range(1000):
        yield (f"{number:03}" * 3)[:LENGTH]
    for start in range(10):
        for step in (1, -1):
            digits = [str((start + step * place) % 10) for place in range(4)]
            for length in (2, 3, 4):
                yield "".join(digit * length for digit in digits)[:LENGTH]


def counts() -> Iterator[str]:
    """Counting: by two, up and back, begun again, by two digits."""
    for start in range(10):
        for step in (2, -2):
            yield "".join(str((start + step * place) % 10) for place in range(LENGTH))
        for step in (1, -1):
            run = [str((start + step * place) % 10) for place in range(LENGTH)]
            for turn in range(4, LENGTH):
                yield "".join(run[:turn] + run[: LENGTH - turn])
                yield "".join(run[:turn] + run[turn - 2 :: -1] + run)[:LENGTH]
    for start in range(100):
        for step in (1, -1, 10, -10, 11, -11):
            numbers = [start + step * place for place in range(4)]
            if min(numbers) >= 0 and max(numbers) < 100:
                yield "".join(f"{number:02}" for number in numbers)


def years() -> Iterator[str]:
    """Two years that follow one another, up or down."""
    for year in range(FIRST_YEAR, LAST_YEAR):
        yield f"{year}{year + 1}"
        yield f"{year + 1}{year}"


COMMON = frozenset((*walks(), *lines(), *blocks(), *counts(), *years(), *_KNOWN)) - {"12345679"}
"""All of them. 12345679 is what people take who were refused 12345678: it must be accepted, so that
they do not end up with something they forget."""

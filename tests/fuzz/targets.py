"""What reads what others wrote, each behind the same door: octets in, read or refused."""

from collections.abc import Sequence

from tests.fuzz.damage import Damager


class Target:
    """One reader.

    `share`: how many of a thousand inputs are its. `us_per_octet`: microseconds that an octet may
    take, beside `us_at_all` for any input. `over`: it wants to `settle` before the next input.
    """

    name: str
    share: int
    ways: Sequence[Damager]
    us_per_octet: float = 1.0
    us_at_all: float = 10_000.0

    def __init__(self) -> None:
        self.samples = self.whole()
        self.over = False

    def whole(self) -> Sequence[bytes]:
        """What is damaged: inputs with nothing wrong, or wrong in some way that has a name."""
        raise NotImplementedError

    def feed(self, data: bytes) -> bool:
        """Whether it was read; False when it was refused as it should be.

        Any exception is a find, and so is an answer of ours that our own parser would not take.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """Let every timer run out and begin anew: nothing may be left. Raises `AssertionError`."""

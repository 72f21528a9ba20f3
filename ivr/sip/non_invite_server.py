"""The non-INVITE server transaction (RFC 3261 §17.2.2), as long as it has no answer."""

from collections.abc import Callable


class NonInviteServer:
    """One request, whose copies get nothing until `respond`.

    `answered(response, now)` is called once: to send the answer, now and for each later copy.
    """

    __slots__ = ("_answered",)

    def __init__(self, answered: Callable[[bytes, float], None]) -> None:
        self._answered: Callable[[bytes, float], None] | None = answered

    def repeated(self, now: float) -> None:
        """The request came again, too soon for an answer: the Trying state absorbs it."""

    def respond(self, response: bytes, now: float) -> None:
        """The final response; only the first counts."""
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(response, now)

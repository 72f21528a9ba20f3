"""What every wire format of the project shares: the one error that bad input raises."""


class WireError(ValueError):
    """Bytes from a peer that are not what the RFC allows.

    The only exception that a parser of `ivr.sip` or `ivr.media` lets out for bad input, so that a
    receive loop has one thing to catch: it drops, counts and carries on.

    `reason` is a short fixed phrase of ours, fit for a response's reason phrase or a log line; it
    never repeats the peer's text.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

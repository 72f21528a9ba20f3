"""Messages out of a stream (RFC 3261 §18.3), and the keep-alives between them (RFC 5626 §3.5.1)."""

from ivr.sip.grammar.headers import Headers, unfold
from ivr.sip.grammar.scan import number
from ivr.sip.message import MAX_HEADERS, MAX_LINES, MAX_MESSAGE
from ivr.wire import WireError

PONG = b"\r\n"
# What may stand between messages as long as anybody likes: a pong, or the beginning of a ping.
_KEEP_ALIVES = (b"", b"\r", b"\r\n", b"\r\n\r")


class StreamFramer:
    """Cuts what a stream delivers into messages. Holds at most one message and one read."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._wanted = 0
        self.pings = 0

    @property
    def holds_part(self) -> bool:
        """Whether the beginning of a message waits for its rest."""
        return self._buffer not in _KEEP_ALIVES

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read; the messages that are now whole come back.

        `pings` grows by one for each double CRLF between messages: each wants a `PONG`. Raises
        `WireError` when the stream can't be followed any more and must be closed; messages before
        that place come back first, and the next call raises.
        """
        self._buffer += data
        messages: list[bytes] = []
        try:
            while (message := self._next()) is not None:
                messages.append(message)
        except WireError:
            if not messages:
                raise
        return messages

    def take_pong(self) -> bool:
        """Whether a lone CRLF stands between messages, which is then taken away: where a ping of
        ours awaits its answer, that is what it is."""
        if self._buffer != PONG:
            return False
        self._buffer.clear()
        self._searched = 0
        return True

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if not self._wanted:
            self._skip_keep_alives()
            end = buffer.find(b"\r\n\r\n", self._searched)
            if end < 0:
                if len(buffer) > MAX_MESSAGE:
                    raise WireError("Message too large")
                self._searched = max(0, len(buffer) - 3)
                return None
            wanted = end + 4 + _content_length(bytes(buffer[:end]))
            if wanted > MAX_MESSAGE:
                raise WireError("Message too large")
            self._wanted = wanted
        if len(buffer) < self._wanted:
            return None
        message = bytes(buffer[: self._wanted])
        del buffer[: self._wanted]
        self._searched = self._wanted = 0
        return message

    def _skip_keep_alives(self) -> None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n\r\n"):
            self.pings += 1
            del buffer[:4]
        # A single CRLF before a message is to be ignored (§7.5); it may also be half a ping.
        if len(buffer) > 2 and buffer.startswith(b"\r\n") and buffer[2:3] != b"\r":
            del buffer[:2]


def _content_length(head: bytes) -> int:
    if head.count(b"\n") > MAX_LINES:
        raise WireError("Too many header lines")
    lines = unfold(head.decode("latin-1").replace("\r\n", "\n"))
    headers = Headers.parse(lines[1:], MAX_HEADERS, salvage=True)
    lengths = headers.fields("content-length")
    if len(lengths) != 1:
        # Of two, either may hide the next message in the body of this one.
        raise WireError("Content-Length missing or repeated")
    return number(headers.get("content-length"), MAX_MESSAGE)

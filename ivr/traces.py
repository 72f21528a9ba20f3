"""Traces of calls, for who looks at them in a tool that speaks OpenTelemetry; off unless wanted.

One span for the call, and within it one for the answer and one for each node that plays, judges or
transfers. **A node that waits for keys has none**: how long somebody took to key must not be seen.
No span holds what was keyed, nor who called.
"""

from typing import Protocol

from ivr.records import CallRecord


class CallTrace(Protocol):
    """The trace of one call, told what happens in it."""

    def answered(self) -> None:
        """The 200 has gone."""

    def entered(self, node: str, *, waits: bool) -> None:
        """The call is at another node; `waits`: for keys."""

    def ended(self, record: CallRecord) -> None:
        """Nothing of the call is left."""


class Tracer(Protocol):
    """What makes traces."""

    def call(self, record: CallRecord, *, trunk: str, dialplan: str) -> CallTrace:
        """Begin one: an INVITE has come."""

    def close(self) -> None:
        """Send what is left. Blocks."""


class NoTrace:
    """Of a call that is not traced."""

    def answered(self) -> None:
        pass

    def entered(self, node: str, *, waits: bool) -> None:
        pass

    def ended(self, record: CallRecord) -> None:
        pass


class NoTracer:
    """Traces nothing."""

    def call(self, record: CallRecord, *, trunk: str, dialplan: str) -> CallTrace:
        return _NO_TRACE

    def close(self) -> None:
        pass


_NO_TRACE = NoTrace()

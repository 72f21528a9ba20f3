"""What a softphone tells. A class's `name` is the `event` of its JSON line, its fields the rest.

Every JSON line has besides `t`, seconds since the answer (null before it), and `at`, the
machine's monotonic clock (`time.monotonic`, the same in every process). `str` gives the words for
people.
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all."""

    name: ClassVar[str] = "event"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """Waiting to be rung at `address` ("host:port")."""

    name: ClassVar[str] = "listening"
    address: str

    def __str__(self) -> str:
        return f"waiting to be rung at {self.address}"


@dataclass(frozen=True, slots=True)
class Calling(Event):
    """The INVITE to `uri` is on its way."""

    name: ClassVar[str] = "calling"
    uri: str

    def __str__(self) -> str:
        return f"calling {self.uri}"


@dataclass(frozen=True, slots=True)
class Incoming(Event):
    """We are rung; `caller` is the From header's URI."""

    name: ClassVar[str] = "incoming"
    caller: str

    def __str__(self) -> str:
        return f"rung by {self.caller}"


@dataclass(frozen=True, slots=True)
class Ringing(Event):
    """A provisional response to our INVITE (RFC 3261 §21.1), 100 apart."""

    name: ClassVar[str] = "ringing"
    status: int
    reason: str

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """The call stands: `t` counts from here."""

    name: ClassVar[str] = "answered"


@dataclass(frozen=True, slots=True)
class Media(Event):
    """What an offer and its answer agreed on; `codec` and `remote` are empty when there is none."""

    name: ClassVar[str] = "media"
    codec: str
    remote: str
    receives: bool
    sends: bool

    def __str__(self) -> str:
        if not self.codec:
            return "no sound agreed"
        held = "" if self.receives and self.sends else " (on hold)"
        return f"sound: {self.codec} with {self.remote}{held}"


@dataclass(frozen=True, slots=True)
class Recording(Event):
    """The first sample of the recording is now."""

    name: ClassVar[str] = "recording"

    def __str__(self) -> str:
        return "recording"


@dataclass(frozen=True, slots=True)
class Sound(Event):
    """The far end began to speak (at `t`)."""

    name: ClassVar[str] = "sound"

    def __str__(self) -> str:
        return "they speak"


@dataclass(frozen=True, slots=True)
class Silence(Event):
    """The far end stopped (at `t`; told later, once the silence has lasted)."""

    name: ClassVar[str] = "silence"

    def __str__(self) -> str:
        return "they are silent"


@dataclass(frozen=True, slots=True)
class KeySent(Event):
    """A key was pressed; never which."""

    name: ClassVar[str] = "key"
    way: str

    def __str__(self) -> str:
        return "key sent"


@dataclass(frozen=True, slots=True)
class KeyHeard(Event):
    """The far end pressed a key (`key`), by RTP events or SIP INFO."""

    name: ClassVar[str] = "heard"
    key: str
    way: str

    def __str__(self) -> str:
        return f"they pressed {self.key}"


@dataclass(frozen=True, slots=True)
class Response(Event):
    """The final status of a request of ours inside the call (INFO, re-INVITE)."""

    name: ClassVar[str] = "response"
    method: str
    status: int

    def __str__(self) -> str:
        return f"{self.method}: {self.status}"


@dataclass(frozen=True, slots=True)
class Transfer(Event):
    """A REFER (RFC 3515). `headers`: its X- headers. `taken`: answered 202, else 603."""

    name: ClassVar[str] = "transfer"
    refer_to: str
    headers: dict[str, str] = field(default_factory=dict)
    taken: bool = True

    def __str__(self) -> str:
        verb = "transferred to" if self.taken else "transfer refused, to"
        headers = "".join(f"; {name}: {value}" for name, value in self.headers.items())
        return f"{verb} {self.refer_to}{headers}"


@dataclass(frozen=True, slots=True)
class Transferred(Event):
    """How the call to where we were transferred went: its final `status`."""

    name: ClassVar[str] = "transferred"
    status: int

    def __str__(self) -> str:
        return f"the call to there: {self.status}"


@dataclass(frozen=True, slots=True)
class Done(Event):
    """A command of standard input is carried out."""

    name: ClassVar[str] = "done"
    command: str

    def __str__(self) -> str:
        return f"{self.command}: done"


@dataclass(frozen=True, slots=True)
class Fault(Event):
    """Something asked of us makes no sense, or PJSIP refused it."""

    name: ClassVar[str] = "error"
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The call is over, or never was (`status` ≥ 300).

    `by`: "us" or "them". `cause`: the Reason header of their BYE (RFC 3326).
    """

    name: ClassVar[str] = "ended"
    by: str
    status: int
    reason: str
    cause: str = ""

    def __str__(self) -> str:
        cause = f" ({self.cause})" if self.cause else ""
        return f"ended by {self.by}: {self.status} {self.reason}{cause}"

"""One call of a softphone: what to do, what to tell, when to stop."""

import json
import os
import select
import signal
import socket
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from ivr.softphone.ear import Ear
from ivr.softphone.errors import HandsetError, UsageError
from ivr.softphone.events import (
    Answered,
    Calling,
    Done,
    Ended,
    Event,
    Fault,
    KeySent,
    Listening,
    Media,
    Recording,
)
from ivr.softphone.keys import Action, Step, Way, steps_of_command, steps_of_keys
from ivr.softphone.tls import TlsFiles

if TYPE_CHECKING:
    from ivr.softphone.pjsip import Handset

POLL_MS = 10
MAX_STEPS = 1000
MAX_LINE = 4096
GOODBYE_SECONDS = 5.0  # how long the answer to our BYE is waited for
MISSING = "this command needs PJSIP; in the project's folder: pip install '.[softphone]'"


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with one call.

    `uri`: whom to ring; empty to wait for a call and answer it, at `port` (0: any).
    `keys`: see the package; "-" reads standard input. `record`: WAV of what is heard.
    `play`: WAV said once the call stands. `codec`: "pcma" or "pcmu", the one preferred.
    `caller`: user part of From. `host`: IPv4 address to call from; empty: the one that routes
    there. `require`: SIP extensions without which there is no call, "100rel" or "timer".
    `max_seconds` bounds the whole run; `key_ms`, `gap_ms` are the length of a press and the
    pause after it. `srtp`: "off", "optional" or "required" secure sound. `tls_…`: PEM files for
    `transport` "tls": whom to believe (default: anybody), and what to show who asks.
    """

    uri: str = ""
    keys: str = field(default="", repr=False)
    record: Path | None = None
    play: Path | None = None
    way: Way = Way.RFC4733
    transport: str = "udp"
    codec: str = "pcma"
    caller: str = "softphone"
    host: str = ""
    port: int = 0
    json: bool = False
    max_seconds: float = 120.0
    refuse_transfer: bool = False
    require: tuple[str, ...] = ()
    key_ms: int = 100
    gap_ms: int = 80
    tls_authorities: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    srtp: str = "off"


def run(options: Options) -> int:
    """Make one call, telling what happens on standard output.

    Exit code: 0, it was answered and is over; 1, it was not; 2, the options make no sense or
    PJSIP is missing (one line on standard error says which).
    """
    try:
        from ivr.softphone.pjsip import Handset
    except ImportError:
        print(MISSING, file=sys.stderr)
        return 2
    printer = Printer(sys.stdout, as_json=options.json)
    try:
        with (
            Handset(
                local=options.host or _local_address(options.uri),
                user=options.caller,
                transport=options.transport,
                port=options.port,
                codec=options.codec,
                takes_transfers=not options.refuse_transfer,
                record=options.record,
                require=options.require,
                srtp=options.srtp,
                tls=TlsFiles(options.tls_authorities, options.tls_certificate, options.tls_key),
            ) as handset,
            _keyboard(options) as keyboard,
        ):
            softphone = Softphone(options, handset, printer, keyboard)
            with _on_signal(softphone.leave):
                return softphone.run()
    except (UsageError, HandsetError) as error:
        print(error, file=sys.stderr)
        return 2


class Softphone:
    """One call from beginning to end, on a handset that is ready."""

    def __init__(
        self,
        options: Options,
        handset: "Handset",
        printer: "Printer",
        keyboard: "Keyboard | None",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._handset = handset
        self._printer = printer
        self._keyboard = keyboard
        self._clock = clock
        self._ear = Ear()
        self._steps: deque[Step] = deque()
        self._free_at = 0.0  # our finger is on a key, or we pause, until then
        self._answered = False
        self._early_sound = False
        self._recording = False
        self._asked_to_leave = False
        self._leaving_since: float | None = None
        self._ended = False

    def run(self) -> int:
        """Return the exit code. `UsageError` or `HandsetError` when the call cannot be made."""
        options = self._options
        if options.keys != "-":
            self._steps.extend(steps_of_keys(options.keys, options.way))
        if options.uri:
            uri = _with_transport(options.uri, options.transport)
            self._handset.dial(uri)
            self._printer.tell(Calling(uri))
        else:
            self._printer.tell(Listening(self._handset.address))
        deadline = self._clock() + options.max_seconds
        while not self._ended:
            for event in self._handset.poll(POLL_MS):
                self._happened(event)
            now = self._clock()
            if self._answered:
                self._listen(now)
            # Who drives us by commands may press keys during early media, too.
            if self._answered or (self._early_sound and options.keys == "-"):
                self._act(now)
            self._read_keyboard()
            if now >= deadline or self._asked_to_leave:
                self._hang_up()
            if self._leaving_since is not None and now >= self._leaving_since + GOODBYE_SECONDS:
                break
        return 0 if self._answered else 1

    def leave(self) -> None:
        """End the call soon. Fit for a signal handler: `run` does the work."""
        self._asked_to_leave = True

    def _hang_up(self) -> None:
        if self._leaving_since is None:
            self._leaving_since = self._clock()
            self._steps.clear()
            self._ended = not self._handset.hang_up()

    def _happened(self, event: Event) -> None:
        if isinstance(event, Answered):
            self._answered = True
            self._printer.count_from_now()
            if self._options.play is not None:
                self._handset.play(self._options.play)
        elif isinstance(event, Media):
            self._early_sound = event.receives
        elif isinstance(event, Ended):
            self._ended = True
        self._printer.tell(event)

    def _listen(self, now: float) -> None:
        if self._handset.recording and not self._recording:
            self._recording = True
            self._printer.tell(Recording())
        heard = self._ear.hear(self._handset.level(), now)
        if heard is not None:
            event, at = heard
            self._printer.tell(event, at=at)

    def _act(self, now: float) -> None:
        while self._steps and now >= self._free_at and not self._ended:
            step = self._steps[0]
            if step.action is Action.WAIT and not self._ear.prompt_ended(now):
                return
            self._steps.popleft()
            try:
                self._take(step, now)
            except HandsetError as error:
                self._printer.tell(Fault(str(error)))
                self._give_up_command()

    def _give_up_command(self) -> None:
        """Forget what is left of a command that failed: its fault was its answer."""
        while self._steps and self._steps.popleft().action is not Action.DONE:
            pass

    def _take(self, step: Step, now: float) -> None:
        match step.action:
            case Action.PRESS:
                self._handset.press(step.argument, step.way, self._options.key_ms)
                self._ear.pressed(now)
                self._free_at = now + (self._options.key_ms + self._options.gap_ms) / 1000
                self._printer.tell(KeySent(step.way))
            case Action.PAUSE:
                self._free_at = now + float(step.argument)
            case Action.PLAY:
                self._handset.play(Path(step.argument))
            case Action.HOLD:
                self._handset.hold()
            case Action.UNHOLD:
                self._handset.unhold()
            case Action.DONE:
                self._printer.tell(Done(step.argument))
            case Action.WAIT:
                pass

    def _read_keyboard(self) -> None:
        if self._keyboard is None:
            return
        options = self._options
        for text in self._keyboard.read():
            if options.json and text.strip() == "hangup":
                self._hang_up()
                return
            try:
                parse = steps_of_command if options.json else steps_of_keys
                steps = parse(text, options.way)
            except UsageError as error:
                self._printer.tell(Fault(str(error)))
                continue
            if len(self._steps) + len(steps) > MAX_STEPS:
                self._printer.tell(Fault(f"more than {MAX_STEPS} steps wait"))
                continue
            self._steps.extend(steps)
        if options.json and self._keyboard.closed:
            self._hang_up()


class Printer:
    """Writes events, for people or as JSON lines; seconds count from the answer."""

    def __init__(
        self, out: TextIO, *, as_json: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._as_json = as_json
        self._clock = clock
        self._zero: float | None = None

    def count_from_now(self) -> None:
        """The call is answered."""
        self._zero = self._clock()

    def tell(self, event: Event, *, at: float | None = None) -> None:
        """Write one line. `at`: when it happened, by the monotonic clock; None: now."""
        at = self._clock() if at is None else at
        t = None if self._zero is None else round(at - self._zero, 3)
        if self._as_json:
            line = json.dumps({"event": event.name, "t": t, "at": round(at, 3), **asdict(event)})
        else:
            line = f"{'' if t is None else f'{t:.2f} s':>10}  {event}"
        self._out.write(line + "\n")
        self._out.flush()


class Keyboard:
    """A file descriptor read without waiting: whole lines, or characters as they come."""

    def __init__(self, descriptor: int, *, lines: bool) -> None:
        self._descriptor = descriptor
        self._lines = lines
        self._pending = b""
        self.closed = False

    def read(self) -> list[str]:
        """What was typed since the last time."""
        if self.closed or not select.select([self._descriptor], [], [], 0)[0]:
            return []
        data = os.read(self._descriptor, MAX_LINE)
        self.closed = not data
        if not self._lines:
            return list(data.decode("ascii", "replace"))
        *whole, rest = (self._pending + data).split(b"\n")
        self._pending = rest[:MAX_LINE]
        return [line.decode("utf-8", "replace") for line in whole if line.strip()]


@contextmanager
def _keyboard(options: Options) -> Iterator[Keyboard | None]:
    """Standard input when keys come from there; a terminal gives each key at once, unechoed."""
    if options.keys != "-":
        yield None
        return
    descriptor = sys.stdin.fileno()
    if options.json or not os.isatty(descriptor):
        yield Keyboard(descriptor, lines=options.json)
        return
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield Keyboard(descriptor, lines=False)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _on_signal(leave: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the call properly instead of leaving the far end alone in it."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        leave()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_transport(uri: str, transport: str) -> str:
    if transport == "udp" or ";transport=" in uri.lower():
        return uri
    return f"{uri};transport={transport}"


def _local_address(uri: str) -> str:
    """The IPv4 address of ours that routes to the host of `uri`; loopback without a URI."""
    if not uri:
        return "127.0.0.1"
    scheme, _, rest = uri.partition(":")
    host = rest.partition(";")[0].rpartition("@")[2].partition(":")[0]
    if scheme.lower() not in ("sip", "sips") or not host:
        raise UsageError("whom to ring is a SIP address: sip:0810257510@127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError as error:
            raise UsageError(f"cannot reach {host}: {error}") from None
        address: str = probe.getsockname()[0]
        return address

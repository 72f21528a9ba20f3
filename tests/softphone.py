"""A real SIP phone for tests: PJSIP in a process of its own, driven by coroutines.

    async with Softphone(uri, record=tmp_path / "heard.wav", caller="0612345678") as phone:
        await phone.answered()
        await phone.prompt_end()
        await phone.keys("0123456")
        await phone.prompt_end()
        ended = await phone.ended()
    assert heard(tmp_path / "heard.wav", ...)   # the file is whole once the phone has gone

Keys go to the process on its standard input and appear in no argument, event or message here.
Every wait has a time-out that names what was waited for and what happened instead; leaving the
block hangs up and, if the process does not end, kills it.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]

DEFAULT_TIMEOUT = 15.0


class SoftphoneError(AssertionError):
    """The phone did not live through what the test expected."""


class Softphone:
    """One call. Without `uri` it waits to be rung (`listening` tells where) and answers.

    `way`: how `keys` travel (rfc4733, info, both, inband). `max_seconds` bounds the call. `more`:
    further arguments of `python -m ivr.softphone`.
    """

    def __init__(
        self,
        uri: str = "",
        *,
        record: Path | None = None,
        play: Path | None = None,
        caller: str = "0144556677",
        way: str = "rfc4733",
        transport: str = "udp",
        codec: str = "pcma",
        refuse_transfer: bool = False,
        require: Sequence[str] = (),
        max_seconds: float = 110.0,
        srtp: str = "off",
        key_ms: int = 100,
        gap_ms: int = 80,
        more: Sequence[str] = (),
    ) -> None:
        self._arguments = [
            *([uri] if uri else []),
            *("--json", "--keys", "-", "--way", way, "--transport", transport, "--codec", codec),
            *("--caller", caller, "--max-seconds", str(max_seconds), "--host", "127.0.0.1"),
            *("--key-ms", str(key_ms), "--gap-ms", str(gap_ms), "--srtp", srtp),
            *(["--record", str(record)] if record else []),
            *(["--play", str(play)] if play else []),
            *(["--refuse-transfer"] if refuse_transfer else []),
            *(["--require", *require] if require else []),
            *more,
        ]
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closed = False
        self._commands = 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivr.softphone", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()  # hangs up
        try:
            await asyncio.wait_for(process.wait(), 7.0)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reader is not None:
            await self._reader

    @property
    def pid(self) -> int:
        """Process id: its arguments are one of the places where no secret may be."""
        if self._process is None:
            raise SoftphoneError("the softphone is not started")
        return self._process.pid

    # What happens to the phone.

    async def listening(self, within: float = DEFAULT_TIMEOUT) -> str:
        """The "host:port" to ring a phone without `uri` at."""
        return str((await self.event("listening", within=within))["address"])

    async def answered(self, within: float = DEFAULT_TIMEOUT) -> Event:
        """The call stands."""
        return await self.event("answered", within=within)

    async def prompt_end(self, within: float = 40.0) -> None:
        """The far end has spoken since the last key or `prompt_end`, then been silent 0.5 s."""
        await self._command("wait", within)

    async def ended(self, within: float = 40.0) -> Event:
        """The call is over; the event's `by`, `status`, `reason` and `cause` say how."""
        return await self.event("ended", within=within)

    async def transfer(self, within: float = 40.0) -> Event:
        """A REFER came: `refer_to`, `headers`, `taken`."""
        return await self.event("transfer", within=within)

    async def event(
        self, name: str, *, after: int = 0, within: float = DEFAULT_TIMEOUT, **facts: object
    ) -> Event:
        """The first event `name` with these facts, from place `after` of `events` on."""

        def found() -> Event | None:
            for event in self.events[after:]:
                if event["event"] == name and facts.items() <= event.items():
                    return event
            return None

        async with self._news:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait_for(lambda: found() or self._closed)
            event = found()
        if event is None:
            raise SoftphoneError(f"no {name!r} {facts or ''} in {within} s; {self._story()}")
        return event

    def heard(self, name: str) -> list[Event]:
        """All events `name` so far."""
        return [event for event in self.events if event["event"] == name]

    # What the person does.

    async def keys(self, keys: str, within: float = 60.0) -> None:
        """Press keys the usual way of this phone; a comma waits for a prompt's end."""
        await self._command(f"keys {keys}", within)

    async def press(self, way: str, keys: str, within: float = 60.0) -> None:
        """Press keys another way."""
        await self._command(f"{way} {keys}", within)

    async def pause(self, seconds: float) -> None:
        """Do nothing (the phone's clock, in order with the keys)."""
        await self._command(f"pause {seconds}", seconds + 5)

    async def say(self, recording: Path) -> None:
        """Play a WAV to the far end; returns when it begins."""
        await self._command(f"play {recording}", DEFAULT_TIMEOUT)

    async def hold(self) -> None:
        """Put the far end on hold, and wait until it agreed."""
        await self._offer("hold")

    async def unhold(self) -> None:
        """Take it back."""
        await self._offer("unhold")

    async def hang_up(self, within: float = DEFAULT_TIMEOUT) -> Event:
        """Hang up and wait for the end."""
        await self._write("hangup")
        return await self.ended(within)

    async def kill(self) -> None:
        """Vanish without a BYE, like a phone whose battery is empty."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _offer(self, command: str) -> None:
        before = len(self.events)
        await self._command(command, DEFAULT_TIMEOUT)
        await self.event("response", after=before, method="INVITE")

    async def _command(self, line: str, within: float) -> None:
        """Carry one command out: the n-th command is answered by the n-th `done` or `error`."""
        place = self._commands
        self._commands += 1
        await self._write(line)
        async with self._news:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait_for(lambda: len(self._replies()) > place or self._over())
            replies = self._replies()
        name = line.partition(" ")[0]
        if len(replies) <= place:
            raise SoftphoneError(f"{name!r} was not carried out in {within} s; {self._story()}")
        if replies[place]["event"] == "error":
            raise SoftphoneError(f"{name!r}: {replies[place]['message']}")

    def _replies(self) -> list[Event]:
        return [event for event in self.events if event["event"] in ("done", "error")]

    def _over(self) -> bool:
        return self._closed or bool(self.heard("ended"))

    async def _write(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise SoftphoneError("the softphone is not started")
        with contextlib.suppress(ConnectionError):  # it is gone: the wait that follows says so
            self._process.stdin.write(f"{line}\n".encode())
            await self._process.stdin.drain()

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "text", "text": line.decode(errors="replace").rstrip()}
            async with self._news:
                self.events.append(event)
                self._news.notify_all()
        async with self._news:
            self._closed = True
            self._news.notify_all()

    def _story(self) -> str:
        """What happened so far; events hold no key that this phone pressed."""
        lines = (
            f"{event.get('t')}: "
            + " ".join(f"{v}" for k, v in event.items() if k not in ("t", "at"))
            for event in self.events
        )
        return "the phone lived through [" + "; ".join(lines) + "]"

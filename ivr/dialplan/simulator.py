"""A call in the terminal: the real flow and rules, without SIP or sound.

What would be said is printed, with the timers that run; keys are typed on standard input. Keys are
never printed nor echoed: some of them are secrets. `v` is a caller who talks instead of keying.

At a terminal a key counts at once and stops what is being said. Piped keys belong to a patient
caller, who hears every prompt to its end and then keys; `,` waits until the time for a key is over,
and after the last key the caller stays silent: nobody is there to wait for, so time is skipped.
"""

import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from auth_core import AuthService
from ivr.dialplan.collector import KEYPAD, MAX_KEYS_AHEAD, Collector
from ivr.dialplan.interpreter import CallContext, Facts, Run
from ivr.dialplan.phone import CallEnded, Collected, Entry, Heard, TransferOutcome
from ivr.dialplan.schema import Dialplan

SECONDS_PER_CHARACTER = 0.07
"""How long a voice takes for one letter of a text, about."""

ID_WIDTH = 26

HANG_UP_KEYS = frozenset("q\x03\x04")
"""What hangs up: q, ctrl-C, ctrl-D."""

TALK_KEY = "v"
"""The caller talks."""

WAIT_KEY = ","
"""Piped keys: wait until the time for a key is over."""

_OUTCOMES = {
    Heard.ENTRY: "an entry was keyed",
    Heard.KEY: "a key answered",
    Heard.SILENCE: "nothing was keyed in time",
    Heard.VOICE: "the caller talks instead of keying",
    Heard.ERROR: "what was keyed is no answer here",
}

Texts = Mapping[str, Mapping[str, str]]


async def simulate(
    plan: Dialplan,
    texts: Texts,
    people: AuthService,
    context: CallContext,
    fast: bool = False,
    *,
    keys: TextIO | None = None,
    console: Console | None = None,
) -> Facts:
    """Live through one call and return what became of it.

    `texts`: what each prompt says, by language then prompt id. `fast`: saying takes no time, and a
    patient caller's silences are over at once. `keys`: standard input by default.
    """
    keys = keys or sys.stdin
    console = console or Console()
    terminal = Terminal(texts, console, keys, fast=fast)
    run = Run(plan, terminal, people, context)
    console.print(
        "[dim]Keys: 0-9 * #, v talks, q hangs up. They are not shown: some are secret.[/dim]"
    )
    with _keyboard(keys, terminal.press) if keys.isatty() else contextlib.nullcontext():
        try:
            await run.run()
        except CallEnded:
            console.print("[bold]You hung up.[/bold]")
        else:
            console.print(f"[bold]The call is over: {run.facts.end_reason}.[/bold]")
    return run.facts


class Terminal:
    """A `Phone` that prints. Its clock is the monotonic one, ahead by the silences skipped."""

    def __init__(self, texts: Texts, console: Console, keys: TextIO, *, fast: bool) -> None:
        self._texts = texts
        self._console = console
        self._piped = None if keys.isatty() else keys
        self._fast = fast
        self._skipped = 0.0
        self._language = ""
        self._collector = Collector()
        self._changed = asyncio.Event()
        self._interrupted = False
        self._left = False

    def press(self, key: str) -> None:
        """A key of the keyboard, at once."""
        if key in HANG_UP_KEYS:
            self._left = True
        elif key == TALK_KEY:
            self._collector.spoke()
        elif key in KEYPAD:
            self._interrupted |= self._collector.press(key, self._now())
        self._changed.set()

    async def speak(self, language: str) -> None:
        self._still_here()
        self._language = language

    async def play(
        self, prompts: Sequence[str], *, barge_in: bool = True, discard_keys: bool = False
    ) -> None:
        if discard_keys or not (barge_in and self._collector.waiting):
            await self._say(prompts, barge_in=barge_in)
        if discard_keys:
            self._collector.discard()

    async def collect(self, prompts: Sequence[str], entry: Entry) -> Collected:
        self._still_here()
        self._collector.begin(entry, self._now())
        if not self._collector.keying:
            self._collector.prompt_started(self._now())
            await self._say(prompts, barge_in=True)
            self._collector.prompt_ended(self._now())
        self._console.print(
            f"[dim]… {entry.first_digit:g} s for the first key, "
            f"{entry.inter_digit:g} s between keys[/dim]"
        )
        while (answer := self._collector.advance(self._now())) is None:
            deadline = self._collector.next_deadline()
            left = 0.0 if deadline is None else max(0.0, deadline - self._now())
            if self._piped is None:
                await self._wait(left)
            else:
                await self._take_piped_key(self._piped, left)
        self._console.print(f"[dim]→ {_OUTCOMES[answer.heard]}[/dim]")
        return answer

    async def transfer(
        self, target: str, headers: Sequence[tuple[str, str]] = ()
    ) -> TransferOutcome:
        self._still_here()
        names = ", ".join(name for name, _ in headers) or "no header"
        self._console.print(f"[bold]Transferred to {escape(target)}[/bold] ({names}).")
        return TransferOutcome.TAKEN

    async def hang_up(self) -> None:
        self._still_here()

    async def _say(self, prompts: Sequence[str], *, barge_in: bool) -> None:
        self._still_here()
        self._interrupted = False
        for prompt in prompts:
            text = self._texts.get(self._language, {}).get(prompt, "")
            self._console.print(_beside(prompt, text), highlight=False)
            over = self._now() + (0.0 if self._fast else len(text) * SECONDS_PER_CHARACTER)
            while (left := over - self._now()) > 0:
                await self._wait(left)
                if self._interrupted and barge_in:
                    return

    async def _take_piped_key(self, piped: TextIO, left: float) -> None:
        key = await asyncio.to_thread(piped.read, 1)
        self._fast |= not key
        if key and key != WAIT_KEY:
            self.press(key)
            self._still_here()
        elif self._fast:
            self._skipped += left
        else:
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        """Until a key, or until the time is over."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._still_here()

    def _now(self) -> float:
        return time.monotonic() + self._skipped

    def _still_here(self) -> None:
        if self._left:
            raise CallEnded


def _beside(prompt: str, text: str) -> Table:
    """A prompt's id, and its text beside it however many lines that takes."""
    row = Table.grid(padding=(0, 2))
    row.add_column(justify="right", style="cyan", width=ID_WIDTH, no_wrap=True)
    row.add_column()
    row.add_row(prompt, escape(text))
    return row


@contextlib.contextmanager
def _keyboard(keys: TextIO, press: Callable[[str], None]) -> Iterator[None]:
    """Hand on every key at once, without Enter and without echo; put the terminal right after."""

    def typed() -> None:
        for key in os.read(keys.fileno(), MAX_KEYS_AHEAD).decode("ascii", "replace"):
            press(key)

    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    loop.add_reader(keys, typed)
    try:
        yield
    finally:
        loop.remove_reader(keys)
        termios.tcsetattr(keys, termios.TCSADRAIN, before)

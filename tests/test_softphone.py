"""The softphone itself: its ear and its keys alone, then two of them ringing each other."""

import asyncio
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from ivr import softphone
from ivr.softphone.ear import Ear
from ivr.softphone.errors import UsageError
from ivr.softphone.events import KeySent, Silence, Sound, Transfer
from ivr.softphone.keys import Action, Step, Way, steps_of_command, steps_of_keys
from ivr.softphone.phone import Keyboard, Options, Printer
from tests.softphone import Softphone, SoftphoneError

LOUD, QUIET = 25, 0
SCENARIOS = Path(__file__).parent / "scenarios"


def feed(ear: Ear, level: int, start: float, end: float) -> list[tuple[Sound | Silence, float]]:
    """Let the ear hear `level` every 10 ms from `start` to `end`."""
    ticks = range(round(start * 100), round(end * 100))
    return [heard for tick in ticks if (heard := ear.hear(level, tick / 100)) is not None]


class TestEar:
    def test_tells_when_speech_begins_and_when_it_stopped(self) -> None:
        ear = Ear()
        assert feed(ear, QUIET, 0.0, 1.0) == []
        assert feed(ear, LOUD, 1.0, 3.0) == [(Sound(), 1.01)]
        assert feed(ear, QUIET, 3.0, 4.0) == [(Silence(), 2.99)]

    def test_a_pause_between_words_is_no_silence(self) -> None:
        ear = Ear()
        feed(ear, LOUD, 0.0, 1.0)
        assert feed(ear, QUIET, 1.0, 1.4) == []
        assert feed(ear, LOUD, 1.4, 2.0) == []

    def test_a_click_is_no_speech(self) -> None:
        ear = Ear()
        assert feed(ear, LOUD, 0.0, 0.01) == []
        assert feed(ear, QUIET, 0.01, 2.0) == []
        assert not ear.prompt_ended(2.0)

    def test_one_prompt_ends_once(self) -> None:
        ear = Ear()
        feed(ear, LOUD, 0.0, 1.0)
        assert not ear.prompt_ended(1.0)
        feed(ear, QUIET, 1.0, 2.0)
        assert ear.prompt_ended(2.0)
        assert not ear.prompt_ended(2.1)

    def test_what_a_key_cut_off_is_not_the_answer_to_it(self) -> None:
        ear = Ear()
        feed(ear, LOUD, 0.0, 1.0)
        ear.pressed(1.0)
        feed(ear, LOUD, 1.0, 1.1)  # barge-in takes so long
        feed(ear, QUIET, 1.1, 2.5)
        assert not ear.prompt_ended(2.5)
        feed(ear, LOUD, 2.5, 3.0)
        feed(ear, QUIET, 3.0, 3.6)
        assert ear.prompt_ended(3.6)

    def test_an_answer_that_follows_the_cut_prompt_at_once_counts(self) -> None:
        ear = Ear()
        feed(ear, LOUD, 0.0, 1.0)
        ear.pressed(1.0)
        feed(ear, LOUD, 1.0, 2.0)
        feed(ear, QUIET, 2.0, 2.6)
        assert ear.prompt_ended(2.6)


class TestKeys:
    def test_a_comma_waits_for_the_prompt(self) -> None:
        steps = steps_of_keys("1,*", Way.INFO)
        assert [step.action for step in steps] == [Action.PRESS, Action.WAIT, Action.PRESS]
        assert [step.argument for step in steps] == ["1", "", "*"]
        assert steps[0].way is Way.INFO

    def test_a_refusal_repeats_no_key(self) -> None:
        with pytest.raises(UsageError) as refusal:
            steps_of_keys("4821x", Way.RFC4733)
        assert "4821" not in str(refusal.value)

    def test_a_step_shows_no_key(self) -> None:
        assert "#" not in repr(Step(Action.PRESS, "#"))

    @pytest.mark.parametrize("way", list(Way))
    def test_a_command_may_name_the_way(self, way: Way) -> None:
        press, done = steps_of_command(f"{way} 5", Way.RFC4733)
        assert press == Step(Action.PRESS, "5", way)
        assert done == Step(Action.DONE, way.value)

    @pytest.mark.parametrize("line", ["sing", "pause soon", "", "keys 12é"])
    def test_a_command_that_makes_no_sense_is_refused(self, line: str) -> None:
        with pytest.raises(UsageError):
            steps_of_command(line, Way.RFC4733)


class TestPrinter:
    def test_json_counts_from_the_answer(self) -> None:
        out, now = io.StringIO(), [10.0]
        printer = Printer(out, as_json=True, clock=lambda: now[0])
        printer.tell(Sound())
        printer.count_from_now()
        now[0] = 12.5
        printer.tell(Silence(), at=12.0)
        printer.tell(KeySent("info"))
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [line["t"] for line in lines] == [None, 2.0, 2.5]
        assert lines[2] == {"event": "key", "t": 2.5, "at": 12.5, "way": "info"}

    def test_people_read_one_line_an_event(self) -> None:
        out = io.StringIO()
        printer = Printer(out, as_json=False, clock=lambda: 3.0)
        printer.count_from_now()
        printer.tell(Transfer("sip:200@127.0.0.1", {"X-Caf": "751"}))
        assert out.getvalue() == "    0.00 s  transferred to sip:200@127.0.0.1; X-Caf: 751\n"


class TestKeyboard:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, int]]:
        ends = os.pipe()
        yield ends
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)

    def test_a_line_may_come_in_pieces(self, pipe: tuple[int, int]) -> None:
        keyboard = Keyboard(pipe[0], lines=True)
        assert keyboard.read() == []
        os.write(pipe[1], b"keys 1\n\nwa")
        assert keyboard.read() == ["keys 1"]
        os.write(pipe[1], b"it\nhold\n")
        assert keyboard.read() == ["wait", "hold"]

    def test_a_terminal_gives_each_key(self, pipe: tuple[int, int]) -> None:
        keyboard = Keyboard(pipe[0], lines=False)
        os.write(pipe[1], b"12#")
        assert keyboard.read() == ["1", "2", "#"]

    def test_knows_its_end(self, pipe: tuple[int, int]) -> None:
        keyboard = Keyboard(pipe[0], lines=True)
        os.close(pipe[1])
        assert keyboard.read() == []
        assert keyboard.closed


def test_without_pjsip_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pjsua2", None)
    monkeypatch.delitem(sys.modules, "ivr.softphone.pjsip", raising=False)
    assert softphone.run(Options(uri="sip:x@127.0.0.1")) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert (
        told.err
        == "this command needs PJSIP; in the project's folder: pip install '.[softphone]'\n"
    )


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ivr.softphone", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A WAV of 1.2 s that swells and fades five times a second, as syllables do."""
    t = np.arange(9600) / 8000
    samples = 8000 * np.sin(2 * np.pi * 440 * t) * np.sin(2 * np.pi * 2.5 * t) ** 2
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return path


@asynccontextmanager
async def referring_line(advisor: str, folder: Path) -> AsyncIterator[str]:
    """A line (sipp) that answers and transfers to `advisor`; its URI. It must end content."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sipp = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", str(SCENARIOS / "answer_then_refer.xml"), "-key", "advisor", advisor),
        *("-i", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin", "-timeout", "20"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"sip:line@127.0.0.1:{port}"
        assert await asyncio.wait_for(sipp.wait(), 10) == 0
    finally:
        if sipp.returncode is None:
            sipp.kill()
            await sipp.wait()


@pytest.mark.socket
class TestCalls:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_rings_presses_keys_and_listens(
        self, transport: str, speech: Path, tmp_path: Path
    ) -> None:
        heard = tmp_path / "heard.wav"
        async with Softphone(transport=transport, play=speech) as far:
            uri = f"sip:0810257510@{await far.listening()}"
            async with Softphone(uri, transport=transport, record=heard) as near:
                await near.answered()
                await near.prompt_end()
                await near.keys("42#")
                await near.press("info", "7")
                ended = await near.hang_up()
            await far.ended()
        assert (ended["by"], far.heard("ended")[0]["by"]) == ("us", "them")
        assert [event["key"] for event in far.heard("heard")] == ["4", "2", "#", "7"]
        assert [event["way"] for event in far.heard("heard")] == ["rfc4733"] * 3 + ["info"]
        (sound,), (silence,) = near.heard("sound"), near.heard("silence")
        assert silence["t"] - sound["t"] == pytest.approx(1.2, abs=0.15)
        with wave.open(str(heard)) as recording:
            samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
        assert np.abs(samples.astype(float)).max() > 4000

    async def test_presses_both_ways_at_once_and_in_band(self, tmp_path: Path) -> None:
        async with Softphone() as far:
            async with Softphone(f"sip:x@{await far.listening()}") as near:
                await near.answered()
                await near.press("both", "5")
                await near.press("inband", "9")
                await near.pause(0.8)
                await near.hang_up()
            await far.ended()
        assert sorted((e["key"], e["way"]) for e in far.heard("heard")) == [
            ("5", "info"),
            ("5", "rfc4733"),
        ]
        assert len(far.heard("sound")) == 1, "the tone is heard as sound"

    async def test_holds_and_takes_back(self, speech: Path) -> None:
        async with (
            Softphone() as far,
            Softphone(f"sip:x@{await far.listening()}") as near,
        ):
            await near.answered()
            await near.hold()
            held = await far.event("media", receives=True, sends=False)
            await near.unhold()
            await far.event("media", after=far.events.index(held), receives=True, sends=True)

    async def test_what_fails_is_told_and_the_call_goes_on(self, tmp_path: Path) -> None:
        async with Softphone() as far, Softphone(f"sip:x@{await far.listening()}") as near:
            await near.answered()
            with pytest.raises(SoftphoneError, match="play"):
                await near.say(tmp_path / "nothing.wav")
            await near.keys("1")
            await far.event("heard", key="1")

    async def test_the_far_end_hangs_up(self) -> None:
        async with Softphone() as far, Softphone(f"sip:x@{await far.listening()}") as near:
            await near.answered()
            await far.answered()
            await far.hang_up()
            assert (await near.ended())["by"] == "them"

    async def test_follows_a_transfer(self, tmp_path: Path) -> None:
        async with Softphone() as advisor:
            async with (
                referring_line(await advisor.listening(), tmp_path) as uri,
                Softphone(uri) as phone,
            ):
                transfer = await phone.transfer()
                await phone.event("transferred", status=200)
                ended = await phone.ended()
            await advisor.answered()
        assert transfer["refer_to"].startswith("<sip:advisor@")
        assert transfer["headers"] == {"X-Caf": "751", "X-Reference": "77f0"}
        assert (ended["by"], ended["cause"]) == ("them", "Q.850;cause=16")

    async def test_refuses_a_transfer_when_told_to(self, tmp_path: Path) -> None:
        async with (
            referring_line("127.0.0.1:9", tmp_path) as uri,
            Softphone(uri, refuse_transfer=True) as phone,
        ):
            assert not (await phone.transfer())["taken"]
            await phone.ended()
        assert phone.heard("transferred") == []

    async def test_a_wait_that_fails_tells_the_story_without_a_key(self) -> None:
        async with Softphone() as far, Softphone(f"sip:x@{await far.listening()}") as near:
            await near.answered()
            await near.keys("#*#")
            with pytest.raises(SoftphoneError, match="answered") as failure:
                await near.event("transfer", within=0.1)
        assert "#" not in str(failure.value)

    async def test_nobody_is_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        async with Softphone(f"sip:x@127.0.0.1:{port}", transport="tcp") as phone:
            ended = await phone.ended()
        assert ended["status"] >= 300

    def test_a_bad_address_is_one_line(self) -> None:
        done = run("tel:36460")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "sip:" in done.stderr

    def test_bad_keys_are_one_line_without_the_keys(self) -> None:
        done = run("sip:x@127.0.0.1:9", "--keys", "4821!")
        assert done.returncode == 2
        assert "4821" not in done.stdout + done.stderr

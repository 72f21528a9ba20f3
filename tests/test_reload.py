"""The operator's files taken anew by a server that runs: by real phones, over real sockets."""

import asyncio
import shutil
import signal
import ssl
import wave
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ivr.dialplan.hours import PARIS
from tests.certificates import Authority, Pair
from tests.listening import heard
from tests.running import PROJECT, RunningServer, command, run, running_server, write_config
from tests.softphone import Softphone
from tests.test_registered import Registrar

pytestmark = pytest.mark.socket

LINE = "0810257510"


@pytest.fixture
def folder(prepared: Callable[[Path], None], tmp_path: Path) -> Path:
    """A folder in which a server would start, with dialplans and prompts to change."""
    prepared(tmp_path)
    for name in ("dialplans", "prompts"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    return tmp_path


OWN_FILES = {"dialplans": "dialplans", "prompts": "prompts"}


def record_again(file: Path) -> None:
    """A studio's new recording: a tone that sounds like no voice."""
    samples = (8000 * np.sin(2 * np.pi * 620 * np.arange(2 * 8000) / 8000)).astype("<i2")
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())


def replace_in(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


async def reload(server: RunningServer) -> tuple[int, list[str]]:
    """`ivr reload`: its exit code and what it says."""
    code, out, err = await run(command("ivr"), "reload", "--config", str(server.config))
    assert "Traceback" not in err
    return code, (out + err).splitlines()


async def test_new_calls_get_the_new_flow_and_sound_and_those_inside_keep_theirs(
    folder: Path,
) -> None:
    prompt = Path("prompts") / "fr" / "help_menu.wav"
    old, new = PROJECT / prompt, folder / prompt
    async with running_server(folder, OWN_FILES) as server:
        async with Softphone(server.uri(LINE), record=folder / "inside.wav") as inside:
            await inside.answered()
            record_again(new)
            replace_in(folder / "dialplans" / "caller.yaml", "[help_menu]", "[menu, help_menu]")
            for language in ("fr", "en"):
                catalogue = folder / "prompts" / language / "catalogue.yaml"
                replace_in(catalogue, "help_menu:", "menu: {text: Menu.}\nhelp_menu:")
                shutil.copy(old, folder / "prompts" / language / "menu.wav")
            code, said = await reload(server)
            assert code == 0, said
            await inside.keys("*")
            await inside.pause(3.0)
            await inside.hang_up()
        first = await server.record_number(1)
        async with Softphone(server.uri(LINE), record=folder / "after.wav") as after:
            await after.answered()
            await after.keys("*")
            await after.prompt_end()
            await after.hang_up()
        second = await server.record_number(2)
    assert "help_menu" in first["prompts"]
    assert "menu" not in first["prompts"]
    assert heard(folder / "inside.wav", old)
    assert second["prompts"][second["prompts"].index("menu") + 1] == "help_menu"
    assert heard(folder / "after.wav", new)
    assert first["version"] != second["version"]
    assert said == [f"Version {second['version']} is in force for new calls."]
    assert "Traceback" not in server.log()


async def test_a_change_with_faults_is_refused_whole_with_the_words_of_check(folder: Path) -> None:
    async with running_server(folder, OWN_FILES) as server:
        before = await reload(server)
        replace_in(folder / "dialplans" / "caller.yaml", "next: which_line", "next: wich_line")
        replace_in(folder / "dialplans" / "caller.yaml", "[welcome_paris]", "[goodbye]")
        (folder / "prompts" / "fr" / "goodbye.wav").unlink()
        code, said = await reload(server)
        checked, out, _ = await run(command("ivr"), "check", "--config", str(server.config))
        async with Softphone(server.uri(LINE)) as phone:
            await phone.answered()
            await phone.prompt_end()
            await phone.hang_up()
        record = await server.record_number(1)
    assert (code, checked) == (1, 1)
    assert len(said) == 3
    assert said[:2] == out.splitlines()
    assert "did you mean which_line?" in out
    assert before == (0, [f"Version {record['version']} is in force for new calls."])
    assert said[2] == f"Refused; version {record['version']} stays in force."
    assert record["prompts"][:2] == ["welcome", "welcome_paris"]
    assert all(line in server.log() for line in said[:2])


async def test_what_takes_a_restart_is_named_and_refused(folder: Path) -> None:
    async with running_server(folder) as server:
        write_config(folder, {"sip.port": 5999, "sip.max_calls": 7})
        code, said = await reload(server)
    lines = server.config.read_text(encoding="utf-8").splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.strip() == "port: 5999")
    assert code == 1
    assert said[0] == (
        f"{server.config}:{line}: sip.port: takes a restart; put back what is in force (0), "
        "or restart"
    )


async def test_a_configuration_that_is_none_any_more_reaches_the_server_too(folder: Path) -> None:
    async with running_server(folder) as server:
        server.config.write_text("sip: {prot: 5060}\n", encoding="utf-8")
        code, said = await reload(server)
        assert code == 1
        assert "sip.prot: unknown key" in said[0]
        assert said[0] in server.log()


async def test_a_fault_that_nobody_thought_of_is_told_and_the_next_reload_is_obeyed(
    folder: Path,
) -> None:
    """No file has a name like this, which the system tells otherwise than by an OSError."""
    async with running_server(folder) as server:
        write_config(folder, {"auth.pepper_file": "var/\0"})
        code, said = await reload(server)
        assert code == 1
        assert said[0].startswith("the files: ValueError")
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while server.log().count("reload failed, all stays as it was") < 2:
                await asyncio.sleep(0.05)
        write_config(folder, {})
        server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while "files taken" not in server.log():
                await asyncio.sleep(0.05)


async def test_without_a_server_reload_says_so(folder: Path) -> None:
    config = write_config(folder)
    code, out, err = await run(command("ivr"), "reload", "--config", str(config))
    assert (code, out) == (2, "")
    assert err.startswith(f"no server runs with {config}")
    assert len(err.splitlines()) == 1


async def test_a_second_server_leaves_the_first_its_control(folder: Path) -> None:
    async with running_server(folder) as server:
        code, _, err = await run(command("ivr"), "serve", "--config", str(server.config))
        assert code == 2
        assert err.startswith("control: cannot listen on")
        assert (await reload(server))[0] == 0


async def test_by_sighup_a_trunk_comes_and_one_goes_but_its_calls_stay(folder: Path) -> None:
    async with running_server(folder) as server:
        async with Softphone(server.uri(LINE)) as inside:
            await inside.answered()
            write_config(folder, {"sip.trunks": ["198.51.100.0/24"]})
            server.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(10):
                while "files taken" not in server.log():
                    await asyncio.sleep(0.05)
            async with Softphone(server.uri(LINE)) as stranger:
                assert (await stranger.ended())["status"] == 403
            await inside.keys("*")
            await inside.prompt_end()
            await inside.hang_up()
        record = await server.record_number(1)
        assert record["end_reason"] == "hung_up"
        assert "help_menu" in record["prompts"]
        write_config(folder, {"lines": [{"number": "1"}], "sip.max_calls": 1})
        assert (await reload(server))[0] == 0
        async with Softphone(server.uri(LINE)) as phone:
            assert (await phone.ended())["status"] == 404
        async with Softphone(server.uri("1")) as phone:
            await phone.answered()
            async with Softphone(server.uri("1")) as second:
                assert (await second.ended())["status"] == 503
            await phone.hang_up()


async def keys_the_code(server: RunningServer) -> None:
    """A call of somebody with a right 4-digit code."""
    async with Softphone(server.uri(LINE)) as phone:
        await phone.answered()
        await phone.keys("01234564821#")
        await phone.pause(2.0)
        await phone.hang_up()


async def test_rules_of_the_core_are_taken_for_new_calls(folder: Path) -> None:
    """The era of the 4-digit codes ends with a reload; until it, none has ended."""
    async with running_server(folder) as server:
        await keys_the_code(server)
        write_config(folder, {"auth.pin_until": "2020-01-01"})
        assert (await reload(server))[0] == 0
        await keys_the_code(server)
        records = [await server.record_number(1), await server.record_number(2)]
    assert [record["authenticated"] for record in records] == ["pin", None]
    assert "expired_pin" in records[1]["prompts"]
    assert "Traceback" not in server.log()


async def asks_for_an_advisor(server: RunningServer) -> None:
    """A call of somebody who comes in and presses 0."""
    async with Softphone(server.uri(LINE)) as phone:
        await phone.answered()
        await phone.keys("01234564821#")
        await phone.pause(2.0)
        await phone.keys("0")
        await phone.pause(2.0)
        await phone.hang_up()


async def test_hours_are_taken_for_new_calls(folder: Path) -> None:
    line = {"number": LINE, "caf": "751"}
    today = datetime.now(PARIS).date()
    closed = {"mon-sun": "00:00-24:00", "closed": [str(today), str(today + timedelta(days=1))]}
    async with running_server(folder, {"lines": [line]}) as server:  # without hours: always open
        await asks_for_an_advisor(server)
        write_config(folder, {"lines": [{**line, "hours": closed}]})
        assert (await reload(server))[0] == 0
        await asks_for_an_advisor(server)
        records = [await server.record_number(1), await server.record_number(2)]
    assert ["advisor_closed" in record["prompts"] for record in records] == [False, True]
    assert "advisor_unavailable" in records[0]["prompts"]  # open, and the line names nobody


async def test_a_registration_is_taken_back_and_another_comes(folder: Path) -> None:
    (folder / "pbx.password").write_text("correct horse", encoding="utf-8")
    loop = asyncio.get_running_loop()
    transport, registrar = await loop.create_datagram_endpoint(Registrar, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]

    def trunk(user: str) -> dict[str, object]:
        register = {
            "registrar": f"sip:127.0.0.1:{port}",
            "user": user,
            "password_file": "pbx.password",
            "line": LINE,
        }
        return {"name": "pbx", "networks": ["127.0.0.0/8"], "register": register}

    async with asyncio.timeout(60), running_server(folder, {"sip.trunks": [trunk("a")]}) as server:
        granted = [await registrar.granted.get()]
        for change in ([trunk("b")], [trunk("b")], ["127.0.0.0/8"]):
            write_config(folder, {"sip.trunks": change})
            assert (await reload(server))[0] == 0
        granted += [await registrar.granted.get() for _ in range(3)]
        state = await server.state()
    assert state["dropped"] == {}
    users = [request.headers.get("from").partition("@")[0] for request in granted]
    assert users == ["<sip:a", "<sip:a", "<sip:b", "<sip:b"]
    assert [request.headers.get("expires") == "0" for request in granted] == [
        False,
        True,
        False,
        True,
    ]
    transport.close()


async def test_a_password_that_is_gone_refuses_the_change(folder: Path) -> None:
    users = [{"user": "branch", "password_file": "branch.password"}]
    async with running_server(folder) as server:
        write_config(folder, {"sip.trunks": [{"name": "branches", "digest": {"users": users}}]})
        code, said = await reload(server)
        assert code == 1
        assert ": sip.trunks.0: the password of branch: cannot read" in said[0]
        async with Softphone(server.uri(LINE)) as phone:
            await phone.answered()
            await phone.hang_up()
    assert yaml.safe_load(server.config.read_text(encoding="utf-8"))["sip"]["trunks"]


async def shown(server: RunningServer) -> str:
    """The certificate that a client who connects just now sees, PEM."""
    place = ("127.0.0.1", server.tls_port)
    return await asyncio.to_thread(ssl.get_server_certificate, place, timeout=10)


def in_pem(pair: Pair) -> str:
    return pair.certificate.read_text(encoding="ascii")


def believing(authority: Authority) -> dict[str, Any]:
    """What a phone is made with that speaks TLS with whom `authority` has signed."""
    return {"transport": "tls", "more": ["--tls-authorities", str(authority.file)]}


async def test_a_certificate_of_another_path_is_shown_and_calls_go_on(folder: Path) -> None:
    """Of another authority too: who calls afterwards believes that one alone."""
    old, new = Authority(folder, "old"), Authority(folder, "new")
    first, second = old.sign("first.example"), new.sign("second.example")

    def showing(certificate: Path, key: Path) -> dict[str, Any]:
        tls = {"port": 0, "certificate": str(certificate), "key": str(key)}
        return {"sip.transports": ["tls"], "sip.tls": tls}

    async with running_server(folder, showing(first.certificate, first.key)) as server:
        assert await shown(server) == in_pem(first)
        async with Softphone(server.uri(LINE, "tls"), **believing(old)) as inside:
            await inside.answered()
            write_config(folder, showing(second.certificate, first.key))
            code, said = await reload(server)
            assert code == 1
            assert f"sip.tls.key: {first.key}: not the key of {second.certificate}" in said[0]
            assert await shown(server) == in_pem(first)
            write_config(folder, showing(second.certificate, second.key))
            assert (await reload(server))[0] == 0
            assert await shown(server) == in_pem(second)
            async with Softphone(server.uri(LINE, "tls"), **believing(new)) as after:
                await after.answered()
                await after.hang_up()
            await inside.keys("*")
            await inside.pause(1.0)
            await inside.hang_up()
        newcomer, stayed = await server.record_number(1), await server.record_number(2)
        first.certificate.unlink()
        renewed = new.sign("second.example")  # over the files of the new path
        assert await shown(server) == in_pem(renewed)
    assert [call["end_reason"] for call in (newcomer, stayed)] == ["hung_up", "hung_up"]
    assert "help_menu" in stayed["prompts"]
    assert stayed["rtp"]["received"] > 0
    assert "Traceback" not in server.log()

"""The console of a server that is up, while a real phone is on the line."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ivr.users import hashed
from tests.console.conftest import PASSWORD, act, log_in
from tests.console.operating import operated
from tests.running import command, run, write_config
from tests.softphone import Softphone

Prepared = Callable[[Path], None]
pytestmark = pytest.mark.socket


async def shown(anna: httpx.AsyncClient, path: str, text: str) -> str:
    """A page, once it shows `text`."""
    async with asyncio.timeout(20):
        while text not in (html := (await anna.get(path)).text):
            await asyncio.sleep(0.1)
    return html


async def test_a_call_is_seen_heard_and_hung_up(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    async with operated(tmp_path) as (server, anna):
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.keys("0123456")
            html = await shown(anna, "/", "ask_secret")
            await phone.keys("4821#")
            html = await shown(anna, "/", "legacy code")
            html = await shown(anna, "/", 'class="mos good"')
            for part in ("0810257510", "private", "pcma"):
                assert part in html
            found = re.search(r'href="(/call\?id=[^"]+)"', html)
            assert found
            page = (await anna.get(found[1])).text
            assert "Caf 751" in page
            version = re.search("<dd>([0-9a-f]{8})</dd>", page)
            assert version, page
            assert "0.0\u202f%" in page
            call = re.search(r'name="call" value="([^"]+)"', page)
            assert call
            answer = await act(anna, found[1], "/call/hang-up", call=call[1])
            assert answer.headers["location"] == "/?said=hung_up"
            await phone.ended()
        record = await server.record_number(1)
        today = await shown(anna, "/today", "Stopped by us")
        assert version[1] == record["version"]
        assert "In with the legacy code</th><td>1</td>" in today
        records = (await anna.get("/records")).text
        log = server.log()
    assert (record["end_reason"], record["authenticated"]) == ("stopped", "pin")
    assert record["plan"] == "caller"
    assert record["node"]
    assert record["call_id"] in records
    assert "console hung up a call" in log
    for canary in ("4821", "0123456"):
        assert canary not in html + page + today + records + log


async def test_draining_refuses_new_calls_and_is_taken_back(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with operated(tmp_path) as (server, anna):
        await act(anna, "/", "/drain", draining="yes")
        assert "this server drains" in (await anna.get("/")).text
        async with Softphone(server.uri("0810257510")) as phone:
            assert (await phone.ended())["status"] == 503
        await act(anna, "/", "/drain", draining="no")
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
        records = await shown(anna, "/records", "Draining")
        assert "Draining" in records


async def test_what_changes_is_told_as_it_changes(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    async with operated(tmp_path) as (server, anna):
        async with (
            asyncio.timeout(30),
            anna.stream("GET", "/", headers={"Accept": "text/event-stream"}) as stream,
            Softphone(server.uri("0810257510")) as phone,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            first = json.loads((await anext(lines)).removeprefix("data: "))
            assert set(first) == {"live_totals", "live_calls", "live_drain"}
            await phone.answered()
            async for line in lines:
                if "0810257510" in line:
                    news = json.loads(line.removeprefix("data: "))
                    break
            assert "live_drain" not in news, "what did not change is not sent"
        for path in ("/flow", "/today", "/trunks", "/workers", "/outbox", "/health"):
            assert (await anna.get(path)).status_code == 200
        health = (await anna.get("/health")).text
    assert "New calls" in health
    assert 'class="badge bad"' not in health


async def test_a_reload_takes_users_and_lets_those_go_who_are_no_more(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with operated(tmp_path) as (server, anna):
        otto = {"name": "otto", "role": "viewer", "password": hashed(PASSWORD)}
        write_config(tmp_path, {"console.users": [otto]})
        code, out, err = await run(command("ivr"), "reload", "--config", str(server.config))
        assert code == 0, out + err
        assert (await anna.get("/")).status_code == 303
        assert (await log_in(anna)).status_code == 401
        assert (await log_in(anna, "otto")).status_code == 303


async def test_a_restart_goes_on_with_today(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    async with operated(tmp_path) as (server, _), Softphone(server.uri("0810257510")) as phone:
        await phone.answered()
        await phone.hang_up()
        await server.record_number(1)
    async with operated(tmp_path) as (_, anna):
        assert "Caller hung up</th><td>1</td>" in (await anna.get("/today")).text

"""The console of a server that is up, while a real phone is on the line."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from ivr.users import hashed
from tests.auth_core.conftest import digits_of_8
from tests.auth_core.delivery.conftest import HttpStub, pdf_text
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


def card(page: str, name: str) -> str:
    """What the card `name` of a page tells, without its mark-up."""
    found = re.search(rf'<section class="card" aria-label="{name}">(.*?)</section>', page, re.S)
    assert found, page
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def check(page: str, name: str) -> tuple[str, str]:
    """The verdict and the figure of a line of the health page."""
    line = rf'<li class="(\w+)">(?:(?!</li>).)*<b>{name}</b> <span class="figure">([^<]+)</span>'
    found = re.search(line, page, re.S)
    assert found, page
    return found[1], found[2]


async def workers_with(anna: httpx.AsyncClient, calls: int) -> list[str]:
    """The cards of two workers, once both together tell of so many calls, each with its pair of
    ports: they are looked at once a second."""
    async with asyncio.timeout(20):
        while True:
            page = (await anna.get("/workers")).text
            cards = [card(page, f"Worker {n}") for n in (0, 1)]
            both = " ".join(cards)
            figures = re.findall(r"busy (\d+) calls .*?Pairs of ports in use (\d+)", both)
            if [sum(map(int, each)) for each in zip(*figures, strict=True)] == [calls, calls]:
                return cards
            await asyncio.sleep(0.1)


async def test_trunks_workers_and_health_count_the_call_that_is_up(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    trunks = [
        {"name": "carrier", "networks": ["127.0.0.1/32"], "max_calls": 7, "max_cps": 3},
        {"name": "elsewhere", "networks": ["198.51.100.0/24"], "trusted": True},
    ]
    changes = {"sip.trunks": trunks, "sip.max_calls": 1, "media.workers": 2}
    async with operated(tmp_path, changes) as (server, anna):
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            page = (await anna.get("/trunks")).text
            carrier, elsewhere = card(page, "carrier"), card(page, "elsewhere")
            workers = await workers_with(anna, 1)
            health = (await anna.get("/health")).text
            await phone.hang_up()
        await server.record_number(1)
        await workers_with(anna, 0)
        after = card((await anna.get("/trunks")).text, "carrier")
        quiet = (await anna.get("/health")).text
        await act(anna, "/", "/drain", draining="yes")
        draining = (await anna.get("/health")).text
    assert carrier.startswith("carrier 1 / 7 calls")
    assert "Networks 127.0.0.1/32" in carrier
    assert "New calls a second 3 Trusted no" in carrier
    assert elsewhere.startswith("elsewhere 0 calls")
    assert "New calls a second no limit of its own Trusted yes" in elsewhere
    assert after.startswith("carrier 0 / 7 calls")
    for pid in server.ready["media_workers"]:
        assert len([each for each in workers if f"Process {pid} " in each]) == 1
    assert check(health, "New calls") == ("worrying", "1 / 1")
    assert check(quiet, "New calls") == ("good", "0 / 1")
    assert check(draining, "New calls") == ("bad", "0 / 1")
    assert check(health, "Media workers") == ("good", "2 / 2")
    assert check(health, "Dead messages") == ("good", "0")


@asynccontextmanager
async def refusing_gateway() -> AsyncIterator[HttpStub]:
    """A gateway of text messages that takes none."""
    stub = HttpStub(statuses=[422] * 20)
    listener = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.port = listener.sockets[0].getsockname()[1]
    yield stub
    listener.close()


def cell(page: str, state: str) -> tuple[int, int]:
    """How many text messages and letters are in a state."""
    found = re.search(
        rf'<th scope="row">{state}</th><td class="number">(\d+)</td><td class="number">(\d+)</td>',
        page,
    )
    assert found, page
    return int(found[1]), int(found[2])


async def test_a_dead_message_is_sent_again_by_a_button(prepared: Prepared, tmp_path: Path) -> None:
    """It is listed while nobody knows where to write to. Once the address is on file, its button
    makes it a letter, with another secret than the one that did not arrive."""
    prepared(tmp_path)
    database = tmp_path / "var" / "auth.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        addresses = connection.execute("SELECT * FROM addresses").fetchall()
        connection.execute("DELETE FROM addresses")
    async with refusing_gateway() as gateway:
        sms = {"url": gateway.url, "refusals": [422], "timeout": 5}
        changes = {"delivery.poll": 0.2, "delivery.sms": sms}
        async with operated(tmp_path, changes) as (server, anna):
            code, _, err = await run(
                *(command("auth-core"), "lost-password", "--config", str(server.config)),
                *("--caf", "751", "--matricule", "0123456", "--by", "sms"),
                stdin="1403\n",
            )
            assert code == 0, err
            page = await shown(anna, "/outbox", "/outbox/retry")
            (message,) = re.findall(r'name="message" value="(\w+)"', page)
            assert cell(page, "Dead") == (1, 0)
            health = (await anna.get("/health")).text

            async def send_again() -> str:
                answer = await act(anna, "/outbox", "/outbox/retry", message=message)
                return answer.headers["location"]

            assert await send_again() == "/outbox?said=not_retried"
            assert message in (await anna.get("/outbox")).text
            with closing(sqlite3.connect(database)) as connection, connection:
                holes = ", ".join("?" * len(addresses[0]))
                connection.executemany(f"INSERT INTO addresses VALUES ({holes})", addresses)
            assert await send_again() == "/outbox?said=retried"
            assert await send_again() == "/outbox?said=not_retried", "it has gone"
            async with asyncio.timeout(20):
                while cell(page := (await anna.get("/outbox")).text, "Sent") != (0, 1):
                    await asyncio.sleep(0.1)
            well = (await anna.get("/health")).text
        log = server.log()
    (letter,) = (tmp_path / "var" / "outbox" / "letters").glob("secrets/*/*.pdf")
    text = pdf_text(letter.read_bytes())
    ((_, refused),) = gateway.requests
    lost, new = digits_of_8(json.loads(refused)["text"]), digits_of_8(text)
    assert "CAMILLE MOREAU" in text
    assert new != lost
    assert "None: everything has left" in page
    assert (cell(page, "Dead"), cell(page, "Superseded")) == ((0, 0), (1, 0))
    assert check(health, "Dead messages") == ("worrying", "1")
    assert check(well, "Dead messages") == ("good", "0")
    assert "console retried a message" in log
    for canary in (lost, new, "39980123"):
        assert canary not in page + log

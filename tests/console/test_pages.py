"""What the pages show, in both languages, and what their buttons do."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ivr.console.desk import NAV
from ivr.console.now import SHOWN
from ivr.console.texts import LANGUAGES, Language, language_of, words
from ivr.records import EndReason
from tests.console.conftest import act, log_in, visiting
from tests.console.staged import StagedServer, staged_calls

ACTS = [
    ("/call?id=dialog-3", "/call/hang-up", {"call": "dialog-3"}),
    ("/", "/drain", {"draining": "yes"}),
    ("/outbox", "/outbox/retry", {"message": "5f0c"}),
]


@pytest.fixture
async def anna(visitor: httpx.AsyncClient) -> httpx.AsyncClient:
    await log_in(visitor)
    return visitor


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", [*(path for path, _ in NAV), "/call?id=dialog-3"])
async def test_every_page_speaks_both_languages(
    app: FastAPI, language: Language, path: str
) -> None:
    async with visiting(app, language) as client:
        await log_in(client)
        answer = await client.get(path)
    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.text
    for _, key in NAV:
        assert f">{words(language)[f'page_{key}']}</a>" in answer.text


@pytest.mark.parametrize(
    ("language", "words", "others"),
    [
        ("fr", ("interroge l’appelant", "sans issue", "sinon"), ("asks the caller", "dead end")),
        ("en", ("asks the caller", "dead end", "else"), ("interroge l’appelant", "sans issue")),
    ],
)
async def test_the_flow_is_drawn_in_the_visitors_language(
    anna: httpx.AsyncClient, language: str, words: tuple[str, ...], others: tuple[str, ...]
) -> None:
    html = (await anna.get(f"/flow?lang={language}")).text
    assert [each for each in words if f">{each}</text>" not in html] == []
    assert [each for each in others if each in html] == []


def test_both_languages_have_the_same_texts() -> None:
    french, english = words("fr"), words("en")
    assert french.keys() == english.keys()
    for key, text in french.items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", english[key]), key
    assert {f"end_{reason.value}" for reason in EndReason} <= french.keys()


@pytest.mark.parametrize(
    ("chosen", "asked", "spoken"),
    [
        (None, "fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "de-DE,en;q=0.5", "en"),
        ("en", "fr-FR", "en"),
        ("xx", "", "fr"),
        (None, "," * 10_000, "fr"),
    ],
)
def test_a_visitor_is_spoken_to_as_they_wish(chosen: str | None, asked: str, spoken: str) -> None:
    assert language_of(chosen, asked) == spoken


async def test_a_chosen_language_is_remembered(anna: httpx.AsyncClient) -> None:
    await anna.get("/?lang=fr")
    assert '<html lang="fr">' in (await anna.get("/health")).text


async def test_calls_are_shown_with_how_they_sound_and_where_they_are(
    anna: httpx.AsyncClient, staged: StagedServer
) -> None:
    html = (await anna.get("/")).text
    assert "<b>23</b> calls" in html
    row = _row(html, "call-dialog-2")
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row))
    seen = ("0810292929", "0612342****", "operator", "pcmu", "provisional", "1.2 %", "4 ms")
    assert [part for part in seen if part not in shown] == []
    assert "withheld" in _row(html, "call-dialog-5")


def _row(html: str, row: str) -> str:
    found = re.search(rf'<tr id="{row}">.*?</tr>', html, re.DOTALL)
    assert found
    return found[0]


async def test_calls_are_filtered_and_come_page_by_page(
    anna: httpx.AsyncClient, staged: StagedServer
) -> None:
    staged._calls = staged_calls(1000, staged.now)
    html = (await anna.get("/")).text
    assert html.count('<tr id="call-') == SHOWN
    assert "1 of 20" in html
    assert (await anna.get("/?page=20")).text.count('<tr id="call-') == SHOWN
    for wrong in ("0", "99", "x", "-1", "9" * 5000):
        assert (await anna.get(f"/?page={wrong}")).status_code == 200
    html = (await anna.get("/?node=help&line=0810257510")).text
    wanted = [c for c in staged.calls() if c.node == "help" and c.line == "0810257510"]
    assert html.count('<tr id="call-') == len(wanted) > 0


async def test_a_call_that_is_over_is_told_so(anna: httpx.AsyncClient) -> None:
    assert (await anna.get("/call?id=none")).status_code == 404
    answer = await act(anna, "/", "/call/hang-up", call="none")
    assert "over already" in (await anna.get(answer.headers["location"])).text


async def test_an_operator_hangs_up_drains_and_retries(
    anna: httpx.AsyncClient, staged: StagedServer
) -> None:
    for page, action, fields in ACTS:
        assert (await act(anna, page, action, **fields)).status_code == 303
    assert staged.hung_up == ["dialog-3"]
    assert staged.retried == [("5f0c", "anna")]
    assert staged.draining
    assert "No new call is taken: this server drains." in (await anna.get("/")).text
    await act(anna, "/", "/drain", draining="no")
    assert not staged.draining


async def test_a_viewer_sees_all_and_changes_nothing(
    visitor: httpx.AsyncClient, staged: StagedServer
) -> None:
    await log_in(visitor, "otto")
    for page, action, fields in ACTS:
        html = (await visitor.get(page)).text
        assert action not in html
        assert (await act(visitor, page, action, **fields)).status_code == 403
    assert not staged.hung_up
    assert not staged.retried
    assert not staged.draining


async def test_today_is_counted_and_drawn(anna: httpx.AsyncClient, staged: StagedServer) -> None:
    html = (await anna.get("/today")).text
    tally = staged.day.tally
    for figure in (sum(tally.calls), sum(tally.answered), sum(tally.authenticated)):
        assert f"<dd>{figure}</dd>" in html
    assert '<svg class="plot"' in html
    assert 'role="img" aria-label="Calls by the hour"' in html
    assert "Refused: file locked</th><td>6</td>" in html
    for name, figure in (
        ("To an advisor", tally.by_reason["transferred"]),
        ("Lost password asked", tally.lost_passwords),
        ("Left before", sum(tally.left)),
    ):
        assert figure > 0
        assert f"<dt>{name}</dt><dd>{figure}</dd>" in html
    assert "Failed</th><td>57</td>" in html
    for (_, node), figure in tally.abandoned.items():
        assert f'<th scope="row">{node}</th><td>{figure}</td>' in html
    within = tally.answered_within(0.95)
    assert within is not None
    assert f"≤ {within:.2f} s" in html


async def test_records_are_filtered_and_come_as_csv(anna: httpx.AsyncClient) -> None:
    html = (await anna.get("/records?end_reason=transferred&line=0810257510")).text
    assert "To an advisor" in html
    text = (await anna.get("/records.csv?end_reason=transferred&line=0810257510")).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows
    assert {(row["end_reason"], row["line"]) for row in rows} == {("transferred", "0810257510")}
    everything = list(csv.DictReader(io.StringIO((await anna.get("/records.csv")).text)))
    assert len(everything) == 120
    assert everything[0]["call_id"] == "00000077@203.0.113.10"


async def test_records_go_on_page_by_page_to_the_first(anna: httpx.AsyncClient) -> None:
    path, seen = "/records", []
    while path:
        html = (await anna.get(path)).text
        seen += re.findall(r'title="(\w+)@', html)
        older = re.search(r'href="(/records\?before=\d+)"', html)
        path = older[1] if older else ""
    assert seen == [f"{n:08x}" for n in reversed(range(120))]


async def test_a_cell_that_a_spreadsheet_would_run_is_quoted(
    anna: httpx.AsyncClient, staged: StagedServer
) -> None:
    with staged.records.open("a", encoding="utf-8") as file:
        file.write('{"call_id": "=HYPERLINK(0)"}\n')
    rows = list(csv.DictReader(io.StringIO((await anna.get("/records.csv")).text)))
    assert rows[0]["call_id"] == "'=HYPERLINK(0)"


async def test_a_peers_text_is_text(anna: httpx.AsyncClient, staged: StagedServer) -> None:
    calls = staged_calls(1, staged.now)
    staged._calls = [replace(calls[0], call_id="<script>alert(1)</script>")]
    html = (await anna.get("/call?id=dialog-0")).text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


async def test_without_records_and_without_users(
    visitor: httpx.AsyncClient, staged: StagedServer, tmp_path: Path
) -> None:
    await log_in(visitor)
    staged.records = tmp_path / "none.jsonl"
    assert "No such record" in (await visitor.get("/records")).text
    staged.users = []
    assert "ivr console user NAME" in (await visitor.get("/login")).text

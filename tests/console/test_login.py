"""Who gets in, who does not, and what a stranger's page could do."""

import asyncio
import re

import httpx
import pytest
from structlog.testing import capture_logs

from ivr.console.access import SESSION_SECONDS, Guesses
from ivr.console.app import create_app
from ivr.console.desk import NAV, Desk
from ivr.users import Role
from tests.console.conftest import PASSWORD, Clock, act, form_key, log_in, visiting
from tests.console.staged import StagedServer

PAGES = [path for path, _ in NAV]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_for_users(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


async def test_live_parts_and_csv_are_for_users(visitor: httpx.AsyncClient) -> None:
    stream = await visitor.get("/", headers={"Accept": "text/event-stream"})
    assert stream.status_code == 303
    assert (await visitor.get("/records.csv")).status_code == 303


async def test_the_right_password_lets_in_and_leads_on(visitor: httpx.AsyncClient) -> None:
    asked = await visitor.get("/health")
    assert asked.headers["location"] == "/login?next=/health"
    answer = await log_in(visitor, following="/health")
    assert (answer.status_code, answer.headers["location"]) == (303, "/health")
    assert "<h1>Health</h1>" in (await visitor.get("/health")).text


@pytest.mark.parametrize(
    ("name", "password"), [("anna", "wrong horse battery"), ("nobody", PASSWORD), ("anna", "")]
)
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    visitor: httpx.AsyncClient, name: str, password: str
) -> None:
    answer = await log_in(visitor, name, password)
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert (await visitor.get("/")).status_code == 303


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_a_login_leads_nobody_away(visitor: httpx.AsyncClient, place: str) -> None:
    assert (await log_in(visitor, following=place)).headers["location"] == "/"


async def test_too_many_tries_wait_even_with_the_right_password(
    visitor: httpx.AsyncClient, clock: Clock
) -> None:
    for _ in range(5):
        assert (await log_in(visitor, password="wrong horse battery")).status_code == 401
    answer = await log_in(visitor)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    clock.now += 901
    assert (await log_in(visitor)).status_code == 303


async def test_tries_side_by_side_gain_nothing(visitor: httpx.AsyncClient) -> None:
    key = await form_key(visitor, "/login")
    fields = {"name": "anna", "password": "wrong horse battery", "form_key": key}
    answers = await asyncio.gather(*(visitor.post("/login", data=fields) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


def test_a_memory_of_failures_is_bounded() -> None:
    guesses = Guesses(allowed=5, seconds=900)
    for n in range(20_000):
        guesses.fail(f"address {n}", 0.0)
    assert guesses.wait("address 19999", 0.0) == 0
    assert len(guesses._failures) == 10_000


async def test_what_was_typed_is_never_logged(visitor: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await log_in(visitor, name="canary-8142", password="canary-8142")
        await log_in(visitor)
    assert [line["event"] for line in logs] == ["console login refused", "console login"]
    assert "canary" not in repr(logs)
    assert PASSWORD not in repr(logs)


async def test_a_session_ends_by_itself_and_by_logging_out(
    visitor: httpx.AsyncClient, clock: Clock
) -> None:
    await log_in(visitor)
    clock.now += SESSION_SECONDS - 1
    assert (await visitor.get("/")).status_code == 200
    clock.now += 1
    assert (await visitor.get("/")).status_code == 303
    await log_in(visitor)
    kept = visitor.cookies["console"]
    assert (await act(visitor, "/", "/logout")).status_code == 303
    visitor.cookies.set("console", kept)
    assert (await visitor.get("/")).status_code == 303


async def test_a_login_changes_the_token_and_scripts_cannot_read_it(
    visitor: httpx.AsyncClient, desk: Desk
) -> None:
    first = (await visitor.get("/login")).headers["set-cookie"]
    second = (await log_in(visitor)).headers["set-cookie"]
    tokens = [re.search("console=([^;]+)", each) for each in (first, second)]
    assert tokens[0]
    assert tokens[1]
    assert tokens[0][1] != tokens[1][1]
    for each in (first, second):
        assert "HttpOnly" in each
        assert "SameSite=strict" in each
    assert tokens[1][1] not in repr(vars(desk.sessions))


async def test_who_is_taken_out_of_the_file_is_out(
    visitor: httpx.AsyncClient, staged: StagedServer
) -> None:
    await log_in(visitor)
    other = staged.users[1].password
    for change in ({"role": Role.VIEWER}, {"password": other}, {"name": "anne"}):
        kept, changed = staged.users, staged.users[0].model_copy(update=change)
        if changed != kept[0]:
            staged.users = [changed, kept[1]]
            assert (await visitor.get("/")).status_code == 303
            staged.users = kept
    assert (await visitor.get("/")).status_code == 200


async def test_behind_tls_cookies_go_by_nothing_else(staged: StagedServer) -> None:
    async with visiting(create_app(Desk(staged, behind_tls=True))) as client:
        assert "; Secure" in (await client.get("/login")).headers["set-cookie"]


@pytest.mark.parametrize(
    "action", ["/login", "/logout", "/drain", "/call/hang-up", "/outbox/retry"]
)
async def test_a_form_of_another_site_does_nothing(
    visitor: httpx.AsyncClient, desk: Desk, action: str
) -> None:
    await log_in(visitor)
    fields = {"draining": "yes", "call": "dialog-1", "message": "5f0c"}
    for key in ({}, {"form_key": "0" * 64}, {"form_key": desk.sessions.form_key("another")}):
        assert (await visitor.post(action, data={**fields, **key})).status_code == 403
    assert not desk.operated.draining
    assert (await visitor.get("/")).status_code == 200


async def test_a_form_too_long_is_not_read(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/login", data={"name": "a" * 10_000})
    assert answer.status_code == 413


async def test_every_answer_tells_the_browser_what_it_may_do(visitor: httpx.AsyncClient) -> None:
    await log_in(visitor)
    for path in (*PAGES, "/login", "/nowhere", "/records.csv", "/static/console.css"):
        headers = (await visitor.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        if not path.startswith("/static"):
            assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [*PAGES, "/call?id=dialog-1", "/nowhere"])
async def test_no_page_has_a_script_a_style_or_anything_of_another_site(
    visitor: httpx.AsyncClient, path: str
) -> None:
    await log_in(visitor)
    html = (await visitor.get(path)).text
    assert re.findall(r"<script[^>]*>", html) == ['<script src="/static/console.js" defer>']
    assert "<style" not in html
    assert not re.search(r'\s(style|on\w+)="', html)
    for link in re.findall(r'(?:href|src|action)="([^"]*)"', html):
        assert link.startswith(("/", "?", "#"))
        assert not link.startswith("//")

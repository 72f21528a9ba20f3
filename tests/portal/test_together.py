"""One allowance and one secret for all channels, used at the same time: the web, the app, the
telephone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from auth_core import AuthService, Identity
from auth_core.settings import load_settings
from ivr.dialplan.interpreter import Run
from ivr.dialplan.phone import Collected, Entry
from tests.auth_core.conftest import (  # noqa: F401 - fixtures
    PIN_HOLDER,
    WEB,
    cluster,
    demo_template,
    is_in,
    judgements,
)
from tests.dialplan.fake_phone import Act, Caller, FakePhone
from tests.dialplan.test_journeys import PARIS, PLAN, in_order, live
from tests.portal import people
from tests.portal.api.asking import BENALI, MOREAU, Asking, problem
from tests.portal.api.conftest import asking, http  # noqa: F401 - fixtures
from tests.portal.browser import Page
from tests.portal.conftest import MakeBrowser
from tests.running import running_portal, write_config

HEAR = Act.LISTEN
STRANGER = replace(PARIS, caller="+33199001122")
BOTH_DATABASES = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])


async def failures(core: AuthService) -> int:
    return (await core.show(PIN_HOLDER, "tester")).failures


async def web_guess(browsers: MakeBrowser, number: int) -> Page:
    browser = browsers(f"203.0.113.{number}")
    return await people.log_in(browser, people.PIN, secret=f"{5000 + number}")


@BOTH_DATABASES
async def test_of_fifty_guesses_at_once_on_three_channels_five_are_judged(
    core: AuthService,
    browsers: MakeBrowser,
    asking: Asking,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged = judgements(core, monkeypatch)
    pages, answers, calls = await asyncio.gather(
        asyncio.gather(*(web_guess(browsers, number) for number in range(17))),
        asyncio.gather(*(asking.log_in(MOREAU, f"{6000 + number}") for number in range(17))),
        asyncio.gather(
            *(live(core, "0123456", HEAR, f"{7000 + n}#", context=STRANGER) for n in range(16))
        ),
    )
    assert len(judged) == 5
    assert await failures(core) == 5
    assert {page.path for page in pages} == {"/"}
    assert {problem(answer) for answer in answers} == {(401, "refused")}
    assert {facts.authenticated for _, facts in calls} == {None}
    assert not await is_in(core, PIN_HOLDER, "4821", WEB), "it is locked"


@pytest.mark.socket
async def test_fifty_at_once_on_two_processes_get_five(
    tmp_path: Path, prepared: Callable[[Path], None]
) -> None:
    """The portal in a process of its own; calls in this one, on the same database."""
    prepared(tmp_path)
    config = write_config(tmp_path)
    core = await AuthService.open(load_settings(config))
    limits = httpx.Limits(max_connections=25)
    async with (
        running_portal(tmp_path) as portal,
        httpx.AsyncClient(base_url=portal.address, limits=limits, timeout=60) as client,
    ):
        app = Asking(client)
        answers, calls = await asyncio.gather(
            asyncio.gather(*(app.log_in(MOREAU, f"{6000 + number}") for number in range(25))),
            asyncio.gather(
                *(live(core, "0123456", HEAR, f"{7000 + n}#", context=STRANGER) for n in range(25))
            ),
        )
        assert {problem(answer) for answer in answers} == {(401, "refused")}
        assert {facts.authenticated for _, facts in calls} == {None}
        assert await failures(core) == 5
        assert problem(await app.log_in(MOREAU, "4821")) == (401, "refused")
    await core.close()


@dataclass
class InterruptedPhone(FakePhone):
    """Something happens elsewhere while the caller hears the main menu for the first time."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def collect(self, prompts: Sequence[str], entry: Entry) -> Collected:
        if "main_menu" in prompts and self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            await act()
        return await super().collect(prompts, entry)


@BOTH_DATABASES
async def test_two_browsers_a_token_and_a_call_end_when_the_secret_changes(
    core: AuthService,
    browsers: MakeBrowser,
    asking: Asking,  # noqa: F811
) -> None:
    changing, other = browsers("203.0.113.1"), browsers("203.0.113.2")
    for browser in (changing, other):
        assert (await people.log_in(browser, people.PASSWORD)).path == "/mon-compte"
    app = await asking.in_as(BENALI, people.PASSWORD.secret)

    async def change() -> None:
        page = await changing.get("/mot-de-passe/changer")
        page = await changing.press(
            page,
            "/mot-de-passe/changer",
            "Changer mon mot de passe",
            present__keys=page.keys(people.PASSWORD.secret),
            new__keys=page.keys(people.NEW),
            again__keys=page.keys(people.NEW),
        )
        assert page.path == "/mon-compte", "who changed it stays in"

    keys = Caller.keying("0234567", HEAR, people.PASSWORD.secret, HEAR, HEAR, HEAR, "1", HEAR)
    phone = InterruptedPhone(keys, meanwhile=change)
    await Run(PLAN, phone, core, STRANGER).run()
    assert in_order(phone.heard, "main_menu", "signed_out", "ask_matricule")
    assert (await other.get("/mon-compte")).path == "/"
    assert problem(await app("GET", "/account")) == (401, "session-ended")
    assert (await changing.get("/mon-compte")).path == "/mon-compte"
    verdicts = [
        await is_in(core, Identity("751", "0234567"), secret, WEB)
        for secret in (people.PASSWORD.secret, people.NEW)
    ]
    assert verdicts == [False, True]

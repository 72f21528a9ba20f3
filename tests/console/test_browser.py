"""The console in a real Chromium: by keyboard, on a telephone's screen, read aloud, and live.

With SCREENSHOTS=<folder> its pictures go there too, for docs/console.md.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright

from ivr.console.app import create_app
from ivr.console.desk import NAV, Desk
from ivr.console.serving import served
from tests.console.conftest import PASSWORD
from tests.console.staged import StagedServer

DESKTOP, TELEPHONE = (1280, 800), (390, 844)
SHOTS = os.environ.get("SCREENSHOTS")
PICTURES = ("now-telephone", "call-telephone", "today-telephone", "today-dark")
"""Besides those of a desktop."""

pytestmark = pytest.mark.socket


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    assert program, "Debian's chromium; `make test` installs it"
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield chromium
        finally:
            await chromium.close()


@pytest_asyncio.fixture
async def url(staged: StagedServer) -> AsyncIterator[str]:
    async with served(create_app(Desk(staged)), "127.0.0.1", 0) as address:
        yield address


@asynccontextmanager
async def looking(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESKTOP,
    language: str = "en",
    scheme: str = "light",
) -> AsyncIterator[Page]:
    """A page of a browser of this kind; nothing that it does may be against the rules of our
    headers, and no script may fail."""
    width, height = size
    context = await browser.new_context(
        base_url=url,
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": height},
    )
    faults: list[str] = []
    page = await context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(20_000)
    try:
        yield page
        assert [each for each in faults if "401" not in each] == []
    finally:
        await context.close()


async def let_in(page: Page) -> None:
    """Log in by keyboard alone."""
    await page.goto("/login")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    while await page.evaluate("document.activeElement.id") != "name":
        await page.keyboard.press("Tab")
    await page.keyboard.type("anna")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("header nav")


async def test_a_day_by_keyboard(browser: Browser, url: str, staged: StagedServer) -> None:
    async with looking(browser, url) as page:
        await let_in(page)
        await page.wait_for_selector("#connection[data-state=live]")
        await page.focus("#call-dialog-3 a")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("text=Caf 751")
        while await page.evaluate("document.activeElement.className") != "danger":
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".said")
        assert staged.hung_up == ["dialog-3"]
        assert await page.locator("#call-dialog-3").count() == 0


async def test_what_changes_leaves_the_keyboard_where_it_is(
    browser: Browser, url: str, staged: StagedServer
) -> None:
    async with looking(browser, url) as page:
        focused = asyncio.Event()

        async def after_the_focus(route: Route) -> None:
            if route.request.headers.get("accept") == "text/event-stream":
                await focused.wait()
            await route.continue_()

        await page.route("**/*", after_the_focus)  # so that the very first message is seen too
        await let_in(page)
        await page.focus("#call-dialog-7 a")
        focused.set()
        moved = [
            replace(call, node="connect") if call.id == "dialog-7" else call
            for call in staged.calls()
            if call.id not in ("dialog-1", "dialog-2")
        ]
        staged._calls = moved
        await page.wait_for_selector("#call-dialog-7 td.node:text-is('connect')")
        assert await page.locator("#live_calls tbody tr").count() == 21
        assert await page.evaluate("document.activeElement.closest('tr').id") == "call-dialog-7"
        assert await page.inner_text("#live_totals .figure b") == "21"


async def test_the_flow_shows_who_is_where_and_who_left(
    browser: Browser, url: str, staged: StagedServer
) -> None:
    async with looking(browser, url) as page:
        await let_in(page)
        await page.goto("/flow")
        here = page.locator("#node-ask_secret .badge.here")
        left = staged.day.tally.hung_up[("caller", "ask_secret")]
        assert await here.text_content() == "7"
        assert await page.locator("#node-ask_secret .badge.left").text_content() == str(left)
        assert await page.locator("tr[data-node=ask_secret] td").all_text_contents() == [
            "7",
            str(left),
        ]
        staged._calls = [call for call in staged._calls if call.node != "ask_secret"][:3]
        await here.wait_for(state="detached")


async def test_the_flow_opens_where_calls_begin_on_a_telephone_too(
    browser: Browser, url: str
) -> None:
    async with looking(browser, url, size=TELEPHONE) as page:
        await let_in(page)
        await page.goto("/flow")
        box = await page.locator("#node-welcome").bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= TELEPHONE[0]


async def test_a_flow_whose_begin_is_seen_anyway_opens_with_its_colours(
    browser: Browser, url: str
) -> None:
    async with looking(browser, url, language="fr") as page:
        await let_in(page)
        await page.goto("/flow")
        flow, first, colours = [
            await page.locator(each).bounding_box()
            for each in (".flow", "#node-welcome", ".flow text:text-is('interroge l’appelant')")
        ]
        assert flow
        assert await page.evaluate("document.querySelector('.flow').scrollLeft") == 0
        for box in (first, colours):
            assert box
            assert flow["x"] <= box["x"] < box["x"] + box["width"] <= flow["x"] + flow["width"]


async def test_pages_can_be_paused(browser: Browser, url: str, staged: StagedServer) -> None:
    async with looking(browser, url) as page:
        await let_in(page)
        await page.wait_for_selector("#connection[data-state=live]")
        await page.click("#pause")
        assert await page.inner_text("#connection") == "Paused"
        staged._calls = staged._calls[:5]
        await page.wait_for_timeout(2500)
        assert await page.inner_text("#live_totals .figure b") == "23"
        await page.click("#pause")
        await page.wait_for_selector("#live_totals .figure b:text-is('5')")


async def test_who_is_logged_out_meanwhile_comes_to_the_login(
    browser: Browser, url: str, staged: StagedServer
) -> None:
    async with looking(browser, url) as page:
        await let_in(page)
        await page.wait_for_selector("#connection[data-state=live]")
        staged.users = staged.users[1:]
        await page.wait_for_selector("#password")


async def test_a_screen_reader_finds_its_way(browser: Browser, url: str) -> None:
    async with looking(browser, url) as page:
        await let_in(page)
        for path, _ in NAV:
            await page.goto(path)
            assert await page.locator("h1").count() == 1
            for role in ("banner", "main", "navigation"):
                assert await page.get_by_role(role).count() >= 1, (path, role)
            assert await page.locator("nav [aria-current=page]").get_attribute("href") == path
            unnamed = await page.evaluate(
                """() => [...document.querySelectorAll("a, button, input, select, [role=img]")]
                    .filter((e) => e.type !== "hidden" && !e.textContent.trim()
                        && !e.ariaLabel && !(e.labels && e.labels.length))
                    .map((e) => e.outerHTML)"""
            )
            assert unnamed == [], path
            headless = await page.evaluate(
                """() => [...document.querySelectorAll("tbody tr")]
                    .filter((row) => !row.querySelector("th[scope=row], td.none")).length"""
            )
            assert headless == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_stand_out_from_their_ground(browser: Browser, url: str, scheme: str) -> None:
    """WCAG 2.2 §1.4.3: 4.5 to 1."""
    async with looking(browser, url, scheme=scheme) as page:
        await let_in(page)
        for path, _ in NAV:
            await page.goto(path)
            assert await page.evaluate(_FAINT) == [], path


_FAINT = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.offsetParent)
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => [light(numbers(getComputedStyle(e).color)), light(ground(e)), e])
    .filter(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
    .map(([, , e]) => e.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize(
    ("name", "size", "language", "scheme"),
    [
        ("desktop", DESKTOP, "en", "light"),
        ("dark", DESKTOP, "fr", "dark"),
        ("telephone", TELEPHONE, "fr", "light"),
    ],
)
async def test_every_page_fits_its_screen(
    browser: Browser, url: str, name: str, size: tuple[int, int], language: str, scheme: str
) -> None:
    async with looking(browser, url, size, language, scheme) as page:
        await let_in(page)
        for path, key in (*NAV, ("/call?id=dialog-3", "call")):
            await page.goto(path)
            if path.split("?")[0] not in ("/records",):
                await page.wait_for_selector("#connection[data-state=live]")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0], path
            if SHOTS and (name == "desktop" or f"{key}-{name}" in PICTURES):
                await page.screenshot(path=Path(SHOTS) / f"{key}-{name}.png")

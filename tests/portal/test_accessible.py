"""axe-core finds nothing on any page, in any contrast, in either language (WCAG 2.2 A and AA)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.portal.chromium import a_page, chromium, compose, create, log_in
from tests.portal.people import PASSWORD, PIN, PROVISIONAL
from tests.running import RunningPortal, running_portal, write_config

pytestmark = pytest.mark.socket

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.fixture
async def portal(prepared: Callable[[Path], None], tmp_path: Path) -> AsyncIterator[RunningPortal]:
    prepared(tmp_path)
    write_config(tmp_path)
    async with running_portal(tmp_path) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def _nothing_found(axe: Axe, page: Page) -> None:
    """In any of the three contrasts, which only colours depend on."""
    await _run(axe, page, {"runOnly": {"type": "tag", "values": LEVELS}})
    for contrast in ("high", "dark"):
        await page.evaluate("shade => document.documentElement.dataset.contrast = shade", contrast)
        await _run(axe, page, {"runOnly": {"type": "rule", "values": ["color-contrast"]}})


async def _run(axe: Axe, page: Page, options: dict[str, Any]) -> None:
    found = await axe.run(page, options=options)
    told = [
        f"{fault['id']}: {node['html'][:100]}"
        for fault in found.response["violations"]
        for node in fault["nodes"]
    ]
    assert told == [], page.url


@pytest.mark.parametrize("locale", ["fr-FR", "en-GB"])
async def test_pages_for_anybody(
    portal: RunningPortal, browser: Browser, axe: Axe, locale: str
) -> None:
    async with a_page(browser, portal.address, locale=locale) as page:
        await _nothing_found(axe, page)
        await (
            page.locator("button.primary", has_text="Se connecter")
            .or_(page.locator("button.primary", has_text="Log in"))
            .click()
        )
        await page.wait_for_selector("[role=alert]")
        await _nothing_found(axe, page)
        for path in ("/mot-de-passe/perdu", "/mot-de-passe/regles", "/configurer", "/nowhere"):
            await page.goto(path)
            await _nothing_found(axe, page)
        await page.goto("/")
        await page.locator(".configure").first.click()
        await _nothing_found(axe, page)


async def test_pages_of_who_is_in(portal: RunningPortal, browser: Browser, axe: Axe) -> None:
    async with a_page(browser, portal.address) as page:
        await log_in(page, PIN)
        await page.wait_for_url("**/creer")
        await compose(page, "11111")
        await _nothing_found(axe, page)
        await page.get_by_role("button", name="Effacer").click()
        await create(page)
        await _nothing_found(axe, page)
        for path in ("/mon-compte/payments", "/mon-compte/certificate", "/mot-de-passe/changer"):
            await page.goto(path)
            await _nothing_found(axe, page)


async def test_pages_of_an_applicant_on_a_kiosk(
    portal: RunningPortal, browser: Browser, axe: Axe
) -> None:
    async with a_page(browser, portal.address) as page:
        await page.goto("/?kiosk")
        await _nothing_found(axe, page)
        await page.goto("/?kiosk=off")
        await log_in(page, PROVISIONAL)
        await page.wait_for_url("**/creer")
        await create(page)
        await _nothing_found(axe, page)
        await page.goto("/mon-compte/annual_income")
        await _nothing_found(axe, page)


@pytest.mark.parametrize("width", [320, 1280])
async def test_nothing_is_cut_at_the_largest_size(
    portal: RunningPortal, browser: Browser, width: int
) -> None:
    """WCAG 1.4.10: no scrolling sideways, down to 320 pixels."""
    viewport = {"width": width, "height": 700}
    async with a_page(browser, portal.address, viewport=viewport) as page:
        await log_in(page, PASSWORD)
        await page.wait_for_url("**/mon-compte")
        for path in (
            "/mon-compte",
            "/mon-compte/payments",
            "/mot-de-passe/changer",
            "/mot-de-passe/perdu",
        ):
            await page.goto(path)
            sizes = ("normal", "largest") if width > 320 else ("normal",)
            for size in sizes:
                await page.evaluate("size => document.documentElement.dataset.size = size", size)
                overflow = await page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert overflow <= 0, f"{path} at {size}"

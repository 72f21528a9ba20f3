"""A real browser: Debian's Chromium, driven by playwright as a person would use it."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.portal.people import NEW, Person


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"],  # as root it has none
        )
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def a_page(
    browser: Browser, address: str, faults: list[str] | None = None, **options: Any
) -> AsyncIterator[Page]:
    """Somebody's first page of the portal, their locale French; `faults` gets what a script or the
    content security policy complains of."""
    context = await browser.new_context(**{"locale": "fr-FR", "base_url": address, **options})
    page = await context.new_page()
    if faults is not None:
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", partial(_note, faults))
    await page.goto("/")
    yield page
    await context.close()


def _note(faults: list[str], said: ConsoleMessage) -> None:
    if "Content Security Policy" in said.text:
        faults.append(said.text)


async def compose(page: Page, digits: str) -> None:
    """Click the keys of the keypad."""
    for digit in digits:
        await page.get_by_role("button", name=digit, exact=True).click()


async def identify(page: Page, person: Person) -> None:
    """Fill in who somebody is."""
    await page.get_by_label("Code postal").fill(person.postal_code)
    await page.get_by_label("Numéro d'allocataire").fill(person.matricule)
    await page.get_by_label("Jour et mois de naissance").fill(person.birth_day_month)


async def log_in(page: Page, person: Person, secret: str | None = None) -> None:
    """From the login page, wherever it leads."""
    await identify(page, person)
    await compose(page, person.secret if secret is None else secret)
    await page.get_by_role("button", name="Se connecter").click()
    await page.wait_for_load_state()


async def create(page: Page, new: str = NEW) -> None:
    """From the page that asks for a password to Mon compte."""
    await compose(page, new + new)
    await page.get_by_role("button", name="Créer mon mot de passe").click()
    await page.wait_for_url("**/mon-compte?fait=create")

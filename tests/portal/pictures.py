"""The pages as pictures for `docs/journeys.md`: `python -m tests.portal.pictures docs/pictures`.

A portal on the demo's files is started for it and lived through, as in the tests.
"""

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page

from auth_core.demo import DEMO_FILES
from tests.portal.chromium import a_page, chromium, compose, create, identify, log_in
from tests.portal.people import EXPIRED, NEW, PASSWORD, PIN, PROVISIONAL
from tests.running import prepare, running_portal, write_config

WIDE = {"width": 1100, "height": 760}
NARROW = {"width": 390, "height": 760}
KIOSK = {"width": 1080, "height": 1500}
COLOURS = 128
SETTLED = 300  # milliseconds, until colours have faded in


class Album:
    """Takes pictures of pages."""

    def __init__(self, folder: Path, address: str, browser: Browser) -> None:
        self._folder = folder
        self.address = address
        self.browser = browser

    async def take(self, page: Page, name: str, *, whole: bool = True) -> None:
        await page.mouse.move(0, 0)
        await page.wait_for_timeout(SETTLED)
        picture = Image.open(io.BytesIO(await page.screenshot(full_page=whole)))
        picture.convert("RGB").quantize(COLOURS).save(self._folder / f"{name}.png", optimize=True)

    async def for_anybody(self) -> None:
        async with a_page(self.browser, self.address, viewport=WIDE) as page:
            await identify(page, PIN)
            await compose(page, PIN.secret)
            await self.take(page, "login")
            await compose(page, "0")
            await page.get_by_role("button", name="Se connecter").click()
            await self.take(page, "login_fault")
            await page.get_by_role("button", name="Configurer").first.click()
            await self.take(page, "configure", whole=False)
            for name, path in (("lost", "perdu"), ("rules", "regles")):
                await page.goto(f"/mot-de-passe/{path}")
                await self.take(page, name)
            await page.goto("/mot-de-passe/perdu")
            await identify(page, PASSWORD)
            await page.get_by_role("button", name="Recevoir").click()
            await self.take(page, "lost_sent")
        async with a_page(self.browser, self.address, viewport=NARROW, locale="en-GB") as page:
            await self.take(page, "login_english")

    async def of_a_code_holder(self) -> None:
        async with a_page(self.browser, self.address, viewport=WIDE) as page:
            await log_in(page, PIN)
            await page.wait_for_url("**/creer")
            await compose(page, "12345")
            await self.take(page, "create")
            await page.get_by_role("button", name="Effacer").click()
            await compose(page, "14031985" * 2)
            await page.get_by_role("button", name="Créer mon mot de passe").click()
            await page.wait_for_selector("[role=alert]")
            await self.take(page, "create_refused")
            await create(page)
            await self.take(page, "account")
            await page.goto("/mon-compte/payments")
            await self.take(page, "payments")
            await page.goto("/mon-compte/requests")
            await self.take(page, "requests")
            await page.goto("/mot-de-passe/changer")
            await compose(page, NEW)
            await self.take(page, "change")

    async def of_others(self) -> None:
        async with a_page(self.browser, self.address, viewport=WIDE) as page:
            await log_in(page, PROVISIONAL)
            await page.wait_for_url("**/creer")
            await create(page)
            await page.goto("/mon-compte")
            await self.take(page, "account_applicant")
            await page.goto("/mon-compte/payments")
            await self.take(page, "no_information")
        async with a_page(self.browser, self.address, viewport=WIDE) as page:
            await log_in(page, EXPIRED)
            await page.wait_for_url("**/creer")
            await self.take(page, "expired")

    async def of_a_kiosk(self) -> None:
        async with a_page(self.browser, self.address, viewport=KIOSK) as page:
            await page.clock.install()
            await page.goto("/?kiosk")
            await self.take(page, "kiosk")
            await page.locator("#postal_code").fill("75018")
            await page.clock.fast_forward("00:45")
            await self.take(page, "kiosk_idle", whole=False)


async def main(folder: Path) -> None:
    """Take every picture, into a folder that is there."""
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place), DEMO_FILES)
        write_config(Path(place))
        async with running_portal(Path(place)) as portal, chromium() as browser:
            album = Album(folder, portal.address, browser)
            await album.for_anybody()
            await album.of_a_code_holder()
            await album.of_others()
            await album.of_a_kiosk()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

"""The pages in a real browser: with a mouse, with a keyboard, without scripts, and left alone."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.portal.chromium import a_page, chromium, compose, create, identify, log_in
from tests.portal.people import NEW, PASSWORD, PIN
from tests.running import RunningPortal, running_portal, write_config

pytestmark = pytest.mark.socket


@pytest.fixture
async def portal(prepared: Callable[[Path], None], tmp_path: Path) -> AsyncIterator[RunningPortal]:
    prepared(tmp_path)
    write_config(tmp_path)
    async with running_portal(tmp_path) as running:
        yield running
        assert "Traceback" not in running.log()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def test_with_a_mouse_from_the_code_to_the_account(
    portal: RunningPortal, browser: Browser
) -> None:
    faults: list[str] = []
    sent: list[str] = []
    async with a_page(browser, portal.address, faults) as page:
        page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
        await log_in(page, PIN)
        await page.wait_for_url("**/mot-de-passe/creer")
        await page.goto("/mon-compte")
        await page.wait_for_url("**/mot-de-passe/creer")
        await compose(page, "1111")
        told = page.get_by_text("ne peut pas être composé de 8 chiffres identiques")
        await expect(told).to_be_visible()
        await page.get_by_role("button", name="Effacer").click()
        await expect(told).to_be_hidden()
        await compose(page, "89012")
        await expect(page.get_by_text("8 chiffres successifs")).to_be_visible()
        await page.get_by_role("button", name="Effacer").click()
        await create(page)
        await expect(page.get_by_text("Votre mot de passe est créé.")).to_be_visible()
    assert faults == []
    everything = " ".join(sent)
    assert NEW not in everything, "only positions are sent"


async def test_with_a_keyboard_alone(portal: RunningPortal, browser: Browser) -> None:
    """Digits are typed where a key has the focus; Enter sends the form."""
    async with a_page(browser, portal.address) as page:
        await page.get_by_label("Code postal").focus()
        for typed in (PASSWORD.postal_code, PASSWORD.matricule, PASSWORD.birth_day_month):
            await page.keyboard.type(typed)
            await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")  # past Configurer of the second step
        await page.keyboard.type(PASSWORD.secret)
        await expect(page.get_by_text("8 chiffre(s) composé(s) sur 8")).to_be_attached()
        await page.keyboard.press("Backspace")
        await expect(page.get_by_text("7 chiffre(s) composé(s) sur 8")).to_be_attached()
        await page.keyboard.type(PASSWORD.secret[-1])
        await page.get_by_role("button", name="Se connecter").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/mon-compte")


async def test_with_what_is_typed_into_a_field(portal: RunningPortal, browser: Browser) -> None:
    """For screen readers, dictation and whoever cannot point: Enter in the field sends it."""
    async with a_page(browser, portal.address) as page:
        await identify(page, PASSWORD)
        await page.get_by_text("Taper les chiffres au clavier").click()
        await page.get_by_label("Code confidentiel ou mot de passe").fill(PASSWORD.secret)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/mon-compte")


async def test_without_scripts(portal: RunningPortal, browser: Browser) -> None:
    async with a_page(browser, portal.address, java_script_enabled=False) as page:
        await log_in(page, PIN)
        await page.wait_for_url("**/mot-de-passe/creer")
        await create(page)
        await page.get_by_role("link", name="Mes paiements").click()
        await expect(page.get_by_role("heading", name="Mes paiements")).to_be_visible()
        await page.get_by_role("button", name="Se déconnecter").click()
        await expect(page.get_by_text("Vous êtes déconnecté.")).to_be_visible()


async def test_configuring_changes_the_page_at_once_and_every_page_after(
    portal: RunningPortal, browser: Browser
) -> None:
    faults: list[str] = []
    async with a_page(browser, portal.address, faults) as page:
        await identify(page, PIN)
        await page.get_by_role("button", name="Configurer").first.click()
        small = await _height(page)
        await page.get_by_label("Très grande").check()
        async with page.expect_response("**/configurer"):
            await page.get_by_label("Inversé").check()
        assert await _height(page) > 1.3 * small
        await page.get_by_role("button", name="Appliquer").click()
        await expect(page.get_by_label("Numéro d'allocataire")).to_have_value(PIN.matricule)
        await page.goto("/mot-de-passe/regles")
        root = page.locator("html")
        await expect(root).to_have_attribute("data-contrast", "dark")
        await expect(root).to_have_attribute("data-size", "largest")
    assert faults == []


async def _height(page: Page) -> float:
    size: str = await page.evaluate("getComputedStyle(document.body).fontSize")
    return float(size.removesuffix("px"))


REMOTE = {"name": "far", "lang": "fr-FR", "localService": False}
ENGLISH = {"name": "english", "lang": "en-GB", "localService": True}
FRENCH = {"name": "near", "lang": "fr-FR", "localService": True}


async def _with_voices(page: Page, *voices: dict[str, object]) -> None:
    """A browser's voices are the system's: which is asked to say what is what a page can do."""
    await page.add_init_script(
        f"""
        window.said = [];
        window.SpeechSynthesisUtterance = class {{ constructor(text) {{ this.text = text; }} }};
        speechSynthesis.getVoices = () => {json.dumps(voices)};
        speechSynthesis.speak = (what) => said.push([what.voice?.name, what.lang, what.text]);
        """
    )


async def test_the_voice_reads_what_is_touched(portal: RunningPortal, browser: Browser) -> None:
    async with a_page(browser, portal.address) as page:
        await _with_voices(page, REMOTE, ENGLISH, FRENCH)
        await page.reload()
        await page.get_by_role("button", name="5", exact=True).focus()
        assert await page.evaluate("said") == [], "it was not asked for"
        await page.get_by_role("button", name="Configurer").first.click()
        await page.get_by_label("Lire à voix haute").check()
        await page.get_by_role("button", name="Appliquer").click()
        await page.get_by_role("button", name="7", exact=True).focus()
        await page.get_by_label("Code postal").focus()
        said = await page.evaluate("said")
        assert ["near", "fr-FR", "7"] in said
        assert any("Code postal" in text for _, _, text in said)
        assert {name for name, _, _ in said} == {"near"}


async def test_nothing_is_read_by_a_voice_of_elsewhere(
    portal: RunningPortal, browser: Browser
) -> None:
    """Such a voice is sent what it reads: digits, payments."""
    async with a_page(browser, portal.address) as page:
        await _with_voices(page, REMOTE, ENGLISH)
        await page.reload()
        await page.get_by_role("button", name="Configurer").first.click()
        await page.get_by_label("Lire à voix haute").check()
        await page.get_by_role("button", name="Appliquer").click()
        await page.get_by_role("button", name="7", exact=True).focus()
        assert await page.evaluate("said") == []


async def test_a_kiosk_that_is_left_alone_forgets_everything(
    portal: RunningPortal, browser: Browser
) -> None:
    faults: list[str] = []
    async with a_page(browser, portal.address, faults) as page:
        await page.clock.install()
        await page.goto("/?kiosk")
        pages = await page.evaluate("history.length")
        for field in ("postal_code", "matricule", "birth_day_month"):
            digits = getattr(PASSWORD, field)
            pad = page.get_by_role("group", name="Pavé numérique")
            for digit in digits:
                await pad.get_by_role("button", name=digit, exact=True).click()
            await expect(page.locator(f"#{field}")).to_have_value(digits)
        keypad = page.get_by_role("group", name="Clavier à l'écran")
        for secret in ("4920", PASSWORD.secret):
            for digit in secret:
                await keypad.get_by_role("button", name=digit, exact=True).click()
            await page.get_by_role("button", name="Se connecter").click()
            if secret != PASSWORD.secret:
                await expect(page.get_by_role("alert")).to_contain_text("Nous n'avons pas pu")
        await page.wait_for_url("**/mon-compte")
        await page.get_by_role("link", name="Mes paiements").click()
        await page.wait_for_url("**/payments")
        assert await page.evaluate("history.length") == pages, "no page to go back to"
        await page.clock.fast_forward("00:45")
        dialog = page.get_by_role("dialog", name="Êtes-vous toujours là ?")
        await expect(dialog).to_be_visible()
        await page.get_by_role("button", name="Continuer").click()
        await expect(dialog).to_be_hidden()
        await page.clock.fast_forward("01:01")
        await page.wait_for_url(f"{portal.address}/")
        await expect(page.locator("#matricule")).to_have_value("")
        cookies = {cookie["name"] for cookie in await page.context.cookies()}
        assert "__Host-session" not in cookies
        await page.go_back()
        await expect(page.get_by_text("148,52")).to_have_count(0)
    assert faults == []


async def test_a_kiosk_that_was_configured_and_left_is_as_it_was_found(
    portal: RunningPortal, browser: Browser
) -> None:
    async with a_page(browser, portal.address) as page:
        await page.clock.install()
        await page.goto("/?kiosk")
        dialog = page.get_by_role("dialog", name="Êtes-vous toujours là ?")
        await page.clock.fast_forward("00:45")
        await expect(dialog).to_be_hidden()
        await page.get_by_role("button", name="Configurer").first.click()
        async with page.expect_response("**/configurer"):
            await page.get_by_label("Lire à voix haute").check()
        await page.get_by_role("button", name="Appliquer").click()
        await page.clock.fast_forward("00:45")
        await expect(dialog).to_be_visible()
        await page.clock.fast_forward("00:20")
        await expect(page.locator("html")).to_have_attribute("data-voice", "off")


async def test_a_kiosk_shows_nothing_while_the_server_is_slow_to_log_out(
    portal: RunningPortal, browser: Browser
) -> None:
    shown: list[tuple[str, str]] = []
    async with a_page(browser, portal.address) as page:
        await log_in(page, PASSWORD)
        await page.wait_for_url("**/mon-compte")
        await page.goto("/?kiosk")
        await page.clock.install()
        await page.expose_function("note", lambda url, text: shown.append((url, text)))
        await page.add_init_script(
            """
            const asked = window.fetch;
            window.fetch = (url, options) => {
              note(url, document.querySelector("main").textContent);
              return asked(url, options);
            };
            """
        )
        await page.goto("/mon-compte/payments")
        await expect(page.get_by_text("148,52")).to_be_visible()
        await page.route("**/deconnexion", lambda _: None)  # no answer
        async with page.expect_request(f"{portal.address}/?kiosk"):
            await page.clock.fast_forward("01:01")
        assert [text for url, text in shown if url.endswith("/deconnexion")] == [""]


async def test_a_kiosk_tells_what_was_done(portal: RunningPortal, browser: Browser) -> None:
    """Its script follows the redirect, then shows the page that it led to: two requests."""
    async with a_page(browser, portal.address) as page:
        await log_in(page, PASSWORD)
        await page.wait_for_url("**/mon-compte")
        await page.goto("/?kiosk")
        await page.goto("/mon-compte/certificate")
        await page.locator("main form button").click()
        await expect(page.get_by_text("Votre attestation part par courrier.")).to_be_visible()

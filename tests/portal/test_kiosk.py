"""The kiosk profile, what Configurer keeps, and the two languages."""

from ipaddress import ip_network

import pytest

from portal import words
from portal.app import create_app
from portal.preferences import Preferences
from portal.settings import PortalSettings
from tests.auth_core.conftest import House
from tests.portal.browser import Browser
from tests.portal.conftest import MakeBrowser
from tests.portal.people import PASSWORD, log_in


async def test_a_kiosk_stays_one_and_keeps_no_device(browser: Browser) -> None:
    page = await browser.get("/?kiosk")
    assert page.path == "/"
    assert 'data-kiosk="on"' in page.source
    page = await log_in(browser, PASSWORD)
    assert 'data-kiosk="on"' in page.source
    assert "__Host-device" not in browser.http.cookies
    assert 'autocomplete="username"' not in (await browser.get("/mot-de-passe/changer")).source


@pytest.mark.parametrize("ending", ["logged out", "left alone"])
async def test_a_kiosk_keeps_nothing_of_what_its_last_visitor_chose(
    browser: Browser, ending: str
) -> None:
    await browser.get("/?kiosk")
    page = await log_in(browser, PASSWORD)
    form = page.form("/configurer").fields
    chosen = {"contrast": "dark", "size": "largest", "voice": "on", "lang": "en"}
    page = await browser.post("/configurer", {**form, **chosen})
    assert '<html lang="en" data-contrast="dark"' in page.source
    if ending == "logged out":
        page = await browser.press(page, "/deconnexion", "Log out")
    else:
        page = await browser.get("/?kiosk")
        page = await browser.get("/mot-de-passe/regles")
    found = '<html lang="fr" data-contrast="normal" data-size="normal" data-voice="off" data-kiosk'
    assert f'{found}="on">' in page.source


async def test_a_person_s_browser_keeps_what_they_chose_when_they_log_out(browser: Browser) -> None:
    page = await log_in(browser, PASSWORD)
    form = page.form("/configurer").fields
    page = await browser.post("/configurer", {**form, "contrast": "dark"})
    page = await browser.press(page, "/deconnexion", "Se déconnecter")
    assert 'data-contrast="dark"' in page.source


async def test_a_kiosk_s_session_is_over_after_60_seconds(browser: Browser, house: House) -> None:
    await browser.get("/?kiosk")
    await log_in(browser, PASSWORD)
    house.monotonic += 59
    assert (await browser.http.post("/encore")).status_code == 204
    house.monotonic += 59
    assert (await browser.get("/mon-compte")).path == "/mon-compte"
    house.monotonic += 60
    assert (await browser.get("/mon-compte")).path == "/"


async def test_asking_for_a_kiosk_s_pages_is_no_way_past_the_limits(
    browsers: MakeBrowser, house: House
) -> None:
    stranger = browsers("203.0.113.66")
    await stranger.get("/?kiosk")
    for number in range(house.settings.addresses.busy_after):
        await log_in(stranger, PASSWORD, matricule=f"{8000000 + number}")
    assert (await log_in(stranger, PASSWORD)).status == 429


async def test_the_kiosks_of_a_hall_are_not_shut_by_what_others_fail(house: House) -> None:
    core = await house.open(addresses={"allow": [ip_network("192.0.2.0/28")]})
    app = create_app(core, PortalSettings(), house.settings, monotonic=lambda: house.monotonic)
    async with Browser(app, "192.0.2.3") as kiosk:
        await kiosk.get("/?kiosk")
        for number in range(house.settings.addresses.busy_after):
            await log_in(kiosk, PASSWORD, matricule=f"{8000000 + number}")
        assert (await log_in(kiosk, PASSWORD)).path == "/mon-compte"
    await core.close()


async def test_what_was_configured_holds_on_every_page(browser: Browser) -> None:
    page = await browser.get("/configurer?retour=/mot-de-passe/regles")
    page = await browser.press(
        page, "/configurer", "Appliquer", contrast="dark", size="largest", voice="on",
        retour="/mot-de-passe/regles",
    )  # fmt: skip
    assert page.path == "/mot-de-passe/regles"
    for path in ("/", "/mot-de-passe/perdu"):
        source = (await browser.get(path)).source
        assert 'data-contrast="dark" data-size="largest" data-voice="on"' in source


async def test_the_other_language_is_a_button_away(browser: Browser) -> None:
    page = await browser.get("/")
    page = await browser.press(page, "/configurer", "English")
    assert "Welcome" in page.text
    assert "Bienvenue" in (await browser.press(page, "/configurer", "Français")).text


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        ("", "", Preferences()),
        ("", "de, en;q=0.5, fr;q=0.1", Preferences(lang="en")),
        ("", "de", Preferences()),
        ("lang=fr&size=large", "en", Preferences(size="large")),
        ("size=huge&colour=red&contrast=dark", "", Preferences(contrast="dark")),
        ("%%%&&&===" * 9, "", Preferences()),
    ],
)
def test_a_cookie_that_somebody_wrote_is_read_as_far_as_it_makes_sense(
    cookie: str, accepted: str, expected: Preferences
) -> None:
    assert Preferences.read(cookie, accepted) == expected
    assert Preferences.read(expected.written(), "") == expected


def _names(texts: object, at: str = "") -> set[str]:
    if not isinstance(texts, dict):
        return {f"{at}*{len(texts)}" if isinstance(texts, list) else at}
    return {name for key, value in texts.items() for name in _names(value, f"{at}.{key}")}


def test_both_languages_say_the_same_things() -> None:
    french, english = (_names(words.load()[lang]._texts) for lang in words.LANGUAGES)
    reasons = {name for name in english if name.startswith(".reasons.")}
    assert english - french == reasons, "the core has the rules' sentences in French"
    assert french <= english

"""Mon compte: what the entitlements open, what they do not, and when a session is over."""

from auth_core import AuthService, Service
from tests.auth_core.conftest import PASSWORD_HOLDER, House
from tests.portal.browser import Browser, Page
from tests.portal.conftest import MakeBrowser
from tests.portal.people import PASSWORD, PROVISIONAL, create, log_in


async def _as_applicant(browser: Browser) -> Page:
    return await create(browser, await log_in(browser, PROVISIONAL))


async def test_an_applicant_sees_what_is_open_what_is_not_and_what_is_empty(
    browser: Browser,
) -> None:
    page = await _as_applicant(browser)
    for name in (
        "Suivre mes démarches",
        "Transmettre une pièce justificative",
        "Contacter ma Caf",
        "La Caf vous demande",
        "Changer mon mot de passe",
    ):
        assert name in page.text
    assert page.text.count("Non accessible") == 5
    assert page.text.count("Sans information") == 2
    assert "/mon-compte/annual_income" not in page.links
    assert "/mon-compte/payments" in page.links


async def test_what_is_not_accessible_is_so_by_its_address_too(browser: Browser) -> None:
    await _as_applicant(browser)
    page = await browser.get("/mon-compte/annual_income")
    assert page.status == 403
    assert "n'est pas accessible" in page.text
    page = await browser.get("/mon-compte/payments")
    assert page.status == 200
    assert "Aucune information pour le moment" in page.text
    page = await browser.get("/mon-compte/certificate")
    assert page.status == 403


async def test_an_affiliated_beneficiary_has_every_service(browser: Browser) -> None:
    page = await log_in(browser, PASSWORD)
    assert "Non accessible" not in page.text
    for service in Service:
        if service is not Service.CHANGE_PASSWORD:
            page = await browser.get(f"/mon-compte/{service.value}")
            assert page.status == 200, service


async def test_payments_and_requests_are_shown(browser: Browser) -> None:
    await log_in(browser, PASSWORD)
    page = await browser.get("/mon-compte/payments")
    assert page.text.count("€") == 3
    page = await browser.get("/mon-compte/requests")
    assert page.status == 200


async def test_a_certificate_is_asked_for_once(browser: Browser, house: House) -> None:
    await log_in(browser, PASSWORD)
    page = await browser.get("/mon-compte/certificate")
    form = page.form("/mon-compte/certificate")
    sent = await browser.post(form.action, form.fields)
    assert "Votre attestation part par courrier." in sent.text
    again = await browser.post(form.action, form.fields)
    assert again.status == 400
    page = await browser.get("/mon-compte/requests")
    assert page.text.count("Demande d'attestation") == 1


async def test_the_last_login_and_the_failures_since_are_told(
    browser: Browser, browsers: MakeBrowser, house: House
) -> None:
    page = await log_in(browser, PASSWORD)
    assert "C'est votre première connexion." in page.text
    house.advance(days=1)
    stranger = browsers("203.0.113.9")
    for _ in range(2):
        await log_in(stranger, PASSWORD, secret="49205818")
    page = await log_in(browsers(), PASSWORD)
    assert "Dernière connexion : 2 mars 2026 à 10:00." in page.text
    assert "2 essais manqués depuis." in page.text


async def test_logging_out_ends_the_session(browser: Browser) -> None:
    page = await log_in(browser, PASSWORD)
    kept = dict(browser.http.cookies)
    page = await browser.press(page, "/deconnexion", "Se déconnecter")
    assert "Vous êtes déconnecté." in page.text
    browser.http.cookies.update(kept)
    assert (await browser.get("/mon-compte")).path == "/"


async def test_a_session_ends_when_it_is_idle_and_when_it_is_old(
    browsers: MakeBrowser, house: House
) -> None:
    browser = browsers()
    await log_in(browser, PASSWORD)
    house.monotonic += 14 * 60
    assert (await browser.get("/mon-compte")).path == "/mon-compte"
    house.monotonic += 15 * 60
    page = await browser.get("/mon-compte")
    assert page.path == "/"
    assert "sans activité" in page.text
    await log_in(browser, PASSWORD)
    for _ in range(34):
        house.monotonic += 14 * 60
        await browser.get("/mon-compte")
    house.monotonic += 14 * 60
    assert (await browser.get("/mon-compte")).path == "/", "eight hours are the most"


async def test_every_other_session_ends_when_the_password_changes(
    browsers: MakeBrowser, core: AuthService
) -> None:
    one, other, third = browsers(), browsers(), browsers()
    for browser in (one, other, third):
        await log_in(browser, PASSWORD)
    page = await one.get("/mot-de-passe/changer")
    page = await one.press(
        page,
        "/mot-de-passe/changer",
        "Changer mon mot de passe",
        present__keys=page.keys(PASSWORD.secret),
        new__keys=page.keys("52917364"),
        again__keys=page.keys("52917364"),
    )
    assert page.path == "/mon-compte"
    for path in ("/mon-compte", "/mon-compte/payments"):
        page = await other.get(path)
        assert page.path == "/"
    page = await third.get("/mon-compte")
    assert "votre session est terminée" in page.text
    assert (await one.get("/mon-compte")).path == "/mon-compte"
    await core.nims(PASSWORD_HOLDER, "agent")
    assert (await one.get("/mon-compte")).path == "/"

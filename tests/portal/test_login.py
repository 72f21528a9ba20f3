"""Getting in on the web: the seed's page, and that nothing on it tells one file from another."""

import re

import pytest

from auth_core import AuthService, Channel, Secret, Source
from tests.auth_core.conftest import SAME_MATRICULE, House
from tests.portal.browser import Browser, Page
from tests.portal.conftest import MakeBrowser
from tests.portal.people import EXPIRED, EXPIRED_PROVISIONAL, PASSWORD, PIN, PROVISIONAL, log_in


async def test_the_page_is_the_seed_s(browser: Browser) -> None:
    page = await browser.get("/")
    assert page.status == 200
    for words in (
        "Bienvenue",
        "Veuillez vous identifier (* champ obligatoire)",
        "1 Identifiez-vous :",
        "* Code postal",
        "* Numéro d'allocataire",
        "* Jour et mois de naissance",
        "2 Cliquez pour composer les 4 chiffres de votre code confidentiel",
        "Effacer",
        "Se connecter",
        "Code confidentiel perdu ?",
        "0810 29 29 29",
    ):
        assert words in page.text, words
    assert page.text.count("Configurer") >= 2
    assert sorted(page.order) == list("0123456789")


async def test_the_keys_are_in_another_order_on_each_page(browser: Browser) -> None:
    assert len({(await browser.get("/")).order for _ in range(8)}) > 1


async def test_a_password_leads_to_the_account(browser: Browser) -> None:
    page = await log_in(browser, PASSWORD)
    assert page.path == "/mon-compte"
    assert "…567" in page.text
    assert PASSWORD.matricule not in page.source


async def test_every_key_can_be_pressed_without_a_script(browser: Browser) -> None:
    page = await browser.get("/")
    who = {name: getattr(PIN, name) for name in ("postal_code", "matricule", "birth_day_month")}
    page = await browser.press(page, "/", "9", **who)
    assert "1 chiffre(s) composé(s)" in page.text
    page = await browser.press(page, "/", "Effacer")
    assert "0 chiffre(s) composé(s)" in page.text
    for digit in PIN.secret:
        page = await browser.press(page, "/", digit)
    assert page.form("/").fields["matricule"] == PIN.matricule
    page = await browser.press(page, "/", "Se connecter")
    assert page.path == "/mot-de-passe/creer"


async def test_the_digits_may_be_typed_instead(browser: Browser) -> None:
    page = await browser.get("/")
    page = await browser.press(
        page,
        "/",
        "Se connecter",
        postal_code=PASSWORD.postal_code,
        matricule=PASSWORD.matricule,
        birth_day_month="02/07",
        secret__typed=PASSWORD.secret,
    )
    assert page.path == "/mon-compte"


def _without_what_is_random(page: Page) -> str:
    """The page but for its tokens and the order of its keys."""
    source = re.sub(r'name="token" value="[^"]+"', "", page.source)
    return re.sub(r"formnovalidate>\d<", "", source)


async def test_refusals_are_one_page_after_one_time(
    browsers: MakeBrowser, house: House, core: AuthService
) -> None:
    stranger = Source(Channel.TELEPHONE, caller="0199001122")
    for _ in range(5):
        await core.authenticate(SAME_MATRICULE, Secret("00000000"), stranger)
    # Each changes one thing only, and what stays in the fields is made the same for comparing.
    refused = {
        "wrong password": await _refused(browsers, house, secret="49205818"),
        "locked, with the right one": await _refused(
            browsers,
            house,
            postal_code="13002",
            matricule=SAME_MATRICULE.matricule,
            birth_day_month="0612",
            secret="83520641",
        ),
        "unknown matricule": await _refused(browsers, house, matricule="9999999"),
        "another Caf": await _refused(browsers, house, postal_code="13001"),
        "no Caf at all": await _refused(browsers, house, postal_code="00000"),
        "another day of birth": await _refused(browsers, house, birth_day_month="0307"),
        "a code where a password is": await _refused(browsers, house, secret="4821"),
    }
    assert len(set(refused.values())) == 1, {what: status for what, (status, *_) in refused.items()}
    assert next(iter(refused.values()))[0] == 403


async def _refused(
    browsers: MakeBrowser, house: House, **changes: str
) -> tuple[int, str, frozenset[str], float]:
    begun = house.monotonic
    page = await log_in(browsers(), PASSWORD, **changes)
    body = _without_what_is_random(page)
    for given in (*changes.values(), PASSWORD.postal_code, PASSWORD.matricule, "0207"):
        body = body.replace(f'value="{given}"', "")
    headers = frozenset(page.response.headers) - {"set-cookie"}
    return page.status, body, headers, round(house.monotonic - begun, 6)


async def test_a_wrong_day_of_birth_is_a_try_on_the_file(
    browser: Browser, browsers: MakeBrowser
) -> None:
    for _ in range(5):
        page = await log_in(browser, PASSWORD, birth_day_month="0107")
        assert page.status == 403
    assert (await log_in(browsers("203.0.113.9"), PASSWORD)).status == 403, "it is locked"


async def test_what_is_no_secret_at_all_is_asked_again_and_is_no_try(
    browser: Browser, browsers: MakeBrowser
) -> None:
    for _ in range(7):
        page = await log_in(browser, PASSWORD, secret="492058")
        assert page.status == 422
        assert "4 chiffres pour un code confidentiel, 8 pour un mot de passe" in page.text
    assert (await log_in(browser, PASSWORD)).path == "/mon-compte"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("postal_code", "7501", "Code postal : 5 chiffres."),
        ("matricule", "012345A", "Numéro d'allocataire : 7 chiffres."),
        ("birth_day_month", "3102", "Jour et mois de naissance : 4 chiffres"),
    ],
)
async def test_a_field_that_cannot_be_right_is_told(
    browser: Browser, field: str, value: str, words: str
) -> None:
    page = await log_in(browser, PASSWORD, **{field: value})
    assert page.status == 422
    assert words in page.text
    assert page.form("/").fields[field] == value


async def test_an_expired_password_leads_to_a_new_one(browser: Browser) -> None:
    page = await log_in(browser, EXPIRED)
    assert page.path == "/mot-de-passe/creer"
    assert "il est expiré" in page.text


async def test_an_expired_provisional_leads_to_asking_for_another(browser: Browser) -> None:
    page = await log_in(browser, EXPIRED_PROVISIONAL)
    assert page.status == 403
    assert "est expiré" in page.text
    assert "/mot-de-passe/perdu" in page.links


async def test_an_address_that_fails_too_often_is_told_to_come_back(
    browsers: MakeBrowser, house: House
) -> None:
    stranger = browsers("203.0.113.66")
    for number in range(house.settings.addresses.busy_after):
        await log_in(stranger, PASSWORD, matricule=f"{8000000 + number}")
    page = await log_in(stranger, PASSWORD)
    assert page.status == 429
    assert int(page.response.headers["retry-after"]) > 0
    assert (await log_in(browsers("198.51.100.9"), PASSWORD)).path == "/mon-compte"


async def test_a_provisional_opens_nothing_but_creating_a_password(browser: Browser) -> None:
    assert (await log_in(browser, PROVISIONAL)).path == "/mot-de-passe/creer"
    for path in ("/", "/mon-compte", "/mon-compte/requests", "/mot-de-passe/changer"):
        assert (await browser.get(path)).path == "/mot-de-passe/creer", path


async def test_in_english(browsers: MakeBrowser) -> None:
    page = await browsers(language="en-GB,en;q=0.9").get("/")
    assert "Please say who you are" in page.text
    assert '<html lang="en"' in page.source

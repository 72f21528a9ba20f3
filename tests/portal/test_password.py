"""Creating the obligatory password, changing it, and asking for another when it is lost."""

import re

from auth_core import AuthService, Channel, DeliveryChoice, Secret, Source
from tests.auth_core.conftest import (
    APPLICANT,
    EXPIRED_PASSWORD,
    NO_MOBILE,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    House,
    is_in,
)
from tests.portal.browser import Browser, Page
from tests.portal.conftest import MakeBrowser
from tests.portal.people import EXPIRED, NEW, PASSWORD, PIN, PROVISIONAL, create, log_in


async def test_a_pin_holder_creates_a_password_and_the_pin_is_over(
    browser: Browser, core: AuthService
) -> None:
    page = await log_in(browser, PIN)
    assert "que vous choisissez, remplace votre code" in page.text
    page = await create(browser, page)
    assert page.path == "/mon-compte"
    assert "Votre mot de passe est créé." in page.text
    assert await is_in(core, PIN_HOLDER, NEW)
    assert not await is_in(core, PIN_HOLDER, PIN.secret)
    page = await browser.get("/mon-compte")
    assert "Votre mot de passe est créé." not in page.text, "told once"


async def test_an_applicant_s_provisional_and_an_expired_password_are_replaced(
    browsers: MakeBrowser, core: AuthService
) -> None:
    for person, identity in ((PROVISIONAL, APPLICANT), (EXPIRED, EXPIRED_PASSWORD)):
        browser = browsers()
        page = await create(browser, await log_in(browser, person))
        assert page.path == "/mon-compte"
        assert await is_in(core, identity, NEW)
        assert not await is_in(core, identity, person.secret)


async def test_who_replaces_an_expired_password_is_told_of_the_last_login(
    browsers: MakeBrowser, house: House
) -> None:
    await log_in(browsers(), PASSWORD)
    house.advance(days=3 * 366)
    browser = browsers()
    page = await create(browser, await log_in(browser, PASSWORD))
    assert "Dernière connexion : 2 mars 2026 à 10:00." in page.text


async def test_the_rules_are_explained_on_submit_and_the_number_is_given(browser: Browser) -> None:
    page = await create(browser, await log_in(browser, PIN), "14031985")
    assert page.status == 422
    assert "ne peut pas être une date de naissance du dossier" in page.text
    assert "0810 29 29 29" in page.text
    assert "/mot-de-passe/regles" in page.links
    page = await create(browser, page, "12345678")
    assert "8 chiffres successifs" in page.text
    page = await create(browser, page, "48211403")
    assert "différent de vos codes" in page.text
    assert (await create(browser, page)).path == "/mon-compte"


async def test_two_entries_that_differ_are_no_refusal_of_the_rules(browser: Browser) -> None:
    page = await log_in(browser, PIN)
    for _ in range(12):
        page = await create(browser, page, NEW, "52917365")
        assert page.status == 422
        assert "Les deux saisies sont différentes" in page.text
    assert (await create(browser, page)).path == "/mon-compte"


async def test_ten_refusals_are_all_that_a_session_has(browser: Browser) -> None:
    page = await log_in(browser, PIN)
    for _ in range(10):
        page = await create(browser, page, "14031985")
        assert page.status == 422
    page = await create(browser, page)
    assert page.status == 429
    assert "Trop de mots de passe ont été refusés" in page.text


async def test_identical_and_successive_digits_are_told_while_they_are_keyed(
    browser: Browser,
) -> None:
    page = await log_in(browser, PIN)
    for _ in range(8):
        assert "8 chiffres identiques" not in page.text
        page = await browser.press(page, "/mot-de-passe/creer", "7")
    assert "8 chiffres identiques" in page.text
    page = await browser.press(page, "/mot-de-passe/creer", "Effacer")
    for digit in "14031985":
        page = await browser.press(page, "/mot-de-passe/creer", digit)
    assert "date de naissance" not in page.text, "the file's rules wait for the submit"


async def test_a_whole_password_keyed_without_a_script(browser: Browser, core: AuthService) -> None:
    page = await log_in(browser, PIN)
    for digit in NEW + NEW:
        page = await browser.press(page, "/mot-de-passe/creer", digit)
    page = await browser.press(page, "/mot-de-passe/creer", "Créer mon mot de passe")
    assert page.path == "/mon-compte"
    assert await is_in(core, PIN_HOLDER, NEW)


async def _change(browser: Browser, page: Page, present: str, new: str = NEW) -> Page:
    return await browser.press(
        page,
        "/mot-de-passe/changer",
        "Changer mon mot de passe",
        present__keys=page.keys(present),
        new__keys=page.keys(new),
        again__keys=page.keys(new),
    )


async def test_changing_asks_for_the_present_password(browser: Browser, core: AuthService) -> None:
    await log_in(browser, PASSWORD)
    page = await browser.get("/mot-de-passe/changer")
    page = await _change(browser, page, "49205818")
    assert page.status == 422
    assert "Le mot de passe actuel n'est pas celui-là" in page.text
    assert await is_in(core, PASSWORD_HOLDER, PASSWORD.secret)
    page = await _change(browser, page, PASSWORD.secret)
    assert page.path == "/mon-compte"
    assert "Votre mot de passe est changé." in page.text
    assert await is_in(core, PASSWORD_HOLDER, NEW)


async def test_guessing_the_present_password_is_a_try_on_the_file(
    browser: Browser,
) -> None:
    await log_in(browser, PASSWORD)
    page = await browser.get("/mot-de-passe/changer")
    for number in range(5):
        page = await _change(browser, page, f"4920581{number}")
    page = await _change(browser, page, PASSWORD.secret)
    assert page.status == 422, "this device has no more tries"


async def _ask(browser: Browser, by: str, **changes: str) -> Page:
    page = await browser.get("/mot-de-passe/perdu")
    who = {name: getattr(PIN, name) for name in ("postal_code", "matricule", "birth_day_month")}
    return await browser.press(
        page,
        "/mot-de-passe/perdu",
        "Recevoir un mot de passe provisoire",
        **{**who, "by": by, **changes},
    )


async def test_a_lost_code_goes_on_working_until_the_provisional_is_used(
    browser: Browser, house: House, core: AuthService
) -> None:
    page = await _ask(browser, "sms")
    assert "Votre demande est prise en compte" in page.text
    provisional = await house.provisional(PIN_HOLDER)
    page = await log_in(browser, PIN, secret=provisional)
    assert page.path == "/mot-de-passe/creer"
    assert "ne sert qu'une fois" in page.text
    assert (
        await core.authenticate(PIN_HOLDER, Secret(PIN.secret), Source(Channel.WEB))
    ).session is None


async def test_who_finds_the_code_again_needs_no_provisional(
    browser: Browser, house: House, core: AuthService
) -> None:
    await _ask(browser, "sms")
    provisional = await house.provisional(PIN_HOLDER)
    assert (await log_in(browser, PIN)).path == "/mot-de-passe/creer"
    assert not await is_in(core, PIN_HOLDER, provisional)


async def test_the_answer_to_a_lost_code_is_the_same_for_everybody(
    browsers: MakeBrowser, house: House
) -> None:
    answers = set()
    for changes in (
        {},
        {"matricule": "9999999"},
        {"birth_day_month": "1503"},
        {"postal_code": "00000"},
        {"matricule": NO_MOBILE.matricule, "birth_day_month": "0809"},
    ):
        begun = house.monotonic
        page = await _ask(browsers(), "sms", **changes)
        source = re.sub(r'value="[^"]{40,}"', "", page.source)
        answers.add((page.status, source, round(house.monotonic - begun, 6)))
    assert len(answers) == 1
    [(message, _)] = await house.outbox(NO_MOBILE)
    assert message.destination.way is DeliveryChoice.LETTER


async def test_the_rules_can_be_read_by_anybody(browser: Browser) -> None:
    page = await browser.get("/mot-de-passe/regles")
    assert "8 chiffres identiques" in page.text
    assert "0810 29 29 29" in page.text

"""The demo's people as they log in on the web."""

from dataclasses import dataclass

from tests.portal.browser import Browser, Page


@dataclass(frozen=True)
class Person:
    postal_code: str
    matricule: str
    birth_day_month: str
    secret: str


PIN = Person("75011", "0123456", "1403", "4821")
PASSWORD = Person("75018", "0234567", "0207", "49205817")
PROVISIONAL = Person("13001", "0345678", "2311", "70316284")
EXPIRED = Person("69003", "0456789", "3001", "58147036")
EXPIRED_PROVISIONAL = Person("97110", "0678901", "1705", "60418275")
NEW = "52917364"


async def log_in(browser: Browser, person: Person, **changes: str) -> Page:
    """From the login page, with the positions of keys that a script would gather."""
    page = await browser.get("/")
    secret = changes.pop("secret", person.secret)
    fields = {
        "postal_code": person.postal_code,
        "matricule": person.matricule,
        "birth_day_month": person.birth_day_month,
        "secret__keys": page.keys(secret),
        **changes,
    }
    return await browser.press(page, "/", "Se connecter", **fields)


async def create(browser: Browser, page: Page, new: str = NEW, again: str | None = None) -> Page:
    """From the page that asks for a password."""
    return await browser.press(
        page,
        "/mot-de-passe/creer",
        "Créer mon mot de passe",
        new__keys=page.keys(new),
        again__keys=page.keys(new if again is None else again),
    )

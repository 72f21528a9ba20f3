"""The seed's whole story on every channel: one secret, taken by the telephone and the web alike.

A real phone rings the voice server, a real Chromium uses the portal, text messages come out of an
HTTP gateway; all are processes of their own over one database.
"""

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from auth_core.demo import DEMO_FILES, lay_down
from auth_core.rules import SHAPES
from auth_core.service import utc_now
from auth_core.settings import load_settings
from tests.auth_core.conftest import digits_of_8
from tests.auth_core.delivery.conftest import HttpStub
from tests.journeys.conftest import NEVER_OPEN, lines, open_place
from tests.journeys.place import NATIONAL, Holder, Place, key, random_password, random_pin
from tests.portal import chromium
from tests.portal.people import Person
from tests.running import RunningPortal, command, run, running_portal
from tests.softphone import Softphone

pytestmark = [
    pytest.mark.journey,
    pytest.mark.socket,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),  # the first one starts two servers and a browser
]

PARIS_POSTAL_CODE = "75011"


@dataclass
class Story:
    """Both channels and the gateway between them."""

    place: Place
    portal: RunningPortal
    gateway: HttpStub
    chromium: Browser
    calls: int = 0
    read: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def pin_holder(self) -> Holder:
        """Somebody with a code and a mobile, whom no other test knows."""
        number = next(self._numbers)
        secret = random_pin()
        demo = replace(
            DEMO_FILES[0],
            matricule=f"07000{number:02}",
            mobile=f"06 39 98 31 {number:02}",
            secret=secret,
        )
        await lay_down(load_settings(self.place.server.config), utc_now, [demo])
        self.place.keyed.append(secret)
        return Holder(demo.caf, demo.matricule, demo.postal_code, "1403", secret)

    @contextlib.asynccontextmanager
    async def ringing(self, holder: Holder, secret: str) -> AsyncIterator[Softphone]:
        """A call on the national line whose caller has given a secret and hears the answer."""
        self.calls += 1
        async with Softphone(self.place.uri(NATIONAL)) as phone:
            await phone.answered()
            await key(phone, holder.postal_code, holder.matricule)
            await phone.keys(f"{secret}#" if len(secret) == 4 else secret)
            last_key = phone.heard("key")[-1]
            await phone.event("sound", after=phone.events.index(last_key), within=30.0)
            yield phone
            await phone.hang_up()

    async def ring(self, holder: Holder, secret: str, listen: float = 0) -> tuple[str | None, str]:
        """Call with a secret: what it was taken for, and the prompts of the first seconds."""
        async with self.ringing(holder, secret) as phone:
            await phone.pause(listen)
        record = await self.place.server.record_number(self.calls)
        return record["authenticated"], " ".join(record["prompts"])

    @contextlib.asynccontextmanager
    async def browsing(self) -> AsyncIterator[Page]:
        """Somebody's browser, on the login page."""
        async with chromium.a_page(self.chromium, self.portal.address) as page:
            yield page

    def new_password(self) -> str:
        """One that is drawn at random and that no rule of shape refuses."""
        while any(refuses(drawn := random_password()) for refuses in SHAPES.values()):
            pass
        self.place.keyed.append(drawn)
        return drawn

    async def create(self, page: Page) -> str:
        """A password that nobody had, created on the page that asks for one."""
        await page.wait_for_url("**/mot-de-passe/creer")
        new = self.new_password()
        await chromium.create(page, new)
        return new

    async def text(self, words: str) -> str:
        """The next text message with these words that the gateway gets."""
        async with asyncio.timeout(30):
            while True:
                for name, body in self.gateway.messages.items():
                    text = str(json.loads(body)["text"])
                    if words in text and name not in self.read:
                        self.read.add(name)
                        return text
                self.gateway.asked.clear()
                await self.gateway.asked.wait()

    async def provisional(self) -> str:
        """The secret of the next text message that has one."""
        text = await self.text("mot de passe provisoire")
        secret = digits_of_8(text)
        self.place.keyed.append(secret)
        assert not re.search("[0-9]{7}", text.replace(secret, "")), "nothing that tells whose it is"
        return secret

    async def matricule(self) -> str:
        """The matricule of the next text message that has one."""
        found = re.search(r"\b[0-9]{7}\b", await self.text("numéro d'allocataire est le"))
        assert found is not None
        return found[0]

    async def act(self, verb: str, *more: str, stdin: str = "") -> None:
        """An act of the back office, in a process of its own."""
        config = ("--config", str(self.place.server.config))
        status, _, err = await run(command("auth-core"), verb, *config, *more, stdin=stdin)
        assert status == 0, err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """One house for all: everybody's file is their own."""
    folder, gateway = tmp_path_factory.mktemp("story"), HttpStub()
    listening = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.port = listening.sockets[0].getsockname()[1]
    changes = {
        "lines": lines(None, NEVER_OPEN),
        "delivery.sms": {"url": gateway.url},
        "delivery.poll": 0.5,
    }
    async with (
        listening,
        open_place(folder, changes) as place,
        running_portal(folder) as portal,
        chromium.chromium() as browser,
    ):
        yield Story(place, portal, gateway, browser)
        assert "Traceback" not in portal.log()


def named(holder: Holder) -> tuple[str, ...]:
    return ("--caf", holder.caf, "--matricule", holder.matricule)


def on_the_web(holder: Holder, secret: str | None = None) -> Person:
    return Person(
        holder.postal_code, holder.matricule, holder.birth_day_month, secret or holder.secret
    )


async def test_a_code_becomes_a_password_everywhere(story: Story) -> None:
    holder = await story.pin_holder()
    taken_for, said = await story.ring(holder, holder.secret, listen=4.0)
    assert taken_for == "pin"
    assert "invite_create_password" in said
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(holder))
        new = await story.create(page)
    taken_for, said = await story.ring(holder, holder.secret)
    assert taken_for is None
    assert "refused" in said
    assert (await story.ring(holder, new))[0] == "password"


async def test_a_provisional_is_replaced_at_the_first_login(story: Story) -> None:
    holder = story.place.holders["provisional"]
    assert (await story.ring(holder, holder.secret))[0] == "provisional"
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(holder))
        new = await story.create(page)
        await expect(page.get_by_text("Non accessible").first).to_be_visible()
    assert (await story.ring(holder, holder.secret))[0] is None
    assert (await story.ring(holder, new))[0] == "password"


async def test_a_lost_code_is_replaced_by_a_text_message(story: Story) -> None:
    holder = await story.pin_holder()
    async with story.browsing() as page:
        await page.get_by_role("link", name="Code confidentiel perdu ?").click()
        await chromium.identify(page, on_the_web(holder))
        await page.get_by_role("button", name="Recevoir un mot de passe provisoire").click()
        await expect(page.get_by_text("Votre demande est prise en compte").first).to_be_visible()
        provisional = await story.provisional()
        await page.get_by_role("link", name="Revenir à l'accueil").click()
        await chromium.log_in(page, on_the_web(holder, provisional))
        new = await story.create(page)
    assert (await story.ring(holder, holder.secret))[0] is None
    assert (await story.ring(holder, new))[0] == "password"


async def test_an_expired_password_leads_to_a_new_one(story: Story) -> None:
    holder = story.place.holders["expired"]
    taken_for, said = await story.ring(holder, holder.secret, listen=2.0)
    assert taken_for is None
    assert "expired" in said
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(holder))
        await expect(page.get_by_text("il est expiré")).to_be_visible()
        new = await story.create(page)
    assert (await story.ring(holder, new))[0] == "password"


async def test_a_separation_replaces_the_secret_at_once(story: Story) -> None:
    holder = await story.pin_holder()
    await story.act("separation", *named(holder), "--keeper", "beneficiary", "--agent", "anne")
    provisional = await story.provisional()
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(holder))
        await expect(page.get_by_role("alert")).to_contain_text("Nous n'avons pas pu")
        await chromium.compose(page, provisional)
        await page.get_by_role("button", name="Se connecter").click()
        new = await story.create(page)
    assert (await story.ring(holder, holder.secret))[0] is None
    assert (await story.ring(holder, new))[0] == "password"


async def test_a_transfer_leads_to_another_caf_under_another_number(story: Story) -> None:
    before = await story.pin_holder()
    await story.act("transfer", *named(before), "--to-caf", "691", "--agent", "anne")
    matricule, provisional = await story.matricule(), await story.provisional()
    moved = replace(before, caf="691", matricule=matricule, postal_code="69003")
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(before))
        await expect(page.get_by_role("alert")).to_contain_text("Nous n'avons pas pu")
        await chromium.log_in(page, on_the_web(moved, provisional))
        new = await story.create(page)
    assert (await story.ring(before, before.secret))[0] is None
    assert (await story.ring(moved, new))[0] == "password"


async def test_an_applicant_is_in_from_the_end_of_the_application_on(story: Story) -> None:
    application = {
        "caf": "751",
        "name": "Nadia Benali",
        "birth_date": "1998-06-21",
        "kind": "housing_aid",
        "mobile": "06 39 98 55 44",
    }
    await story.act("register", stdin=json.dumps(application))
    matricule, provisional = await story.matricule(), await story.provisional()
    applicant = Holder("751", matricule, "75011", "2106", provisional)
    async with story.browsing() as page:
        await chromium.log_in(page, on_the_web(applicant))
        new = await story.create(page)
        await page.get_by_role("link", name="Suivre mes démarches").click()
        await expect(page.get_by_text("Demande d'aide au logement")).to_be_visible()
    assert (await story.ring(applicant, provisional))[0] is None
    assert (await story.ring(applicant, new))[0] == "password"


async def test_two_browsers_a_token_and_a_call_end_with_the_secret(story: Story) -> None:
    holder = story.place.holders["password"]
    async with (
        story.browsing() as one,
        story.browsing() as other,
        httpx.AsyncClient(base_url=f"{story.portal.address}/api/v1") as app,
        story.ringing(holder, holder.secret) as phone,
    ):
        for page in (one, other):
            await chromium.log_in(page, on_the_web(holder))
            await page.wait_for_url("**/mon-compte")
        names = ("postal_code", "matricule", "birth_day_month", "secret")
        answer = await app.post("/login", json={name: getattr(holder, name) for name in names})
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await app.get("/account", headers=token)).status_code == 200
        await one.get_by_role("link", name="Changer mon mot de passe").click()
        new = story.new_password()
        await chromium.compose(one, holder.secret + new + new)
        await one.get_by_role("button", name="Changer mon mot de passe").click()
        await expect(one.get_by_text("Votre mot de passe est changé.")).to_be_visible()
        await key(phone, "1")  # payments
        await phone.pause(3.0)
        await other.get_by_role("link", name="Mes paiements").click()
        await expect(other.get_by_text("votre session est terminée")).to_be_visible()
        assert (await app.get("/account", headers=token)).status_code == 401
        await one.get_by_role("link", name="Mes paiements").click()
        await expect(one.get_by_role("heading", name="Mes paiements")).to_be_visible()
    record = await story.place.server.record_number(story.calls)
    assert "signed_out" in record["prompts"]
    assert "payments_intro" not in record["prompts"]

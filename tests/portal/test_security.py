"""What holds for every page: forms, cookies, headers; no secret is where it must not be."""

import base64
import string

import pytest
from fastapi import FastAPI

from auth_core import AuthService, Channel, Secret, Source
from tests.auth_core.conftest import PASSWORD_HOLDER, House, is_in
from tests.portal.browser import Browser
from tests.portal.conftest import MakeBrowser
from tests.portal.people import NEW, PASSWORD, PIN, create, log_in

PAGES = ("/", "/mot-de-passe/perdu", "/mot-de-passe/regles", "/configurer", "/nowhere")


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_shuts_the_browser_s_doors(browser: Browser, path: str) -> None:
    headers = (await browser.get(path)).response.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_holds_a_script_a_style_or_an_address_of_elsewhere(
    browser: Browser, path: str
) -> None:
    source = (await browser.get(path)).source
    assert "<script src=" in source
    assert "<script>" not in source
    assert "<style" not in source
    assert " style=" not in source
    assert " onclick=" not in source
    assert "http:" not in source
    assert "https:" not in source


async def test_cookies_are_read_by_no_script_and_sent_by_no_other_site(browser: Browser) -> None:
    page = await browser.get("/")
    given = list(page.response.headers.get_list("set-cookie"))
    response = await browser.http.post(
        "/",
        data={
            **page.form("/").fields,
            "postal_code": PASSWORD.postal_code,
            "matricule": PASSWORD.matricule,
            "birth_day_month": PASSWORD.birth_day_month,
            "secret.typed": PASSWORD.secret,
        },
        follow_redirects=False,
    )
    given += response.headers.get_list("set-cookie")
    assert any(cookie.startswith("__Host-session=") for cookie in given)
    for cookie in given:
        assert cookie.startswith("__Host-")
        for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert attribute in cookie, cookie
        assert "Domain" not in cookie


async def test_a_form_of_another_visitor_is_not_taken(browsers: MakeBrowser) -> None:
    """What another site could make somebody's browser send."""
    attacker, victim = browsers(), browsers()
    await victim.get("/")
    form = (await attacker.get("/")).form("/").fields
    fields = {
        **form,
        "postal_code": PASSWORD.postal_code,
        "matricule": PASSWORD.matricule,
        "birth_day_month": PASSWORD.birth_day_month,
        "secret.typed": PASSWORD.secret,
    }
    for token in (form["token"], "", "AAAA", form["token"][:-4] + "AAA="):
        page = await victim.post("/", {**fields, "token": token})
        assert page.status == 400
        assert page.path == "/"
        assert "__Host-session" not in victim.http.cookies


@pytest.mark.parametrize(
    "action", ["/deconnexion", "/mot-de-passe/changer", "/mon-compte/certificate", "/configurer"]
)
async def test_no_form_is_taken_without_its_token(browser: Browser, action: str) -> None:
    await log_in(browser, PASSWORD)
    page = await browser.post(action, {"contrast": "dark"})
    assert page.status == 400
    assert "Rien n'a été fait" in page.text
    assert (await browser.get("/mon-compte")).path == "/mon-compte"


async def test_a_login_is_not_sent_twice(browser: Browser, core: AuthService) -> None:
    """The positions of a page mean nothing any more once they were sent."""
    page = await browser.get("/")
    fields = {
        **page.form("/").fields,
        "postal_code": PASSWORD.postal_code,
        "matricule": PASSWORD.matricule,
        "birth_day_month": PASSWORD.birth_day_month,
        "secret.keys": page.keys(PASSWORD.secret),
    }
    assert (await browser.post("/", fields)).path == "/mon-compte"
    visitor = dict(browser.http.cookies)
    browser.http.cookies.clear()
    browser.http.cookies.update(visitor)
    browser.http.cookies.delete("__Host-session")
    page = await browser.post("/", fields)
    assert page.status == 400
    assert page.path == "/"


async def test_a_form_is_not_sent_twice_with_its_token_written_otherwise(browser: Browser) -> None:
    """Two bits of the last letter of base64 say nothing here (RFC 4648, section 3.5)."""
    await log_in(browser, PASSWORD)
    page = await browser.get("/mon-compte/certificate")
    fields = page.form("/mon-compte/certificate").fields
    assert (await browser.post("/mon-compte/certificate", fields)).status == 200
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    token = fields["token"]
    body, padding = token.rstrip("="), token[len(token.rstrip("=")) :]
    again = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + padding
    assert base64.urlsafe_b64decode(again) == base64.urlsafe_b64decode(token)
    page = await browser.post("/mon-compte/certificate", {**fields, "token": again})
    assert page.status == 400


async def test_a_page_that_was_left_open_for_long_is_asked_again(
    browser: Browser, house: House
) -> None:
    page = await browser.get("/")
    house.monotonic += 31 * 60
    page = await browser.press(
        page,
        "/",
        "Se connecter",
        matricule=PASSWORD.matricule,
        secret__keys=page.keys(PASSWORD.secret),
    )
    assert page.status == 400
    assert "trop ancienne" in page.text
    assert page.form("/").fields["matricule"] == PASSWORD.matricule


async def test_a_login_gets_a_session_and_forms_that_nobody_knew_before(browser: Browser) -> None:
    browser.http.cookies.set("__Host-session", "fixed-by-somebody", domain="portal.example")
    before = await browser.get("/")
    visitor = browser.http.cookies["__Host-visitor"]
    page = await log_in(browser, PASSWORD)
    assert page.path == "/mon-compte"
    assert browser.http.cookies["__Host-session"] != "fixed-by-somebody"
    first = browser.http.cookies["__Host-session"]
    assert browser.http.cookies.get("__Host-visitor") != visitor
    token = before.form("/configurer").fields["token"]
    assert (await browser.post("/configurer", {"token": token})).status == 400
    await browser.press(page, "/deconnexion", "Se déconnecter")
    await log_in(browser, PASSWORD)
    assert browser.http.cookies["__Host-session"] != first


async def test_nobody_is_sent_to_another_site(browser: Browser) -> None:
    page = await browser.get("/configurer?retour=//evil.example")
    assert "evil" not in page.source
    form = (await browser.get("/")).form("/configurer").fields
    for path in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        response = await browser.http.post(
            "/configurer", data={**form, "retour": path}, follow_redirects=False
        )
        assert response.headers["location"] == "/"


async def test_what_is_typed_is_not_run(browser: Browser) -> None:
    page = await log_in(browser, PASSWORD, matricule='"><script>x')
    assert page.status == 422
    assert "<script>x" not in page.source


@pytest.mark.parametrize("body", ["=" * 200_000, "&".join(["a=b"] * 100), "\udcff"])
async def test_a_body_that_is_no_form_of_ours_is_refused(browser: Browser, body: str) -> None:
    response = await browser.http.post("/", content=body.encode("utf-8", "surrogateescape"))
    assert response.status_code in (400, 413)


async def test_positions_are_all_that_a_request_tells(browser: Browser, app: FastAPI) -> None:
    sent: list[bytes] = []

    async def note(request: object) -> None:
        sent.append(bytes(request.content))  # type: ignore[attr-defined]

    browser.http.event_hooks["request"].append(note)
    page = await create(browser, await log_in(browser, PIN))
    assert page.path == "/mon-compte"
    told = b" ".join(sent)
    assert NEW.encode() not in told
    # The same keys on another page are other positions, but for one order in 3.6 million.
    orders = {(await browser.get("/mot-de-passe/changer")).order for _ in range(3)}
    assert len(orders) == 3


async def test_no_secret_is_in_an_address_a_log_or_the_database(
    browser: Browser, house: House, core: AuthService, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def note(response: object) -> None:
        seen.append(str(response.url))  # type: ignore[attr-defined]
        seen.append(response.headers.get("location", ""))  # type: ignore[attr-defined]

    browser.http.event_hooks["response"].append(note)
    page = await create(browser, await log_in(browser, PIN))
    assert page.path == "/mon-compte"
    out, err = capfd.readouterr()
    for secret in (PIN.secret, NEW):
        assert secret not in "".join((*seen, out, err))
    assert house.holders(NEW) == []


async def test_a_device_that_was_in_before_has_tries_of_its_own(
    browsers: MakeBrowser, house: House, core: AuthService
) -> None:
    owner = browsers("198.51.100.7")
    await log_in(owner, PASSWORD)
    page = await owner.get("/mon-compte")
    await owner.press(page, "/deconnexion", "Se déconnecter")
    stranger = browsers("203.0.113.9")
    for _ in range(5):
        await log_in(stranger, PASSWORD, secret="49205818")
    assert (await log_in(stranger, PASSWORD)).status == 403, "locked for strangers"
    assert (await log_in(owner, PASSWORD)).path == "/mon-compte"


async def test_a_try_on_the_web_counts_with_one_on_the_telephone(
    browser: Browser, core: AuthService
) -> None:
    ringing = Source(Channel.TELEPHONE, caller="0199001122")
    for _ in range(3):
        await core.authenticate(PASSWORD_HOLDER, Secret("11112222"), ringing)
    for _ in range(2):
        await log_in(browser, PASSWORD, secret="49205818")
    assert (await log_in(browser, PASSWORD)).status == 403
    assert not await is_in(core, PASSWORD_HOLDER, PASSWORD.secret, ringing)

"""What an app can do for somebody: the same verdicts as on the telephone and on the web."""

import pytest

from auth_core import AuthService, Secret
from tests.auth_core.conftest import OWNER, PASSWORD_HOLDER, PIN_HOLDER, WEB, House, is_in
from tests.portal.api.asking import BENALI, FERRI, GIRARD, MOREAU, Asking, problem

PASSWORD = "49205817"
NEW = "52917364"


async def test_a_password_opens_the_account(asking: Asking) -> None:
    response = await asking.log_in(BENALI, PASSWORD)
    assert response.status_code == 200
    token = response.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 12 * 3600)
    assert not token["must_create_password"]
    benali = Asking(asking.http, token["access_token"])
    account = (await benali("GET", "/account")).json()
    assert (account["caf"], account["matricule"]) == ("751", "…567")
    assert {each["availability"] for each in account["services"]} == {"available"}
    payments = (await benali("GET", "/account/payments?limit=2")).json()
    assert payments["availability"] == "available"
    assert [each["amount"] for each in payments["payments"]] == ["312.40", "148.52"]
    requests = (await benali("GET", "/account/requests")).json()
    assert requests["requests"]


async def test_a_code_opens_nothing_but_the_creation_of_a_password(
    asking: Asking, core: AuthService
) -> None:
    moreau = await asking.in_as(MOREAU, "4821")
    for path in ("/account", "/account/payments", "/account/requests"):
        assert problem(await moreau("GET", path)) == (403, "must-create-password")
    refused = await moreau("POST", "/account/certificates", key="1")
    assert problem(refused) == (403, "must-create-password")
    response = await moreau("PUT", "/account/password", {"secret": "4821", "new_password": NEW})
    assert response.status_code == 200
    assert problem(await moreau("GET", "/account")) == (401, "session-ended")
    with_password = Asking(asking.http, response.json()["access_token"])
    assert (await with_password("GET", "/account/payments")).status_code == 200
    assert await is_in(core, PIN_HOLDER, NEW, OWNER)
    assert not await is_in(core, PIN_HOLDER, "4821", OWNER), "not on the telephone either"


async def test_an_applicant_is_told_what_is_without_information(asking: Asking) -> None:
    body = {**FERRI, "secret": "70316284", "new_password": NEW}
    response = await asking("POST", "/passwords", body)
    assert response.status_code == 201
    inside = Asking(asking.http, response.json()["access_token"])
    payments = (await inside("GET", "/account/payments")).json()
    assert payments == {"availability": "no_information", "payments": []}
    assert problem(await inside("POST", "/account/certificates", key="1")) == (
        403,
        "not-accessible",
    )


async def test_an_expired_password_is_told_and_can_be_replaced(asking: Asking) -> None:
    response = await asking.log_in(GIRARD, "58147036")
    assert problem(response) == (403, "expired")
    assert response.json()["secret"] == "password"
    body = {**GIRARD, "secret": "58147036", "new_password": NEW}
    assert (await asking("POST", "/passwords", body)).status_code == 201
    assert (await asking.log_in(GIRARD, NEW)).status_code == 200


async def test_a_password_that_breaks_rules_is_told_every_reason(asking: Asking) -> None:
    body = {**BENALI, "secret": PASSWORD, "new_password": "11111111"}
    response = await asking("POST", "/passwords", body)
    assert problem(response) == (409, "unacceptable")
    assert [reason["code"] for reason in response.json()["reasons"]] == [
        "identical",
        "pattern",
        "common",
    ]
    assert "11111111" not in response.text


async def test_ten_refused_passwords_of_a_session_are_the_last(asking: Asking) -> None:
    benali = await asking.in_as(BENALI, PASSWORD)
    body = {"secret": PASSWORD, "new_password": "11111111"}
    for _ in range(10):
        assert problem(await benali("PUT", "/account/password", body)) == (409, "unacceptable")
    for chosen in ("11111111", NEW):
        body["new_password"] = chosen
        refused = await benali("PUT", "/account/password", body)
        assert problem(refused) == (429, "too-many-refusals")


async def test_a_token_alone_changes_no_password(asking: Asking, core: AuthService) -> None:
    benali = await asking.in_as(BENALI, PASSWORD)
    body = {"secret": "49205818", "new_password": NEW}
    assert problem(await benali("PUT", "/account/password", body)) == (401, "refused")
    assert (await core.show(PASSWORD_HOLDER, "tester")).failures == 1


async def test_who_logs_out_is_out(asking: Asking) -> None:
    benali = await asking.in_as(BENALI, PASSWORD)
    assert (await benali("POST", "/logout")).status_code == 204
    assert problem(await benali("GET", "/account")) == (401, "session-ended")


@pytest.mark.parametrize("by", ["sms", "letter"])
async def test_a_lost_secret_is_answered_alike_whoever_asks(
    asking: Asking, house: House, by: str
) -> None:
    answers = []
    for who in (MOREAU, {**MOREAU, "birth_day_month": "1503"}, {**MOREAU, "matricule": "9999999"}):
        response = await asking("POST", "/lost-passwords", {**who, "by": by})
        answers.append((response.status_code, response.content, sorted(response.headers)))
    assert answers == [answers[0]] * 3
    assert answers[0][0] == 202
    assert len(await house.outbox(PIN_HOLDER)) == 1
    provisional = await house.provisional(PIN_HOLDER)
    assert (await asking.log_in(MOREAU, provisional)).status_code == 200


async def test_a_certificate_asked_for_twice_with_one_key_is_asked_for_once(
    asking: Asking,
) -> None:
    benali = await asking.in_as(BENALI, PASSWORD)
    before = len((await benali("GET", "/account/requests")).json()["requests"])
    for _ in range(2):
        assert (await benali("POST", "/account/certificates", key="one")).status_code == 202
    after = (await benali("GET", "/account/requests")).json()["requests"]
    assert len(after) == before + 1


async def test_an_app_that_logged_in_before_has_an_allowance_of_its_own(
    asking: Asking, core: AuthService
) -> None:
    device = (await asking.log_in(BENALI, PASSWORD)).json()["device"]
    for _ in range(5):
        await core.authenticate(PASSWORD_HOLDER, Secret("49205818"), WEB)
    assert not await is_in(core, PASSWORD_HOLDER, PASSWORD), "strangers have locked it"
    assert problem(await asking.log_in(BENALI, PASSWORD)) == (401, "refused")
    again = await asking.log_in(BENALI, PASSWORD, device=device)
    assert again.status_code == 200
    assert again.json()["device"] == device
    assert again.json()["failures_since"] == 5

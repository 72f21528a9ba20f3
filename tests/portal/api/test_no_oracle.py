"""Over HTTP too: no answer tells one refusal from another, and no guess is free."""

import json

import pytest

from auth_core import AuthService
from portal.http import MAX_BODY
from tests.auth_core.conftest import (
    NO_MOBILE,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    House,
    guess,
    without_room,
)
from tests.portal.api.asking import BENALI, MOREAU, Asking, problem

LOCKED = {"postal_code": "75011", "matricule": "0567890"}


async def test_every_refusal_is_the_same_answer_after_the_same_time(
    asking: Asking, core: AuthService, house: House
) -> None:
    await guess(core, 5, NO_MOBILE)
    await core.close_file(PASSWORD_HOLDER, "tester")
    tries = {
        "wrong code": (MOREAU, "4822"),
        "password where a code is": (MOREAU, "49205817"),
        "unknown matricule": ({**MOREAU, "matricule": "9999999"}, "4821"),
        "another Caf": ({**MOREAU, "postal_code": "69003"}, "4821"),
        "no such postal code": ({**MOREAU, "postal_code": "00000"}, "4821"),
        "born on another day": ({**MOREAU, "birth_day_month": "1503"}, "4821"),
        "no such day": ({**MOREAU, "birth_day_month": "9999"}, "4821"),
        "locked": ({**MOREAU, **LOCKED}, "1593"),
        "closed": (BENALI, "49205817"),
    }
    seen = {}
    for name, (who, secret) in tries.items():
        for path, more in (("/login", {}), ("/passwords", {"new_password": "52917364"})):
            begun = house.monotonic
            response = await asking("POST", path, {**who, "secret": secret, **more})
            assert problem(response) == (401, "refused"), name
            took = round(house.monotonic - begun, 6)
            seen[name, path] = (response.content, response.headers.raw, took)
    one = next(iter(seen.values()))
    assert seen == dict.fromkeys(seen, one)
    assert one[2] == house.settings.failure_floor


async def test_an_address_that_fails_too_often_is_told_to_come_back_later(
    asking: Asking, house: House
) -> None:
    for number in range(60):
        who = {**MOREAU, "matricule": f"{8000000 + number}"}
        assert problem(await asking.log_in(who, "4821")) == (401, "refused")
    response = await asking.log_in(MOREAU, "4821")
    assert problem(response) == (429, "busy")
    assert response.headers["retry-after"] == "3600"
    house.advance(hours=1)
    assert (await asking.log_in(MOREAU, "4821")).status_code == 200


@pytest.mark.parametrize(
    "secret", ["", "482", "48211", "4920581", "492058170", "48a1", "４８２１", 4821, None]
)
async def test_what_cannot_be_a_secret_is_no_try_and_is_not_repeated(
    asking: Asking, core: AuthService, secret: object
) -> None:
    response = await asking("POST", "/login", {**BENALI, "secret": secret})
    assert problem(response) == (422, "malformed")
    assert response.json()["faults"] == [
        {"pointer": "/secret", "detail": "Value error, give 4 or 8 digits"}
    ]
    assert (await core.show(PASSWORD_HOLDER, "tester")).failures == 0


async def test_no_fault_repeats_what_was_sent(asking: Asking) -> None:
    sent = {
        "postal_code": "7501149205817",
        "matricule": "49205817",
        "birth_day_month": ["49205817"],
        "secret": "492058170",
    }
    response = await asking("POST", "/login", sent)
    assert problem(response) == (422, "malformed")
    assert "49205817" not in response.text
    response = await asking.http.post(
        "/api/v1/login",
        content=b'{"secret": "49205817',
        headers={"content-type": "application/json"},
    )
    assert problem(response) == (422, "malformed")
    assert "49205817" not in response.text


async def test_a_body_that_is_too_large_is_refused_unread(asking: Asking) -> None:
    response = await asking("POST", "/login", {**BENALI, "secret": "1" * MAX_BODY})
    assert problem(response) == (413, "too-large")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_login_has_no_other_way_than_its_body(asking: Asking, method: str) -> None:
    response = await asking(method, "/login?secret=49205817&matricule=0234567")
    assert problem(response) == (405, "method-not-allowed")
    assert "49205817" not in response.text


async def test_answers_are_kept_by_nobody_and_lead_nowhere(asking: Asking) -> None:
    for response in (await asking.log_in(BENALI, "49205817"), await asking("GET", "/nothing")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["content-disposition"] == 'attachment; filename="api.json"'
        assert not {"set-cookie", "access-control-allow-origin"} & set(response.headers)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_what_is_sent_as_something_else_is_not_read(
    asking: Asking, core: AuthService, media_type: str
) -> None:
    """A form of another site, above all, which a browser sends without asking."""
    response = await asking.http.post(
        "/api/v1/login",
        content=json.dumps({**BENALI, "secret": "49205818"}),
        headers={"content-type": media_type},
    )
    assert problem(response) == (415, "media-type")
    assert (await core.show(PASSWORD_HOLDER, "tester")).failures == 0


async def test_lost_secrets_of_many_files_are_not_sent_for_one_address(
    asking: Asking, house: House
) -> None:
    for number in range(20):
        who = {**MOREAU, "matricule": f"{8000000 + number}", "by": "sms"}
        assert (await asking("POST", "/lost-passwords", who)).status_code == 202
    response = await asking("POST", "/lost-passwords", {**MOREAU, "by": "sms"})
    assert (response.status_code, response.content) == (202, b"")
    assert await house.outbox(PIN_HOLDER) == []
    house.advance(days=1)
    await asking("POST", "/lost-passwords", {**MOREAU, "by": "sms"})
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_too_much_to_do_is_told_and_nothing_was_judged(
    asking: Asking, core: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_room(monkeypatch):
        response = await asking.log_in(MOREAU, "4822")
        asked = await asking("POST", "/lost-passwords", {**MOREAU, "by": "sms"})
    assert problem(response) == (503, "overloaded")
    assert response.headers["retry-after"] == "5"
    assert (await core.show(PIN_HOLDER, "tester")).failures == 0
    assert problem(asked) == (503, "overloaded")


async def test_a_failure_of_ours_tells_nobody_what_was_being_done(
    asking: Asking,
    core: AuthService,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("INSERT … 4821")

    monkeypatch.setattr(core, "authenticate", fail)
    response = await asking.log_in(MOREAU, "4821")
    assert problem(response) == (500, "broken")
    assert response.headers["content-security-policy"]
    told = capsys.readouterr()
    written = told.out + told.err
    assert "RuntimeError" in written
    assert "test_no_oracle.py:" in written
    assert "4821" not in written + response.text


async def test_no_secret_and_no_token_is_written_anywhere(
    asking: Asking, core: AuthService, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen, wrong = "52917364", "63820475"
    response = await asking(
        "POST", "/passwords", {**MOREAU, "secret": "4821", "new_password": chosen}
    )
    tokens = [response.json()["access_token"], response.json()["device"]]
    await asking.log_in(MOREAU, wrong)
    inside = await asking.in_as(MOREAU, chosen)
    assert inside.token is not None
    await inside("GET", "/account/payments")
    await inside("PUT", "/account/password", {"secret": wrong, "new_password": chosen})
    assert house.holders("4821", chosen, wrong) == []
    written = b"".join(file.read_bytes() for file in house.written())
    told = capfd.readouterr()
    for token in (*tokens, inside.token):
        assert token.encode() not in written
        assert token not in told.out + told.err
    for secret in ("4821", chosen, wrong):
        assert secret not in told.out + told.err

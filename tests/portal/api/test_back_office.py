"""What programs of the back office do: what their token allows, each act once, by a named agent."""

from typing import Any

import pytest

from auth_core import AuthService, Outcome, Scope, Secret
from tests.auth_core.conftest import (
    NO_MOBILE,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    WEB,
    House,
    guess,
    is_in,
)
from tests.portal.api.asking import BENALI, MARTIN, MOREAU, Asking, problem
from tests.portal.api.conftest import MakeClient

BODIES: dict[Scope, dict[str, Any]] = {
    Scope.SHOW: MARTIN,
    Scope.NIMS: MARTIN,
    Scope.AFFILIATE: MARTIN,
    Scope.CLOSE: MARTIN,
    Scope.UNLOCK: MARTIN,
    Scope.SEPARATION: {**MARTIN, "keeper": "beneficiary"},
    Scope.TRANSFER: {**MARTIN, "to_caf": "691"},
    Scope.REGISTER: {
        "postal_code": "75011",
        "name": "Inès Roux",
        "birth_date": "1999-04-30",
        "kind": "housing_aid",
        "mobile": "06 39 98 09 90",
    },
}
DONE = {Scope.SHOW: 200, Scope.TRANSFER: 200, Scope.REGISTER: 202}


@pytest.mark.parametrize("scope", Scope)
async def test_a_token_is_good_for_its_scopes_only(
    asking: Asking, client_with: MakeClient, scope: Scope
) -> None:
    other = await client_with(*(each for each in Scope if each is not scope), name="other")
    assert problem(await asking.act(scope, BODIES[scope])) == (401, "unknown-client")
    response = await other.act(scope, BODIES[scope])
    assert problem(response) == (403, "scope")
    assert response.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    client = await client_with(scope)
    response = await client.act(scope, BODIES[scope])
    assert response.status_code == DONE.get(scope, 204), response.text


async def test_what_was_not_allowed_is_logged_without_the_token(
    asking: Asking, client_with: MakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await client_with(Scope.SHOW)
    await client.act("nims", MARTIN)
    await Asking(asking.http, "invented").act("nims", MARTIN)
    told = capsys.readouterr()
    written = told.out + told.err
    assert "scope refused" in written
    assert "unknown client" in written
    assert "198.51.100.9" in written
    assert "invented" not in written
    assert client.token is not None
    assert client.token not in written


@pytest.mark.parametrize("scope", [each for each in Scope if each is not Scope.REGISTER])
async def test_an_unknown_file_is_told(client_with: MakeClient, scope: Scope) -> None:
    client = await client_with(scope)
    body = {**BODIES[scope], "matricule": "9999999"}
    response = await client.act(scope, body)
    assert problem(response) == (404, "unknown-file")
    assert "9999999" not in response.text


async def test_a_token_of_somebody_who_is_in_is_none_of_the_back_office(
    asking: Asking, client_with: MakeClient
) -> None:
    benali = await asking.in_as(BENALI, "49205817")
    assert problem(await benali.act("show", MARTIN)) == (401, "unknown-client")
    client = await client_with(*Scope)
    assert problem(await client("GET", "/account")) == (401, "session-ended")


async def test_nims_revokes_at_once_and_names_who_asked(
    core: AuthService, house: House, client_with: MakeClient
) -> None:
    client = await client_with(Scope.NIMS, Scope.SHOW)
    assert (await client.act("nims", MARTIN)).status_code == 204
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await is_in(core, PIN_HOLDER, await house.provisional(PIN_HOLDER))
    story = (await client("POST", "/back-office/show", MARTIN)).json()
    assert story["matricule"] == "…456"
    nims = next(entry for entry in story["entries"] if entry["act"] == "nims")
    assert nims["agent"] == "Mme Martin (nims)"
    shown = str(story)
    for hidden in ("0123456", "0639980123", "06 39 98 01 23", "Moreau", "4821"):
        assert hidden not in shown


async def test_an_act_with_the_same_key_is_done_once(house: House, client_with: MakeClient) -> None:
    client = await client_with(Scope.NIMS, Scope.TRANSFER)
    for _ in range(2):
        assert (await client.act("nims", MARTIN, key="one")).status_code == 204
    sent = [message.kind.value for message, _ in await house.outbox(PIN_HOLDER)]
    assert sent.count("secret") == 1
    body = BODIES[Scope.TRANSFER]
    first, second = [await client.act("transfer", body, key="two") for _ in range(2)]
    assert first.json()["caf"] == "691"
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert problem(await client.act("transfer", body, key="three")) == (404, "unknown-file")


async def test_a_key_that_came_with_another_request_is_a_conflict(
    core: AuthService, client_with: MakeClient
) -> None:
    client = await client_with(Scope.NIMS, Scope.CLOSE)
    assert (await client.act("nims", MARTIN, key="one")).status_code == 204
    other = {**MARTIN, "matricule": "0234567"}
    assert problem(await client.act("nims", other, key="one")) == (409, "key-reused")
    assert problem(await client.act("close", MARTIN, key="one")) == (409, "key-reused")
    assert await is_in(core, PASSWORD_HOLDER, "49205817")


async def test_an_act_without_a_key_is_not_done(core: AuthService, client_with: MakeClient) -> None:
    client = await client_with(Scope.NIMS)
    response = await client("POST", "/back-office/nims", MARTIN)
    assert problem(response) == (422, "malformed")
    assert response.json()["faults"][0]["pointer"] == "Idempotency-Key"
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_the_separation_is_for_the_couple(client_with: MakeClient) -> None:
    client = await client_with(Scope.SEPARATION)
    body = {**MARTIN, "matricule": "0567890", "keeper": "spouse"}
    response = await client.act("separation", body)
    assert problem(response) == (409, "not-possible")
    assert "who keeps the file" in response.json()["detail"]


async def test_unlock_and_close(core: AuthService, client_with: MakeClient) -> None:
    client = await client_with(Scope.UNLOCK, Scope.CLOSE)
    await guess(core, 5, NO_MOBILE)
    body = {**MARTIN, "matricule": "0567890"}
    assert (await client.act("unlock", body)).status_code == 204
    assert await is_in(core, NO_MOBILE, "1593")
    assert (await client.act("close", body)).status_code == 204
    assert not await is_in(core, NO_MOBILE, "1593")
    assert problem(await client.act("close", body)) == (409, "not-possible")


async def test_an_applicant_is_registered_at_the_end_of_an_on_line_application(
    core: AuthService, client_with: MakeClient
) -> None:
    client = await client_with(Scope.REGISTER, name="housing aid")
    body = BODIES[Scope.REGISTER]
    answers = [await client.act("register", body) for _ in range(2)]
    assert [(a.status_code, a.content) for a in answers] == [(202, b"")] * 2
    async with core._database.begin() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT count(*), count(DISTINCT file_id) FROM messages"
        )
        assert rows.one() == (2, 1), "a matricule and a secret, once"


async def test_an_application_that_is_not_complete_is_told(client_with: MakeClient) -> None:
    client = await client_with(Scope.REGISTER)
    for change in ({"mobile": None}, {"nir": "190077"}, {"postal_code": "00000"}):
        body = {**BODIES[Scope.REGISTER], **change}
        assert problem(await client.act("register", body)) == (409, "not-possible")


async def test_an_act_ends_the_app_s_session(asking: Asking, client_with: MakeClient) -> None:
    benali = await asking.in_as(BENALI, "49205817")
    client = await client_with(Scope.NIMS)
    await client.act("nims", {**MARTIN, "matricule": "0234567"})
    assert problem(await benali("GET", "/account")) == (401, "session-ended")


async def test_a_code_is_worth_the_same_on_every_channel(asking: Asking, core: AuthService) -> None:
    """The tries of the app count where those of the web do."""
    await guess(core, 3, PIN_HOLDER, WEB)
    for _ in range(2):
        assert problem(await asking.log_in(MOREAU, "0000")) == (401, "refused")
    verdict = await core.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert verdict.outcome is Outcome.REFUSED

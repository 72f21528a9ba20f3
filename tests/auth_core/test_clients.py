"""Programs of the back office: known by a token, allowed what they were given."""

from datetime import timedelta

import pytest

from auth_core import AuthError, AuthService, Channel, Scope, Source, UnknownClient
from tests.auth_core.conftest import House

OPERATOR = Source(Channel.BACK_OFFICE, agent="operator")
YEAR = timedelta(days=365)


async def test_a_token_names_its_program_and_what_it_may_do(core: AuthService) -> None:
    token = await core.clients.add("nims", [Scope.NIMS, Scope.SHOW], YEAR, OPERATOR)
    await core.clients.add("counter", [Scope.UNLOCK], YEAR, OPERATOR)
    client = await core.clients.of_token(token)
    assert (client.name, client.scopes) == ("nims", frozenset({Scope.NIMS, Scope.SHOW}))
    assert [each.name for each in await core.clients.all()] == ["counter", "nims"]


async def test_a_token_ends_with_its_time(core: AuthService, house: House) -> None:
    token = await core.clients.add("nims", [Scope.NIMS], timedelta(days=30), OPERATOR)
    house.advance(days=29, hours=23)
    await core.clients.of_token(token)
    house.advance(hours=1)
    with pytest.raises(UnknownClient):
        await core.clients.of_token(token)


async def test_a_new_token_and_a_removal_shut_the_old_one_out(core: AuthService) -> None:
    old = await core.clients.add("nims", [Scope.NIMS], YEAR, OPERATOR)
    new = await core.clients.add("nims", [Scope.NIMS], YEAR, OPERATOR)
    with pytest.raises(UnknownClient):
        await core.clients.of_token(old)
    await core.clients.of_token(new)
    await core.clients.remove("nims", OPERATOR)
    with pytest.raises(UnknownClient):
        await core.clients.of_token(new)
    with pytest.raises(UnknownClient):
        await core.clients.remove("nims", OPERATOR)


@pytest.mark.parametrize(
    ("name", "scopes", "validity"),
    [
        ("", [Scope.NIMS], YEAR),
        ("n\nims", [Scope.NIMS], YEAR),
        ("nims", [], YEAR),
        ("nims", [Scope.NIMS], timedelta(days=367)),
        ("nims", [Scope.NIMS], timedelta()),
    ],
)
async def test_what_cannot_be_a_client(
    core: AuthService, name: str, scopes: list[Scope], validity: timedelta
) -> None:
    with pytest.raises(AuthError):
        await core.clients.add(name, scopes, validity, OPERATOR)
    assert await core.clients.all() == []


async def test_no_token_lies_in_clear_on_the_disk(core: AuthService, house: House) -> None:
    token = await core.clients.add("nims", [Scope.NIMS], YEAR, OPERATOR)
    await core.clients.of_token(token)
    assert not [file for file in house.written() if token.encode() in file.read_bytes()]

"""Secrets at rest: bound to their file and kind, worth nothing without the pepper."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from auth_core import AuthService, Secret, SecretKind, credentials
from auth_core.credentials import Credential, Hasher, Params
from auth_core.keys import Keyring, length_prefixed
from auth_core.model import Slot
from auth_core.settings import Argon2Settings
from auth_core.store import repository
from tests.auth_core.conftest import PASSWORD_HOLDER, PIN_HOLDER, House, is_in

CHEAP = Argon2Settings(memory_kib=8, iterations=1)
PEPPER = Keyring("pepper", {1: b"p" * 32})
MOMENT = datetime(2026, 3, 2, tzinfo=UTC)


async def made(hasher: Hasher, digits: str = "49205817") -> Credential:
    return await hasher.make(
        Secret(digits),
        file_id="file-1",
        slot=Slot.LIVE,
        kind=SecretKind.PASSWORD,
        created_at=MOMENT,
        expires_at=None,
    )


async def test_a_secret_matches_what_it_was_made_from() -> None:
    hasher = Hasher(PEPPER, CHEAP, threads=1)
    credential = await made(hasher)
    assert await hasher.match(Secret("49205817"), [credential]) == credential
    assert await hasher.match(Secret("49205818"), [credential]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"file_id": "file-2"},
        {"kind": SecretKind.PROVISIONAL},
        {"salt": b"s" * 16},
        {"params": Params(9, 1, 1)},
        {"tag": b"t" * 32},
    ],
)
async def test_a_row_moved_or_relabelled_never_matches(change: dict[str, object]) -> None:
    hasher = Hasher(PEPPER, CHEAP, threads=1)
    credential = replace(await made(hasher), **change)  # type: ignore[arg-type]
    assert await hasher.match(Secret("49205817"), [credential]) is None


async def test_a_row_pasted_onto_another_file_lets_nobody_in(
    core: AuthService, house: House
) -> None:
    async with core._database.begin() as connection:
        held = await repository.credentials_of(connection, "demo-131-0123456")
        pasted = replace(held[Slot.LIVE], file_id="demo-751-0234567")
        await repository.put_credential(connection, pasted)
    assert not await is_in(core, PASSWORD_HOLDER, "83520641")


async def test_another_pepper_matches_nothing() -> None:
    credential = await made(Hasher(PEPPER, CHEAP, threads=1))
    other = Hasher(Keyring("pepper", {1: b"q" * 32}), CHEAP, threads=1)
    assert await other.match(Secret("49205817"), [credential]) is None


async def test_a_newer_pepper_leaves_old_secrets_right_and_outdated() -> None:
    credential = await made(Hasher(PEPPER, CHEAP, threads=1))
    rotated = Hasher(Keyring("pepper", {1: b"p" * 32, 2: b"q" * 32}), CHEAP, threads=1)
    assert await rotated.match(Secret("49205817"), [credential]) == credential
    assert rotated.outdated(credential)
    renewed = await rotated.renew(Secret("49205817"), credential)
    assert (renewed.id, renewed.key_version) == (credential.id, 2)
    assert not rotated.outdated(renewed)


async def test_a_login_hashes_again_when_the_cost_has_risen(house: House) -> None:
    core = await house.open(argon2={"memory_kib": 16, "iterations": 1})
    assert await is_in(core, PIN_HOLDER, "4821")
    async with core._database.begin() as connection:
        held = await repository.credentials_of(connection, "demo-751-0123456")
    assert held[Slot.LIVE].params == Params(16, 1, 1)
    assert await is_in(core, PIN_HOLDER, "4821")
    await core.close()


async def test_the_real_cost_of_a_guess_is_that_of_the_domain() -> None:
    hasher = Hasher(PEPPER, Argon2Settings(), threads=1)
    credential = await made(hasher)
    assert str(credential.params) == "argon2id,m=19456,t=2,p=1"
    assert await hasher.match(Secret("49205817"), [credential]) == credential


def test_params_read_back_what_they_write() -> None:
    params = Params(19456, 2, 1)
    assert Params.parse(str(params)) == params
    with pytest.raises(ValueError, match="argon2id"):
        Params.parse("scrypt,n=1")


def test_a_secret_does_not_leak_by_pickle_or_exception() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("49205817"))
    with pytest.raises(ValueError, match="64") as caught:
        Secret("4" * 65)
    assert "4444" not in str(caught.value)


def test_fields_cannot_flow_into_one_another() -> None:
    assert length_prefixed(b"ab", b"c") != length_prefixed(b"a", b"bc")


def test_provisionals_are_eight_digits_and_differ() -> None:
    drawn = {credentials.written_into("{secret}", credentials.random_provisional()) for _ in "1234"}
    assert len(drawn) == 4
    assert all(len(digits) == 8 and digits.isdigit() for digits in drawn)

"""What an advisor learns of a transferred call: whose file it is, once, for ten minutes."""

import pytest

from auth_core import AuthError, AuthService, Secret, Session, SessionEnded
from tests.auth_core.conftest import OWNER, PIN_HOLDER, WEB, House

NEW = "52917364"


async def session_of(core: AuthService) -> Session:
    verdict = await core.authenticate(PIN_HOLDER, Secret("4821"), OWNER)
    assert verdict.session is not None
    return verdict.session


async def test_a_reference_names_the_file_once(core: AuthService) -> None:
    reference = await core.transfer_reference(await session_of(core))
    assert PIN_HOLDER.matricule not in reference
    assert await core.redeem_reference(reference, "M. Petit") == PIN_HOLDER
    assert await core.redeem_reference(reference, "M. Petit") is None


async def test_a_reference_lives_ten_minutes(core: AuthService, house: House) -> None:
    references = [await core.transfer_reference(await session_of(core)) for _ in range(2)]
    house.advance(minutes=9, seconds=59)
    assert await core.redeem_reference(references[0], "M. Petit") == PIN_HOLDER
    house.advance(seconds=1)
    assert await core.redeem_reference(references[1], "M. Petit") is None


@pytest.mark.parametrize("reference", ["", "é" * 200, "0" * 22])
async def test_an_invented_reference_names_nothing(core: AuthService, reference: str) -> None:
    await core.transfer_reference(await session_of(core))
    assert await core.redeem_reference(reference, "M. Petit") is None


async def test_who_redeems_is_named_and_kept(core: AuthService) -> None:
    reference = await core.transfer_reference(await session_of(core))
    with pytest.raises(AuthError, match="agent"):
        await core.redeem_reference(reference, " ")
    await core.redeem_reference(reference, "M. Petit")
    entries = (await core.show(PIN_HOLDER, "tester")).entries
    told = [(entry.act, entry.agent) for entry in entries[1:3]]
    assert told == [("reference_redeemed", "M. Petit"), ("transfer_reference", None)]


async def test_a_session_that_is_over_gets_none(core: AuthService) -> None:
    session = await session_of(core)
    await core.create_password(PIN_HOLDER, Secret("4821"), Secret(NEW), WEB)
    with pytest.raises(SessionEnded):
        await core.transfer_reference(session)


async def test_no_reference_lies_in_clear_on_the_disk(core: AuthService, house: House) -> None:
    reference = await core.transfer_reference(await session_of(core))
    for file in (house.folder / "var").iterdir():
        assert reference.encode() not in file.read_bytes()

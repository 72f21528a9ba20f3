"""The audit trail: every act, no secret, and no change unseen."""

import pytest

from auth_core import AuthError, AuthService, Secret, UnknownFile
from auth_core.store.audit import Act
from tests.auth_core.conftest import (
    NOBODY,
    PIN_HOLDER,
    STRANGER,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
)


async def test_every_act_leaves_an_entry(core: AuthService) -> None:
    await guess(core, 1)
    await is_in(core, PIN_HOLDER, "4821", STRANGER)
    await ask_provisional(core)
    await core.create_password(PIN_HOLDER, Secret("4821"), Secret("11111111"), WEB)
    await core.create_password(PIN_HOLDER, Secret("4821"), Secret("52917364"), WEB)
    await core.unlock(PIN_HOLDER, "M. Dupont")
    story = await core.show(PIN_HOLDER, "Mme Martin")
    told = [(entry.act, entry.channel, entry.agent) for entry in reversed(story.entries)]
    assert told == [
        (Act.DEMO_RESET, "back_office", None),
        (Act.LOGIN_REFUSED, "web", None),
        (Act.LOGIN_GRANTED, "telephone", None),
        (Act.LOST_PASSWORD, "web", None),
        (Act.LOGIN_GRANTED, "web", None),
        (Act.PASSWORD_REFUSED, "web", None),
        (Act.LOGIN_GRANTED, "web", None),
        (Act.PASSWORD_CREATED, "web", None),
        (Act.UNLOCKED, "back_office", "M. Dupont"),
        (Act.SHOWN, "back_office", "Mme Martin"),
    ]
    assert story.entries[-3].reference == "call-1"
    assert await core.verify_audit() is None


async def test_an_agent_is_told_why_a_try_was_refused(core: AuthService) -> None:
    await is_in(core, PIN_HOLDER, "48215555")
    await guess(core, 6)
    story = await core.show(PIN_HOLDER, "tester")
    reasons = [e.detail["reason"] for e in story.entries if e.act == Act.LOGIN_REFUSED]
    assert reasons == ["locked", *["wrong"] * 5, "length"]


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE audit SET detail = '{}' WHERE number = 9", 9),
        ("UPDATE audit SET agent = '' WHERE number = 9", 9),
        ("UPDATE audit SET file_id = NULL WHERE number = 9", 9),
        ("DELETE FROM audit WHERE number = 8", 8),
        ("DELETE FROM audit WHERE number = 11", 11),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET number = number + 1 WHERE number = 11", 11),
    ],
)
async def test_a_change_of_the_trail_is_found(
    core: AuthService, house: House, statement: str, first: int
) -> None:
    await guess(core, 4)
    assert await core.verify_audit() is None
    await house.execute(statement)
    assert await core.verify_audit() == first


async def test_an_entry_cannot_be_added_without_the_pepper(core: AuthService, house: House) -> None:
    await house.execute(
        "INSERT INTO audit SELECT 8, at, 'unlocked', file_id, channel, agent, reference, detail, "
        "key_version, mac FROM audit WHERE number = 7",
    )
    await house.execute("UPDATE audit_head SET number = 8")
    assert await core.verify_audit() == 8


async def test_back_office_acts_need_a_file_and_an_agent(core: AuthService) -> None:
    with pytest.raises(UnknownFile, match="…999"):
        await core.show(NOBODY, "tester")
    with pytest.raises(UnknownFile):
        await core.unlock(NOBODY, "tester")
    with pytest.raises(AuthError, match="agent"):
        await core.unlock(PIN_HOLDER, "  ")

"""How logins of today went, counted from the audit trail."""

from auth_core import AuthService
from tests.auth_core.conftest import (
    APPLICANT,
    EXPIRED_PASSWORD,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    STRANGER,
    House,
    guess,
    is_in,
)


async def test_each_login_by_telephone_counts_once_by_its_outcome(core: AuthService) -> None:
    assert await core.telephone_logins() == {}
    assert await is_in(core, PIN_HOLDER, "4821", STRANGER)
    assert await is_in(core, PASSWORD_HOLDER, "49205817", STRANGER)
    assert await core.telephone_logins() == {"granted_pin": 1, "granted_password": 1}
    assert await is_in(core, APPLICANT, "70316284", STRANGER)
    await is_in(core, EXPIRED_PASSWORD, "58147036", STRANGER)
    await is_in(core, PIN_HOLDER, "48215555", STRANGER)
    await guess(core, 6, PIN_HOLDER, STRANGER)
    await guess(core, 2)  # by the web
    assert await core.telephone_logins() == {
        "granted_pin": 1,
        "granted_password": 1,
        "granted_provisional": 1,
        "expired": 1,
        "refused_wrong": 5,
        "refused_locked": 1,
        "refused_other": 1,
    }


async def test_a_day_begins_at_midnight_in_paris(core: AuthService, house: House) -> None:
    assert await is_in(core, PIN_HOLDER, "4821", STRANGER)
    assert await core.telephone_logins() == {"granted_pin": 1}
    house.advance(hours=24)
    assert await core.telephone_logins() == {}
    await guess(core, 1, PIN_HOLDER, STRANGER)
    again = await house.open()  # after a restart
    assert await again.telephone_logins() == {"refused_wrong": 1}
    await again.close()

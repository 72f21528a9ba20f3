"""A new pepper around the old one: nobody notices, and the old one alone is of no use any more."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from auth_core import AuthError, AuthService, Channel, Scope, Secret, Source
from auth_core.cli import main
from auth_core.credentials import Credential, Hasher
from auth_core.installation import PEPPER
from auth_core.keys import Keyring, read_key_file
from auth_core.model import Identity, Slot
from auth_core.rotation import prepare, rotate
from auth_core.store import repository, tables
from auth_core.store.database import Database
from tests.auth_core.conftest import (
    NO_MOBILE,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    SAME_MATRICULE,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
)

AGENT = "Mme Martin"


@pytest_asyncio.fixture
async def running(house: House) -> AsyncIterator[AuthService]:
    """A core that was there before the rotation."""
    service = await house.open()
    yield service
    await service.close()


async def stored(house: House, identity: Identity = PIN_HOLDER) -> Credential:
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        held = await repository.credentials_of(
            connection, f"demo-{identity.caf}-{identity.matricule}"
        )
    await database.close()
    return held[Slot.LIVE]


async def test_every_secret_opens_as_before_and_a_wrong_one_does_not(house: House) -> None:
    assert await rotate(house.settings, AGENT, house.clock) == (2, 7)
    core = await house.open()
    for identity, secret in (
        (PIN_HOLDER, "4821"),
        (PASSWORD_HOLDER, "49205817"),
        (NO_MOBILE, "1593"),
        (SAME_MATRICULE, "83520641"),
    ):
        assert (await stored(house, identity)).outer_versions == (2,)
        assert not await is_in(core, identity, "0" * len(secret))
        assert await is_in(core, identity, secret)
        again = await stored(house, identity)
        assert (again.key_version, again.outer_versions) == (2, ()), "hashed anew at the login"
        assert await is_in(core, identity, secret)
    assert await core.verify_audit() is None
    await core.close()


async def test_rotations_lie_around_one_another(house: House) -> None:
    for version in (2, 3, 4):
        assert await rotate(house.settings, AGENT, house.clock) == (version, 7)
    assert (await stored(house)).outer_versions == (2, 3, 4)
    core = await house.open()
    assert await is_in(core, PIN_HOLDER, "4821")
    await core.close()


async def test_the_old_pepper_alone_checks_no_guess_any_more(house: House) -> None:
    await rotate(house.settings, AGENT, house.clock)
    whole = read_key_file(house.settings.pepper_file, PEPPER)
    credential = await stored(house)
    without = replace(credential, outer_versions=())
    hasher = Hasher(whole, house.settings.argon2, 1)
    old = Hasher(Keyring(PEPPER, {1: whole.key(1)}), house.settings.argon2, 1)
    assert await hasher.match(Secret("4821"), [credential]) is not None
    assert await hasher.match(Secret("4821"), [without]) is None
    with pytest.raises(AuthError, match="lacks version 2"):
        await old.match(Secret("4821"), [credential])
    hasher.close()
    old.close()


async def test_a_row_of_another_file_is_worthless_under_two_peppers_too(house: House) -> None:
    await rotate(house.settings, AGENT, house.clock)
    core = await house.open()
    columns = [c.name for c in tables.credentials.c if c.name not in ("file_id", "slot", "id")]
    source = "(SELECT {} FROM credentials WHERE file_id = 'demo-751-0234567' AND slot = 'live')"
    changes = ", ".join(f'"{name}" = {source.format(name)}' for name in columns)
    await house.execute(
        f"UPDATE credentials SET {changes} WHERE file_id = 'demo-131-0123456' AND slot = 'live'"
    )
    assert not await is_in(core, SAME_MATRICULE, "49205817")
    assert await is_in(core, PASSWORD_HOLDER, "49205817")
    await core.close()


async def test_a_running_server_goes_on(house: House, running: AuthService) -> None:
    assert await is_in(running, PASSWORD_HOLDER, "49205817")
    await guess(running, 2)
    await rotate(house.settings, AGENT, house.clock)
    assert await is_in(running, PIN_HOLDER, "4821")
    assert await is_in(running, PASSWORD_HOLDER, "49205817")
    assert await running.verify_audit() is None


async def test_known_devices_and_a_pending_provisional_are_still_known(
    house: House, running: AuthService
) -> None:
    device = replace(WEB, device="a-browser")
    assert await is_in(running, PIN_HOLDER, "4821", device)
    await ask_provisional(running)
    provisional = await house.provisional(PIN_HOLDER)
    await rotate(house.settings, AGENT, house.clock)
    core = await house.open()
    await guess(core, 5)
    assert not await is_in(core, PIN_HOLDER, "4821"), "locked to strangers"
    assert await is_in(core, PIN_HOLDER, provisional, device)
    await core.close()


async def test_tokens_of_apps_and_programs_are_still_known(
    house: House, running: AuthService
) -> None:
    verdict = await running.authenticate(PIN_HOLDER, Secret("4821"), WEB)
    assert verdict.session is not None
    of_app = await running.app_tokens.issue(verdict.session)
    operator = Source(Channel.BACK_OFFICE, agent="operator")
    day = timedelta(days=1)
    of_program = await running.clients.add("nims", [Scope.NIMS], day, operator)
    await rotate(house.settings, AGENT, house.clock)
    core = await house.open()
    assert await core.app_tokens.session_of(of_app) == verdict.session
    assert (await core.clients.of_token(of_program)).name == "nims"
    await core.close()


async def test_an_interrupted_rotation_is_gone_on_with(house: House) -> None:
    await rotate(house.settings, AGENT, house.clock)
    await house.execute(
        "UPDATE credentials SET outer_versions = '' WHERE file_id = 'demo-751-0567890'"
    )
    assert await rotate(house.settings, AGENT, house.clock, resume=True) == (2, 1)
    assert await rotate(house.settings, AGENT, house.clock, resume=True) == (2, 0)


async def test_a_key_that_is_prepared_is_used_by_nobody_until_it_is_everywhere(
    house: House,
) -> None:
    assert await prepare(house.settings) == 2
    assert await prepare(house.settings) == 2
    core = await house.open()
    assert await is_in(core, PIN_HOLDER, "4821")
    assert (await stored(house)).newest_version == 1
    await core.close()
    assert await rotate(house.settings, AGENT, house.clock) == (2, 7)


async def test_the_file_of_before_refuses_to_start(house: House) -> None:
    saved = house.folder / "saved.key"
    shutil.copy(house.settings.pepper_file, saved)
    await rotate(house.settings, AGENT, house.clock)
    assert house.settings.pepper_file.stat().st_mode & 0o077 == 0
    shutil.copy(saved, house.settings.pepper_file)
    with pytest.raises(AuthError, match="not the pepper"):
        await house.open()


def test_the_command(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = house.folder / "config.yaml"
    config.write_text(
        "auth: {argon2: {memory_kib: 8, iterations: 1}}\n"
        if not house.stores
        else f"auth:\n  database_url: {house.settings.database_url}\n"
    )
    given = ["auth-core", "rotate-pepper", "--agent", AGENT, "-c", str(config), "--json"]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    told = json.loads(capsys.readouterr().out)
    assert told == {"ok": True, "version": 2, "secrets": 7}
    core = asyncio.run(_story_acts(house))
    assert "pepper_rotated" in core


async def _story_acts(house: House) -> str:
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        rows = await connection.exec_driver_sql("SELECT act FROM audit")
        acts = ",".join(row.act for row in rows)
    await database.close()
    return acts

"""What has been kept for long enough goes, and nothing else; the trail stays one that can be
verified."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from auth_core import AuthService
from auth_core.delivery.settings import DeliverySettings
from auth_core.retention import Holdings, PurgeReport, RetentionSettings, load_holdings, purge
from auth_core.store.database import Database
from tests.auth_core.conftest import (
    PASSWORD_HOLDER,
    PIN_HOLDER,
    STRANGER,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
)

NOTHING = PurgeReport(audit=0, throttles=0, messages=0, past=0, letters=0, records=0)


def holdings(house: House, **keep: int) -> Holdings:
    return Holdings(
        house.settings,
        DeliverySettings().relative_to(house.folder),
        RetentionSettings(**keep),
        house.folder / "var" / "records.jsonl",
    )


async def purged(house: House, **keep: int) -> PurgeReport:
    return await purge(holdings(house, **keep), "nightly", house.clock)


async def count(house: House, table: str) -> int:
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        found = (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar()
    await database.close()
    return int(found or 0)


async def test_what_is_young_stays(core: AuthService, house: House) -> None:
    await guess(core, 2, source=STRANGER)
    await ask_provisional(core)
    house.advance(days=29)
    assert await purged(house) == NOTHING
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_tries_of_callers_go_after_30_days(core: AuthService, house: House) -> None:
    await guess(core, 2, source=STRANGER)
    house.advance(days=31)
    report = await purged(house)
    assert report.throttles == 2, "of the number, and of all together"
    assert await count(house, "caller_throttles") == 0
    story = await core.show(PIN_HOLDER, "tester")
    assert story.failures == 2, "those of a file count until it is opened"


async def test_messages_that_left_or_never_will_go_and_those_that_wait_stay(
    core: AuthService, house: House
) -> None:
    await ask_provisional(core)
    house.advance(minutes=16)
    await ask_provisional(core)  # the first is superseded
    house.advance(days=31)
    assert (await purged(house)).messages == 1
    assert len(await house.outbox(PIN_HOLDER)) == 1


async def test_the_trail_without_its_beginning_is_whole(core: AuthService, house: House) -> None:
    await guess(core, 3)
    house.advance(days=364)
    await guess(core, 2)
    house.advance(days=3)
    report = await purged(house)
    assert report.audit == 3 + 7  # the demo was laid down by seven entries
    assert await core.verify_audit() is None
    assert await purged(house) == NOTHING
    await is_in(core, PASSWORD_HOLDER, "49205817")
    assert await core.verify_audit() is None
    story = await core.show(PIN_HOLDER, "tester")
    assert [entry.act for entry in story.entries].count("login_refused") == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE number = 11",
        "DELETE FROM audit_anchor",
        "UPDATE audit_anchor SET number = 11, mac = (SELECT mac FROM audit WHERE number = 11)",
        "UPDATE audit SET detail = '{}' WHERE number = 12",
    ],
)
async def test_nobody_else_takes_entries_away_unseen(
    core: AuthService, house: House, statement: str
) -> None:
    await guess(core, 3)
    house.advance(days=364)
    await guess(core, 3)
    house.advance(days=3)
    assert (await purged(house)).audit == 10
    await house.execute(statement)
    if "UPDATE audit_anchor" in statement:
        await house.execute("DELETE FROM audit WHERE number = 11")
    assert await core.verify_audit() is not None


async def test_the_whole_trail_may_go(core: AuthService, house: House) -> None:
    house.advance(days=400)
    assert (await purged(house)).audit == 7
    assert await core.verify_audit() is None


async def test_devices_that_came_no_more_are_forgotten(core: AuthService, house: House) -> None:
    device = type(WEB)(WEB.channel, device="a-browser")
    assert await is_in(core, PIN_HOLDER, "4821", device)
    house.advance(days=364)
    assert (await purged(house)).past == 0
    house.advance(days=3)
    assert (await purged(house)).past == 1


async def test_call_records_go_by_the_month(house: House) -> None:
    var = house.folder / "var"
    for name in (
        "records.jsonl",
        "records-2026-02.jsonl",
        "records-2025-03.jsonl",
        "records-2025-02.jsonl",
        "records-2024-12.jsonl",
        "records-of-mine.jsonl",
    ):
        (var / name).write_text("{}\n")
    house.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert (await purged(house)).records == 2
    left = {file.name for file in var.glob("records*")}
    assert left == {
        "records.jsonl",
        "records-2026-02.jsonl",
        "records-2025-03.jsonl",
        "records-of-mine.jsonl",
    }


async def test_many_rows_go_in_several_transactions(
    core: AuthService, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth_core.retention.BATCH", 2)
    await guess(core, 5)
    house.advance(days=400)
    assert (await purged(house)).audit == 12
    assert await core.verify_audit() is None


@pytest.mark.sqlite_only("of the file of settings")
async def test_the_section_of_the_configuration(tmp_path: Path, house: House) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("retention: {letters_days: 3}\nrecords: kept/calls.jsonl\n")
    found = load_holdings(file)
    assert found.retention == RetentionSettings(letters_days=3)
    assert found.records == tmp_path / "kept" / "calls.jsonl"

"""Case files from a CSV: all of a file or nothing of it, each fault with its line."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from auth_core import AuthService, DeliveryChoice, Identity
from auth_core.delivery.outbox import MessageKind
from auth_core.importing.files import Imported
from auth_core.importing.rows import ImportedFile, RowFault, read_files
from auth_core.importing.run import import_files
from auth_core.model import BirthDate, CaseFile, FileStatus, Role
from auth_core.store import repository
from auth_core.store.database import Database
from tests.auth_core.conftest import PIN_HOLDER, House, ask_provisional, is_in
from tests.auth_core.test_cli import Run, folder, run

__all__ = ["folder", "run"]

HEADER = (
    "caf;matricule;status;role;name;birth_date;nir;phones;phones_since;address;postal_code;city"
)
FIRST = (
    "751;7000001;affiliated;beneficiary;Anne Roux;1980-02-29;2 80 02 75 011 001;"
    "06 39 98 11 11 / 01 99 00 11 11;2020-01-01;4 rue Oberkampf|Bât. B;75011;PARIS"
)
SPOUSE = "751;7000001;affiliated;spouse;Luc Roux;1979-00-00;;;;;;"
SECOND = (
    "131;7000001;applicant;beneficiary;Zoé Bel;;;06 39 98 22 22;;1 quai du Port;13002;MARSEILLE"
)
ANNE = Identity("751", "7000001")


def told(*rows: str) -> list[str]:
    """The faults of a CSV of these rows."""
    items = read_files(f"{row}\r\n" for row in (HEADER, *rows))
    return [str(fault) for item in items if isinstance(item, list) for fault in item]


class Importer:
    """Imports rows into a house, and reads what is there."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.faults: list[RowFault] = []

    async def take(self, *rows: str) -> Imported:
        lines = [f"{row}\n" for row in (HEADER, *rows)]
        settings, clock = self._house.settings, self._house.clock
        return await import_files(settings, lines, "Mme Martin", clock, self.faults.append)

    async def file(self, identity: Identity) -> CaseFile | None:
        database = Database(self._house.settings.database_url)
        async with database.begin() as connection:
            found = await repository.find_file(connection, identity)
            whole = None if found is None else await repository.with_people(connection, found)
        await database.close()
        return whole


@pytest.fixture
def importer(house: House) -> Importer:
    return Importer(house)


@pytest_asyncio.fixture
async def anne(importer: Importer) -> AsyncIterator[CaseFile]:
    await importer.take(FIRST, SPOUSE)
    found = await importer.file(ANNE)
    assert found is not None
    yield found


async def test_files_come_in_with_their_people(importer: Importer) -> None:
    assert await importer.take(FIRST, SPOUSE, SECOND) == Imported(created=2)
    found = await importer.file(ANNE)
    assert found is not None
    assert found.status is FileStatus.AFFILIATED
    assert [(p.role, p.name, p.birth_date, p.nir_prefix) for p in found.persons] == [
        (Role.BENEFICIARY, "Anne Roux", BirthDate(1980, 2, 29), "28002750"),
        (Role.SPOUSE, "Luc Roux", BirthDate(1979, 0, 0), ""),
    ]
    assert [phone.number for phone in found.phones] == ["06 39 98 11 11", "01 99 00 11 11"]
    assert found.addresses[0].lines == ("4 rue Oberkampf", "Bât. B")
    assert await importer.file(Identity("131", "7000001")) is not None


async def test_importing_again_brings_up_to_date_and_keeps_the_secret(
    importer: Importer, house: House, core: AuthService
) -> None:
    row = "751;0123456;affiliated;beneficiary;Camille Moreau-Petit;1985-03-14;;+33639980123;;;;"
    assert await importer.take(row) == Imported(updated=1)
    found = await importer.file(PIN_HOLDER)
    assert found is not None
    assert found.persons[0].name == "Camille Moreau-Petit"
    assert found.addresses == ()
    assert house.now - found.phones[0].changed_at > timedelta(days=300)
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_a_number_that_is_new_is_a_new_one(importer: Importer, house: House) -> None:
    await importer.take("751;0123456;affiliated;beneficiary;Camille Moreau;;;0639980999;;;;")
    found = await importer.file(PIN_HOLDER)
    assert found is not None
    assert found.phones[0].changed_at == house.now


OLD_MOBILE, NEW_MOBILE = "+33639980123", "06 39 98 09 99"
CAMILLE = (
    "751;0123456;affiliated;beneficiary;Camille Moreau;1985-03-14;;{number};{since};"
    "3 rue X;75011;PARIS"
)


@pytest.mark.parametrize("since", ["", "2024-01-01"])  # the second: older than the old number
async def test_a_mobile_that_an_import_changed_gets_no_secret_and_the_old_one_is_told(
    importer: Importer, core: AuthService, house: House, since: str
) -> None:
    row = CAMILLE.format(number=NEW_MOBILE, since=since)
    await importer.take(row)
    house.advance(days=3)
    await importer.take(row)  # the same again is no change, and forgets none
    await ask_provisional(core)
    sent = {m.kind: m.destination for m, _ in await house.outbox(PIN_HOLDER)}
    assert sent[MessageKind.SECRET].way is DeliveryChoice.LETTER
    assert sent[MessageKind.SECRET_REQUESTED].address == OLD_MOBILE
    house.advance(days=4)
    await ask_provisional(core)
    last, _ = (await house.outbox(PIN_HOLDER))[-1]
    assert (last.kind, last.destination.address) == (MessageKind.SECRET, "+33639980999")


async def test_changed_twice_in_a_week_the_settled_mobile_is_told(
    importer: Importer, house: House
) -> None:
    await importer.take(CAMILLE.format(number=NEW_MOBILE, since=""))
    house.advance(days=2)
    await importer.take(CAMILLE.format(number="06 39 98 08 88", since=""))
    found = await importer.file(PIN_HOLDER)
    assert found is not None
    assert [phone.previous for phone in found.phones] == ["06 39 98 01 23"]


async def test_nobody_is_told_of_anothers_number(importer: Importer) -> None:
    await importer.take(CAMILLE.format(number=OLD_MOBILE, since=""))
    other = CAMILLE.replace("Camille Moreau", "Luc Roux").replace("1985-03-14", "1979-01-01")
    await importer.take(other.format(number=NEW_MOBILE, since=""))
    found = await importer.file(PIN_HOLDER)
    assert found is not None
    assert [phone.previous for phone in found.phones] == [None]


async def test_an_imported_file_gets_a_provisional(
    anne: CaseFile, core: AuthService, house: House
) -> None:
    await ask_provisional(core, ANNE, "2902", DeliveryChoice.SMS)
    async with core._database.begin() as connection:
        held = await repository.credentials_of(connection, anne.id)
    assert len(held) == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (FIRST.replace("7000001", "70001"), "2: matricule: give 7 digits"),
        (FIRST.replace("1980-02-29", "1981-02-29"), "2: birth_date: no date"),
        (FIRST.replace("2 80 02", "2 80"), "2: nir: not one"),
        (FIRST.replace("/ 01", "/ ext. 01"), "2: phones: not telephone numbers"),
        (FIRST.replace("75011;PARIS", "75;PARIS"), "2: postal_code: give 5 digits"),
        (FIRST.replace(";PARIS", ";"), "2: address: give address, postal_code and city"),
        (FIRST.replace("affiliated", "dead"), "2: status: give applicant or affiliated"),
        (FIRST.replace("beneficiary", "child"), "2: role: a file has one beneficiary"),
        (FIRST + ";", "2: not as many columns"),
        (FIRST[:30], "2: not as many columns"),
    ],
)
def test_a_fault_is_told_with_its_line_and_not_its_value(row: str, fault: str) -> None:
    faults = told(row)
    assert any(text.startswith(fault) for text in faults), faults
    for value in ("70001", "1981", "Anne", "0639", "06 39", "dead"):
        assert not any(value in text for text in faults)


async def test_a_faulty_row_leaves_its_whole_file_out_and_no_other(importer: Importer) -> None:
    done = await importer.take(FIRST, SPOUSE + ";too much", SECOND)
    assert done == Imported(created=1, refused=1)
    assert [fault.line for fault in importer.faults] == [3]
    assert await importer.file(ANNE) is None


def test_rows_of_one_file_stand_together() -> None:
    assert (
        "4: matricule: the rows of this file do not stand together"
        in told(FIRST, SECOND, SPOUSE)[0]
    )


def test_a_header_tells_what_it_lacks() -> None:
    (faults,) = read_files(["caf;matricule;role;nom\n", "x\n"])
    assert isinstance(faults, list)
    assert sorted(map(str, faults)) == [
        "1: name: missing; add this column",
        "1: nom: unknown column; remove it",
        "1: status: missing; add this column",
    ]


def test_commas_and_a_byte_order_mark_are_read() -> None:
    lines = ["\ufeffcaf,matricule,status,role,name\n", "751,7000001,affiliated,beneficiary,A\n"]
    (file,) = read_files(lines)
    assert isinstance(file, ImportedFile)


async def test_a_matricule_that_a_transfer_left_is_refused(
    importer: Importer, core: AuthService
) -> None:
    await core.transfer(PIN_HOLDER, "131", "Mme Martin")
    done = await importer.take("751;0123456;affiliated;beneficiary;X;;;;;;;")
    assert done == Imported(refused=1)
    assert "never given again" in importer.faults[0].what


def test_the_command_tells_and_exits(run: Run, folder: Path) -> None:
    file = folder / "files.csv"
    file.write_text(f"{HEADER}\n{SECOND}\n{FIRST[:40]}\n", encoding="utf-8")
    code, out, err = run(folder, "import", str(file), "--agent", "Mme Martin", "--json")
    assert code == 1
    assert (json.loads(out)["created"], json.loads(out)["refused"]) == (1, 1)
    assert f"{file}:3: not as many columns" in err
    file.write_bytes(HEADER.encode() + b"\n\xff\n")
    code, _, err = run(folder, "import", str(file), "--agent", "Mme Martin")
    assert (code, "UTF-8" in err) == (2, True)

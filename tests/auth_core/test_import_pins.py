"""PINs from another system: sealed on the way, each given once, never to who holds a secret."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from auth_core import AuthError, AuthService, Identity, Secret
from auth_core.importing import sealed
from auth_core.importing.pins import PinCounts, PinReport, import_pins
from auth_core.importing.rows import RowFault
from auth_core.importing.run import import_files
from auth_core.keys import Keyring, ensure_key_file, read_key_file
from tests.auth_core.conftest import (
    PASSWORD_HOLDER,
    PIN_HOLDER,
    WEB,
    House,
    ask_provisional,
    guess,
    is_in,
)
from tests.auth_core.test_cli import AGENT, Run, folder, run

__all__ = ["folder", "run"]

SENTINEL = "sentinel-of-a-line"
COLUMNS = "caf;matricule;status;role;name;birth_date;address;postal_code;city"


def matricule(number: int) -> str:
    return f"{8_000_000 + number}"


def new(number: int) -> Identity:
    return Identity("751", matricule(number))


class Pins:
    """Seals and imports PINs in a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.key = house.folder / "var" / "pins.key"
        ensure_key_file(self.key)
        self.file = house.folder / "pins.sealed"
        self.faults: list[RowFault] = []

    @property
    def keyring(self) -> Keyring:
        return read_key_file(self.key, sealed.PURPOSE)

    async def files(self, count: int) -> None:
        """Case files without secrets."""
        rows = [
            f"751;{matricule(n)};affiliated;beneficiary;A B;1980-02-01;1 rue X;75011;PARIS\n"
            for n in range(count)
        ]
        lines = [f"{COLUMNS}\n", *rows]
        await import_files(self.house.settings, lines, "t", self.house.clock, self.faults.append)
        assert self.faults == []

    def seal(self, *rows: str) -> None:
        sealed.seal([f"{row}\r\n".encode() for row in (sealed.COLUMNS, *rows)], self.file,
                    self.keyring)  # fmt: skip

    async def take(self, *, keep: bool = False) -> PinReport:
        return await import_pins(
            self.house.settings,
            self.file,
            self.key,
            "Mme Martin",
            self.house.clock,
            on_fault=self.faults.append,
            keep=keep,
        )


@pytest.fixture
def pins(house: House) -> Pins:
    return Pins(house)


async def test_after_the_import_a_pin_lets_in_and_the_file_is_gone(
    pins: Pins, core: AuthService
) -> None:
    await pins.files(2)
    pins.seal(f"751;{matricule(0)};4821", f"751;{matricule(1)};0000")
    await guess(core, 4, new(0))
    report = await pins.take()
    assert report.counts == PinCounts(imported=2)
    assert not pins.file.exists()
    assert await is_in(core, new(0), "4821")
    assert not await is_in(core, new(0), "0000")
    assert await is_in(core, new(1), "0000")
    assert await core.verify_audit() is None
    async with core._database.begin() as connection:
        entry = (
            await connection.exec_driver_sql("SELECT detail FROM audit WHERE act = 'pins_imported'")
        ).scalar_one()
    assert json.loads(entry)["imported"] == 2


async def test_who_holds_a_secret_of_any_kind_gets_no_pin(pins: Pins, core: AuthService) -> None:
    await pins.files(2)
    await ask_provisional(core, new(0), "0102")  # pending, and no live secret
    pins.seal("751;0234567;1111", "691;0456789;1111", "751;0123456;1111",
              f"751;{matricule(0)};1111", f"751;{matricule(1)};1111")  # fmt: skip
    assert (await pins.take()).counts == PinCounts(imported=1, kept=4)
    assert pins.faults == []
    assert await is_in(core, PASSWORD_HOLDER, "49205817")
    assert await is_in(core, PIN_HOLDER, "4821")
    for identity in (PASSWORD_HOLDER, PIN_HOLDER, new(0)):
        assert not await is_in(core, identity, "1111")


async def test_what_is_wrong_is_told_by_line_without_the_pin_and_the_rest_is_imported(
    pins: Pins, core: AuthService
) -> None:
    await pins.files(2)
    await core.close_file(new(1), "Mme Martin")
    pins.seal(
        f"751;{matricule(0)};48217",
        f"751;{matricule(0)};482x",
        f"75;{matricule(0)};4821",
        f"751;{matricule(0)};4821;",
        "",
        "751;9999999;4821",
        f"751;{matricule(1)};4821",
        f"751;{matricule(0)};4821",
        f"751;{matricule(0)};4822",
    )
    report = await pins.take()
    assert report.counts == PinCounts(imported=1, malformed=4, unknown=1, closed=1, duplicate=1)
    assert sorted(fault.line for fault in pins.faults) == [2, 3, 4, 5, 7, 8, 10]
    assert not any("482" in str(fault) or "75" in str(fault) for fault in pins.faults)
    assert await is_in(core, new(0), "4821")


async def test_a_file_kept_and_imported_again_changes_nothing(
    pins: Pins, core: AuthService
) -> None:
    await pins.files(1)
    pins.seal(f"751;{matricule(0)};4821")
    assert (await pins.take(keep=True)).counts == PinCounts(imported=1)
    await core.create_password(new(0), Secret("4821"), Secret("52917364"), WEB)
    again = await pins.take()
    assert (again.counts, again.hashed) == (PinCounts(imported=1), 0)
    assert not await is_in(core, new(0), "4821")
    assert not pins.file.exists()


def _altered(content: bytes, place: int) -> bytes:
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda whole: whole[:-1], "cut short"),
        (lambda whole: whole[: len(whole) // 2], "cut short"),
        (lambda whole: whole[:40], "no file of sealed PINs"),
        (lambda whole: b"caf;matricule;pin\n" + whole, "no file of sealed PINs"),
        (lambda whole: _altered(whole, -1), "not as it was sealed"),
        (lambda whole: _altered(whole, 12), "not as it was sealed"),  # the random id
        (lambda whole: _altered(whole, 30), "another key"),  # the check value
        (lambda whole: whole + b"\0", "goes on after its end"),
    ],
)
async def test_a_file_that_is_not_as_it_was_sealed_is_refused_whole(
    pins: Pins, core: AuthService, change: object, told: str
) -> None:
    await pins.files(1)
    pins.seal(f"751;{matricule(0)};4821", *["751;9999999;4821"] * 600)
    assert callable(change)
    pins.file.write_bytes(change(pins.file.read_bytes()))
    with pytest.raises(AuthError, match=told):
        await pins.take()
    assert pins.file.exists()
    assert not await is_in(core, new(0), "4821")


def test_a_file_cut_between_two_chunks_or_put_in_another_order_is_noticed(pins: Pins) -> None:
    pins.seal(*["751;9999999;4821"] * (2 * sealed.LINES + 1))
    whole = pins.file.read_bytes()
    start = sealed._HEADER_BYTES
    length = 5 + int.from_bytes(whole[start + 1 : start + 5], "big")
    first, second = whole[start : start + length], whole[start + length : start + 2 * length]
    head, rest = whole[:start], whole[start + 2 * length :]
    for changed in (head + first, head + first + b"\1" + second[1:], head + second + first + rest,
                    head + first + first + second + rest, head + first + rest):  # fmt: skip
        pins.file.write_bytes(changed)
        with pytest.raises(AuthError):
            sealed.check(pins.file, pins.keyring)
    pins.file.write_bytes(whole)
    assert sealed.check(pins.file, pins.keyring).lines == 2 * sealed.LINES + 1


async def test_another_key_is_refused(pins: Pins) -> None:
    pins.seal("751;9999999;4821")
    pins.key.unlink()
    ensure_key_file(pins.key)
    with pytest.raises(AuthError, match="another key"):
        await pins.take()


def test_the_commands_seal_import_and_leave_no_line_in_clear(
    run: Run, folder: Path, house: House
) -> None:
    rows = [f"751;{matricule(n)};affiliated;beneficiary;A B;;1 rue X;75011;PARIS" for n in range(3)]
    (folder / "files.csv").write_text("\n".join((COLUMNS, *rows, "")), encoding="utf-8")
    assert run(folder, "import", "files.csv", *AGENT)[0] == 0
    lines = [f"751;{matricule(n)};{4821 + n}" for n in range(3)]
    clear = "\n".join((sealed.COLUMNS, *lines, SENTINEL, ""))
    assert run(folder, "seal-pins", "pins.sealed", stdin=clear) == (
        0, "4 records sealed into pins.sealed.\n", ""
    )  # fmt: skip
    assert (folder / "pins.sealed").stat().st_mode & 0o077 == 0
    assert run(folder, "seal-pins", "pins.sealed", stdin=clear)[0] == 2
    status, out, err = run(folder, "import-pins", "pins.sealed", *AGENT, "--json")
    assert status == 1
    assert {**json.loads(out), "rate": 0} == {
        "ok": False, "imported": 3, "kept": 0, "malformed": 1, "duplicate": 0, "unknown": 0,
        "closed": 0, "rate": 0,
    }  # fmt: skip
    assert err == "pins.sealed:5: give caf;matricule;pin: 3, 7 and 4 digits\n"
    assert not (folder / "pins.sealed").exists()
    assert house.holders(*lines, SENTINEL) == []
    assert run(folder, "import-pins", "pins.sealed", *AGENT)[2].count("\n") == 1


async def number(core: AuthService, query: str) -> int:
    async with core._database.begin() as connection:
        return int((await connection.exec_driver_sql(query)).scalar_one())


@pytest.mark.socket
async def test_killed_and_run_again_every_pin_is_there_once(pins: Pins, core: AuthService) -> None:
    count = 4 * sealed.LINES
    await pins.files(count)
    pins.seal(*(f"751;{matricule(n)};{n:04}" for n in range(count)))
    # Dear enough that the process is killed in the middle.
    argon2 = {"memory_kib": 8192, "iterations": 1}
    auth = {"database_url": pins.house.settings.database_url, "argon2": argon2}
    (pins.house.folder / "config.yaml").write_text(json.dumps({"auth": auth}), encoding="utf-8")
    command = ("-m", "auth_core.cli", "import-pins", "pins.sealed", *AGENT, "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=pins.house.folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            while not await number(core, "SELECT count(*) FROM pin_imports WHERE chunks > 0"):
                assert process.returncode is None
                await asyncio.sleep(0.05)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    done = await number(core, "SELECT count(*) FROM credentials WHERE file_id LIKE 'file-%%'")
    assert 0 < done < count
    assert pins.file.exists()
    await core.create_password(new(0), Secret("0000"), Secret("52917364"), WEB)
    report = await pins.take()
    assert report.counts == PinCounts(imported=count)
    assert report.hashed == count - done
    assert await is_in(core, new(count - 1), f"{count - 1:04}")
    assert await is_in(core, new(0), "52917364")
    assert not await is_in(core, new(0), "0000")
    assert not pins.file.exists()
    assert await core.verify_audit() is None

"""Letters: what the page says and where, how files lie on the disk, the printer's index."""

import csv
import io
import os
import stat
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pypdf
import pytest

from auth_core.delivery.files import write_whole
from auth_core.delivery.letters import (
    Letter,
    LetterError,
    LetterTray,
    acknowledged_ids,
)
from auth_core.delivery.outbox import MessageKind
from auth_core.delivery.page import render
from auth_core.delivery.retention import purge_files
from auth_core.delivery.settings import DeliverySettings
from auth_core.delivery.texts import Texts
from auth_core.model import DeliveryChoice
from tests.auth_core.delivery.conftest import pdf_text

SENDER = ("Allocations familiales", "Service Mon compte")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ID = "0123456789abcdef0123456789abcdef"
MM_PER_POINT = 25.4 / 72


def letter(kind: MessageKind = MessageKind.SECRET, number: int = 0) -> Letter:
    texts = Texts.load()
    body = texts.template(
        kind, DeliveryChoice.LETTER, until="02/05/2026", matricule="0123456"
    ).replace("{secret}", "40718263")
    address = ("Camille Moreau", "Bâtiment B", "12 rue de la Roquette", "75011 Paris")
    return Letter(f"{number:032x}", kind, address, NOW, texts.subject(kind), body)


def with_address(*lines: str) -> Letter:
    return replace(letter(), address=lines)


@pytest.mark.parametrize("kind", MessageKind)
def test_every_letter_fits_one_page_and_says_its_text(kind: MessageKind) -> None:
    content = render(letter(kind), SENDER)
    assert len(pypdf.PdfReader(io.BytesIO(content)).pages) == 1
    words = pdf_text(content).split()
    for word in letter(kind).body.split():
        assert word in words


def test_a_secret_letter_says_the_secret_and_nothing_that_identifies() -> None:
    text = pdf_text(render(letter(), SENDER))
    assert text.count("40718263") == 1
    for forbidden in ("0123456", "751\n", "caf", "http", "www", ".fr"):
        assert forbidden not in text.lower()


def test_a_matricule_letter_holds_no_secret() -> None:
    text = pdf_text(render(letter(MessageKind.MATRICULE), SENDER))
    assert "0123456" in text
    assert "40718263" not in text


@pytest.mark.parametrize(
    "address",
    [
        ("Camille Moreau", "75011 Paris"),
        ("Camille Moreau", "Appartement 3", "Bât. C", "12 rue X", "BP 4", "75011 Paris CEDEX"),
        ("M" * 60, "12 rue W" + "W" * 40, "75011 Paris"),
    ],
)
def test_the_address_and_nothing_else_shows_in_the_window(address: tuple[str, ...]) -> None:
    """Of a DL envelope, wherever the sheet slides: 100-190 mm from the left, 55-79 from the top."""
    found: list[tuple[float, float, str]] = []

    def visit(text: str, _cm: object, tm: list[float], _font: object, size: float) -> None:
        if text.strip():
            found.append((tm[4] * MM_PER_POINT, 297 - tm[5] * MM_PER_POINT, text.strip()))

    page = pypdf.PdfReader(io.BytesIO(render(with_address(*address), SENDER))).pages[0]
    page.extract_text(visitor_text=visit)
    inside = [text for x, y, text in found if 55 <= y <= 79 and x >= 100]
    assert inside == [line.upper() for line in address]
    # What could show when the sheet slides up or sideways is blank but for the address.
    assert not [text for x, y, text in found if 44 < y < 90 and text not in inside]


def test_a_letter_is_the_same_bytes_each_time() -> None:
    assert render(letter(), SENDER) == render(letter(), SENDER)


def test_names_outside_the_fonts_lose_an_accent_rather_than_stop_a_letter() -> None:
    text = pdf_text(render(with_address("Łukasz Şahin d’Œuvre", "Ėž 漢", "75011 Paris"), SENDER))
    assert "LUKASZ SAHIN D’ŒUVRE" in text
    assert "EŽ ?" in text


@pytest.mark.parametrize("lines", [0, 1, 7])
def test_an_address_without_room_is_refused(lines: int) -> None:
    with pytest.raises(LetterError, match="address"):
        render(with_address(*["x"] * lines), SENDER)


def test_a_text_longer_than_a_page_is_refused() -> None:
    with pytest.raises(LetterError, match="one page"):
        render(replace(letter(), body="mot " * 3000), SENDER)


def test_secrets_matricules_and_notices_lie_apart(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path, SENDER)
    for number, kind in enumerate(MessageKind):
        tray.put(letter(kind, number))
    kinds = list(MessageKind)
    assert {f"{kinds.index(MessageKind.SECRET):032x}.pdf"} == names(tmp_path / "secrets")
    assert {f"{kinds.index(MessageKind.MATRICULE):032x}.pdf"} == names(tmp_path / "matricules")
    assert len(names(tmp_path / "notices")) == len(kinds) - 2


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("*/*.pdf")}


def test_only_the_owner_may_read_what_is_written(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path / "letters", SENDER)
    tray.put(letter())
    tray.write_indexes()
    for path in (tmp_path / "letters").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_written_twice_a_letter_is_one_file(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path, SENDER)
    tray.put(letter())
    tray.put(letter())
    assert len(list(tmp_path.rglob("*.pdf"))) == 1


def test_a_letter_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "letter.pdf", b"content")
    assert list(tmp_path.iterdir()) == []


def test_the_index_lists_what_lies_there_and_holds_no_content(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path, SENDER)
    for number in range(3):
        tray.put(letter(number=number))
    tray.write_indexes()
    index = tmp_path / "secrets" / "2026-03-02" / "index.csv"
    assert [row["file"] for row in rows(index)] == [f"{n:032x}.pdf" for n in range(3)]
    assert {row["pages"] for row in rows(index)} == {"1"}
    tray.remove(f"{1:032x}")
    tray.write_indexes()
    assert [row["file"] for row in rows(index)] == [f"{0:032x}.pdf", f"{2:032x}.pdf"]
    for canary in ("40718263", "Moreau", "Roquette", "75011"):
        assert canary not in index.read_text()


def test_a_letter_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path, SENDER)
    tray.put(letter())
    (file,) = tmp_path.rglob("*.pdf")
    file.with_name(f".{file.name}.0badcafe.unfinished").touch()
    assert tray.remove(file.stem)
    assert not tray.remove(file.stem)
    assert list(file.parent.iterdir()) == []


def rows(index: Path) -> list[dict[str, str]]:
    with index.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_printer_acknowledges_letters_one_by_one_or_by_its_index(tmp_path: Path) -> None:
    tray = LetterTray(tmp_path, SENDER)
    tray.put(letter(number=1))
    tray.put(letter(number=2))
    tray.write_indexes()
    index = tmp_path / "secrets" / "2026-03-02" / "index.csv"
    assert acknowledged_ids(index) == [f"{1:032x}", f"{2:032x}"]
    assert acknowledged_ids(Path(f"elsewhere/{ID}.pdf")) == [ID]


@pytest.mark.parametrize("name", ["*.pdf", "../../x.pdf", "0.pdf", f"{ID}0.pdf"])
def test_a_name_that_is_no_letter_acknowledges_nothing(tmp_path: Path, name: str) -> None:
    index = tmp_path / "index.csv"
    index.write_text(f"file,pages\n{name},1\n")
    with pytest.raises(LetterError, match="no letter of ours"):
        acknowledged_ids(index)


def test_an_index_without_files_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    index.write_text("name,pages\nx,1\n")
    with pytest.raises(LetterError, match="no column"):
        acknowledged_ids(index)
    with pytest.raises(LetterError, match="cannot be read"):
        acknowledged_ids(tmp_path / "missing.csv")


def test_purge_removes_old_letters_and_what_a_crash_left(tmp_path: Path) -> None:
    settings = DeliverySettings().relative_to(tmp_path)
    tray = LetterTray(settings.letter_folder, SENDER)
    tray.put(letter(number=1))
    tray.put(replace(letter(number=2), on=NOW + timedelta(days=9)))
    settings.sms_folder.mkdir(parents=True)
    sms = settings.sms_folder / f"{ID}.json"
    sms.write_text("{}")
    old = settings.letter_folder / "secrets" / "2026-03-02"
    unfinished = old / ".x.pdf.0.unfinished"
    unfinished.touch()
    for file in (old / f"{1:032x}.pdf", unfinished, sms):
        os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert purge_files(settings, date(2026, 3, 2)) == 0
    assert purge_files(settings, date(2026, 3, 10)) == 2
    assert not old.exists()
    assert not sms.exists()
    assert names(settings.letter_folder / "secrets") == {f"{2:032x}.pdf"}

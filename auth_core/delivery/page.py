"""One letter as a page of PDF, folded for a window envelope."""

import unicodedata
from collections.abc import Iterable, Sequence

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from auth_core.delivery.letters import Letter, LetterError
from auth_core.validity import PARIS

MAX_ADDRESS_LINES = 6  # NF Z 10-011

# A4 folded in three (210 x 99 mm) slides by 10 mm and 11 mm inside a DL envelope (220 x 110 mm),
# whose window (35 x 100 mm) is 20 mm from the right and from the bottom. What shows wherever the
# sheet lies is, on the sheet, 100-190 mm from the left and 55-79 mm from the top.
_ADDRESS_LEFT, _ADDRESS_TOP, _ADDRESS_WIDTH, _ADDRESS_LINE = 102.0, 55.5, 87.0, 3.9
_MARGIN = 20.0
_FONT = "helvetica"
# Letters whose stroke is no accent to Unicode, and that the fonts lack.
_STROKED = str.maketrans("ŁłĐđĦħŦŧı", "LlDdHhTti")


def render(letter: Letter, sender: Sequence[str]) -> bytes:
    """The PDF: one A4 page, the same bytes for the same letter. Raises LetterError."""
    address = [line for line in letter.address if line.strip()]
    if not 2 <= len(address) <= MAX_ADDRESS_LINES:
        raise LetterError(f"an address of {len(address)} lines; the window has room for 2 to 6")
    pdf = FPDF(format="A4")
    pdf.core_fonts_encoding = "windows-1252"
    pdf.set_creation_date(letter.on)
    pdf.set_margins(_MARGIN, _MARGIN)
    pdf.set_auto_page_break(auto=True, margin=_MARGIN)
    pdf.add_page()
    _lines(pdf, sender, _MARGIN, _MARGIN, 80.0, 10.0, 4.5)
    _address(pdf, [line.upper() for line in address])
    pdf.set_font(_FONT, size=11)
    pdf.set_xy(_ADDRESS_LEFT, 92)
    day = letter.on.astimezone(PARIS).strftime("%d/%m/%Y")
    pdf.cell(text=f"Le {day}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_xy(_MARGIN, 108)
    pdf.set_font(_FONT, style="B", size=11)
    _paragraph(pdf, f"Objet : {letter.subject}")
    for paragraph in letter.body.split("\n\n"):
        text = paragraph.strip()
        large = text.isascii() and text.isdigit()
        if large:
            pdf.set_font("courier", style="B", size=20)
        else:
            pdf.set_font(_FONT, size=11)
        _paragraph(pdf, text, centred=large)
    if pdf.page != 1:
        raise LetterError("too long for one page")
    return bytes(pdf.output())


def _address(pdf: FPDF, lines: Sequence[str]) -> None:
    """The address, its font as large as the longest line allows."""
    size = 10.0
    pdf.set_font(_FONT, size=size)
    widest = max(pdf.get_string_width(_printable(line)) for line in lines)
    if widest > _ADDRESS_WIDTH:
        size *= _ADDRESS_WIDTH / widest
    top = _ADDRESS_TOP + (MAX_ADDRESS_LINES - len(lines)) * _ADDRESS_LINE / 2
    _lines(pdf, lines, _ADDRESS_LEFT, top, _ADDRESS_WIDTH, size, _ADDRESS_LINE)


def _lines(
    pdf: FPDF, lines: Iterable[str], x: float, y: float, w: float, size: float, h: float
) -> None:
    pdf.set_font(_FONT, size=size)
    pdf.c_margin = 0
    for number, line in enumerate(lines):
        pdf.set_xy(x, y + number * h)
        pdf.cell(w, h, _printable(line))


def _paragraph(pdf: FPDF, text: str, *, centred: bool = False) -> None:
    align = Align.C if centred else Align.L
    pdf.multi_cell(0, 5.5, _printable(text), align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(4)


def _printable(text: str) -> str:
    """`text` in the letters that the standard fonts of PDF have (windows-1252): others lose their
    accent, or become a question mark rather than stop a letter."""
    printable = []
    for char in unicodedata.normalize("NFC", text).translate(_STROKED):
        if _in_fonts(char):
            printable.append(char)
            continue
        bare = unicodedata.normalize("NFKD", char)
        bare = "".join(part for part in bare if not unicodedata.combining(part))
        printable.append(bare if bare and all(map(_in_fonts, bare)) else "?")
    return "".join(printable)


def _in_fonts(char: str) -> bool:
    try:
        char.encode("windows-1252")
    except UnicodeEncodeError:
        return False
    return True

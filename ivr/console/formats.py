"""Numbers and moments as people of each language write them; moments are in Paris time."""

from collections.abc import Callable, Mapping
from datetime import datetime

from markupsafe import Markup

from ivr.console.texts import Language
from ivr.dialplan.hours import PARIS

_SEPARATORS: Mapping[Language, tuple[str, str]] = {"fr": ("\u202f", ","), "en": (",", ".")}
_DAYS: Mapping[Language, str] = {"fr": "%d/%m/%Y", "en": "%d %b %Y"}


def formats(language: Language) -> Mapping[str, Callable[..., object]]:
    """The filters of the templates."""
    thousands, point = _SEPARATORS[language]

    def number(value: float, digits: int = 0) -> str:
        text = f"{value:,.{digits}f}"
        return text.translate({ord(","): thousands, ord("."): point})

    def percent(share: float, digits: int = 0) -> str:
        return f"{number(100 * share, digits)}\u202f%"

    def mebibytes(count: float) -> str:
        return f"{number(count / 2**20)}\u202fMiB"

    def clock(moment: datetime) -> str:
        return f"{moment.astimezone(PARIS):%H:%M:%S}"

    def day(moment: datetime) -> str:
        return f"{moment.astimezone(PARIS):{_DAYS[language]}}"

    def moment(moment: datetime | None) -> str:
        return "–" if moment is None else f"{day(moment)} {clock(moment)}"

    def duration(seconds: float) -> str:
        minutes, rest = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

    def step(node: str) -> Markup:
        """The name of a node, which may be broken after each of its words."""
        return Markup("_<wbr>").join(node.split("_"))

    return {
        "number": number,
        "percent": percent,
        "mebibytes": mebibytes,
        "clock": clock,
        "day": day,
        "moment": moment,
        "step": step,
        "parsed": datetime.fromisoformat,
        "duration": duration,
    }

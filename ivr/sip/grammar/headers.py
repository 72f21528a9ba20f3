"""Header fields: names in any case or compact form, folded lines, comma-separated lists."""

from collections.abc import Iterable

from ivr.sip.grammar.scan import BLANK, is_token, split
from ivr.wire import WireError

# RFC 3261 §20 and the registry of compact forms.
_COMPACT = {
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}
# The names as nearly everybody writes them: found by one look-up, with nothing left to check.
_USUAL = {
    "-".join(part.capitalize() for part in name.split("-")): name
    for name in (
        *_COMPACT.values(),
        "accept",
        "allow",
        "max-forwards",
        "min-se",
        "p-asserted-identity",
        "record-route",
        "require",
        "route",
        "user-agent",
    )
} | {"CSeq": "cseq", "Call-ID": "call-id"}
MAX_FIELD = 8_192  # octets of one field, its name and folded lines included
# Twice in one message, each of these would let two readers see two different messages.
_ONLY_ONE = ("from", "to", "call-id", "cseq", "content-length", "max-forwards")


class Headers:
    """The fields of one message: full names in lower case, each with its values in order."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, lines: Iterable[str], limit: int, *, salvage: bool = False) -> "Headers":
        """Read unfolded lines, `limit` of them and `MAX_FIELD` octets each at most.

        Raises `WireError`.

        `salvage` leaves out what it can't read and keeps the first of what may come once.
        """
        fields: dict[str, list[str]] = {}
        for count, line in enumerate(lines, 1):
            if count > limit:
                if salvage:
                    break
                raise WireError("Too many header fields")
            written, colon, value = line.partition(":")
            name = _USUAL.get(written) or _full_name(written)
            if not colon or not name or len(line) > MAX_FIELD:
                if salvage:
                    continue
                long = len(line) > MAX_FIELD
                raise WireError("Header field too long" if long else "Malformed header line")
            values = fields.get(name)
            if values is None:
                fields[name] = [value.strip(BLANK)]
            else:
                values.append(value.strip(BLANK))
        if not salvage:
            for name in _ONLY_ONE:
                if len(fields.get(name, ())) > 1:
                    raise WireError("Header field repeated")
        return cls(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first field of that name (lower case, full form), as the peer wrote it."""
        values = self._fields.get(name)
        return values[0] if values else default

    def fields(self, name: str) -> list[str]:
        """Every field of that name, a comma-separated list being one."""
        return self._fields.get(name, [])

    def values(self, name: str) -> list[str]:
        """Every value of that name, lists taken apart. Raises `WireError`."""
        return [value for field in self._fields.get(name, ()) for value in split(field, ",")]

    def __contains__(self, name: str) -> bool:
        return name in self._fields


def _full_name(written: str) -> str:
    """A name as `Headers` keeps it, "" for what is none."""
    name = written.strip(BLANK).lower()
    return _COMPACT.get(name, name) if is_token(name) else ""


def unfold(text: str) -> list[str]:
    """The header lines of `text` (line ends are LF), continuation lines joined by one space."""
    if "\n " not in text and "\n\t" not in text:
        return text.split("\n")
    lines: list[list[str]] = []
    for line in text.split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1].append(line.strip(BLANK))
        else:
            lines.append([line.rstrip(BLANK)])
    return [" ".join(parts) for parts in lines]

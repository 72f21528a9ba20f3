"""What messages say: one catalogue, `texts.yaml`, and the rule that keeps secrets apart.

A text that carries a secret tells neither whose it is nor where it opens. The rule is judged twice:
on every template when the catalogue is read, and on every text when it leaves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from auth_core.delivery.outbox import MessageKind
from auth_core.model import DeliveryChoice
from auth_core.yamlfile import YamlFaults, read

CATALOGUE = Path(__file__).with_name("texts.yaml")
SECRET_LENGTH = 8
DAY = "%d/%m/%Y"
"""How a text writes a day."""
_SAMPLES: Mapping[str, str] = {"secret": "0" * 8, "until": "31/12/2099", "matricule": "0" * 7}
_PLACEHOLDERS: Mapping[MessageKind, frozenset[str]] = {
    MessageKind.SECRET: frozenset({"secret", "until"}),
    MessageKind.MATRICULE: frozenset({"matricule"}),
    MessageKind.PASSWORD_EXPIRES: frozenset({"until"}),
}
_LINKS = ("://", "www.", ".fr", ".com", ".org", ".net", "@")


class _Letter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str
    body: str


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sms: str
    letter: _Letter


class Texts:
    """The catalogue, checked."""

    def __init__(self, entries: Mapping[MessageKind, _Entry]) -> None:
        self._entries = entries

    @classmethod
    def load(cls, file: Path = CATALOGUE) -> "Texts":
        """Read and check a catalogue. Raises `YamlFaults` with every fault, OSError."""
        located = read(file)
        try:
            entries = TypeAdapter(dict[MessageKind, _Entry]).validate_python(located.data)
        except ValidationError as error:
            raise YamlFaults(located.faults(error)) from error
        missing = [kind.value for kind in MessageKind if kind not in entries]
        faults = [located.fault((), f"{kind}: missing; add it") for kind in missing]
        for kind, entry in entries.items():
            letter = f"{entry.letter.subject}\n\n{entry.letter.body}"
            for path, template in ((("sms",), entry.sms), (("letter",), letter)):
                if (what := _template_fault(kind, template)) is not None:
                    faults.append(located.fault((kind.value, *path), what))
        if faults:
            raise YamlFaults(faults)
        return cls(entries)

    def template(self, kind: MessageKind, way: DeliveryChoice, **values: str) -> str:
        """The text of a message, `values` filled in; `{secret}` stays, for `written_into`.

        Raises KeyError for a placeholder that has no value.
        """
        entry = self._entries[kind]
        text = entry.sms if way is DeliveryChoice.SMS else entry.letter.body
        return text.format(**{"secret": "{secret}", **values})

    def subject(self, kind: MessageKind) -> str:
        """What a letter of this kind is about, in one line."""
        return self._entries[kind].letter.subject


def _template_fault(kind: MessageKind, template: str) -> str | None:
    """What is wrong with a template, the whole of what a message says."""
    known = _PLACEHOLDERS.get(kind, frozenset())
    try:
        used = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        text = template.format(**{name: _SAMPLES[name] for name in used & known})
    except (ValueError, KeyError, IndexError):
        allowed = ", ".join(f"{{{name}}}" for name in sorted(known)) or "none"
        return f"a placeholder that has no value here; known: {allowed}"
    return objection(kind, text)


def objection(kind: MessageKind, text: str) -> str | None:
    """Why a message may not leave with this text; None when it may.

    With a secret: that one number of eight digits, and nothing that identifies. Without: no number
    of eight digits.
    """
    secrets_held = sum(len(run) == SECRET_LENGTH for run in _digit_runs(text))
    if kind is not MessageKind.SECRET:
        return "holds a number like a secret" if secrets_held else None
    if secrets_held != 1:
        return "must hold one secret and no other number like it"
    return unsafe_beside_a_secret(text)


def unsafe_beside_a_secret(text: str, *, postal_code: bool = False) -> str | None:
    """What in `text` may not stand beside a secret: a link, "Caf", or a number that could be a Caf,
    a matricule or a NIR. Days, years, a secret itself and, on demand, postal codes may."""
    lowered = text.lower()
    if any(link in lowered for link in _LINKS):
        return "holds a link or an address of the network, beside a secret"
    if "caf" in lowered:
        return 'holds "Caf", beside a secret'
    for run in _digit_runs(text):
        year = len(run) == 4 and run.startswith("20")
        place = postal_code and len(run) == 5
        if len(run) > 2 and len(run) != SECRET_LENGTH and not year and not place:
            return "holds a number that could identify a file, beside a secret"
    return None


def _digit_runs(text: str) -> Iterator[str]:
    spaced = "".join(char if char.isdigit() else " " for char in text)
    yield from spaced.split()

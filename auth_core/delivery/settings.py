"""The `delivery:` section of `config.yaml`: how messages leave, how often, how many."""

from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from auth_core.delivery.texts import unsafe_beside_a_secret
from auth_core.settings import OwnSections, load_sections
from auth_core.shape import Shape

BODY_PLACEHOLDERS = frozenset({"number", "text", "id"})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SmsSettings(_Section):
    """`sms`: the HTTP gateway. Without `url`, messages become files of `folder`/sms.

    `headers` and the texts of `body` (sent as JSON, or as a form) may hold {number}, {text}, {id}.
    """

    url: AnyHttpUrl | None = None
    """The gateway; without it, text messages are files."""
    method: Literal["POST", "PUT"] = "POST"
    """How it is asked."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Rather given by the environment: IVR_DELIVERY__SMS__HEADERS."""
    body: dict[str, Any] = Field(default_factory=lambda: {"to": "{number}", "text": "{text}"})
    """What it is sent, with {number}, {text} and {id}."""
    encoding: Literal["json", "form"] = "json"
    """How the body is written."""
    idempotency_header: Annotated[
        str, Shape(r"[A-Za-z0-9-]+", "the name of a header field, such as Idempotency-Key")
    ] = "Idempotency-Key"
    """By which the gateway knows a message that is sent again."""
    refusals: frozenset[int] = frozenset()
    """Statuses that mean: this number never, such as [422]."""
    timeout: float = Field(default=10.0, gt=0, le=120)
    """Seconds that an answer may take."""
    proxy: SecretStr | None = None
    """The way to the gateway, such as http://127.0.0.1:3128."""
    per_hour: int = Field(default=2000, ge=1)
    """Messages an hour, on all nodes together."""
    concurrency: int = Field(default=8, ge=1, le=100)
    """Messages on the way at once."""

    @field_validator("body")
    @classmethod
    def _known_placeholders(cls, value: dict[str, Any]) -> dict[str, Any]:
        used: set[str] = set()
        for text in _texts_of(value):
            try:
                used |= {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            except ValueError as error:
                raise ValueError(f"{error}; write a brace that is meant as {{{{ or }}}}") from error
        if unknown := used - BODY_PLACEHOLDERS:
            name = sorted(unknown)[0]
            raise ValueError(f"{{{name}}} has no value; use {{number}}, {{text}} or {{id}}")
        if missing := {"number", "text"} - used:
            raise ValueError(f"says nowhere {{{sorted(missing)[0]}}}; add it")
        return value

    @model_validator(mode="after")
    def _flat_form(self) -> Self:
        if self.encoding == "form" and not all(isinstance(v, str) for v in self.body.values()):
            raise ValueError("body: a form has texts only; use encoding: json or quote the values")
        return self


class LetterSettings(_Section):
    """`letters`: the PDF for the printer. `sender` stands on every letter, those with a secret
    included: no link, no Caf, no number but its postal code."""

    sender: tuple[str, ...] = ("Allocations familiales", "Service Mon compte")
    """Stands on every letter."""
    late_hours: int = Field(default=48, ge=1, le=72)
    """A letter that waits longer raises an alarm."""

    @field_validator("sender")
    @classmethod
    def _tells_nothing(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > 5:
            raise ValueError("has room for 5 lines")
        for line in value:
            if (what := unsafe_beside_a_secret(line, postal_code=True)) is not None:
                raise ValueError(f"{line!r} {what}; remove it")
        return value


class DeliverySettings(_Section):
    """The whole section. Times are in seconds."""

    folder: Path = Path("var/outbox")
    """Letters, and text messages where there is no gateway."""
    poll: float = Field(default=5.0, gt=0)
    """Between two looks at the outbox."""
    tries: int = Field(default=10, ge=1)
    """Then a text message is dead, and a letter follows."""
    first_retry: float = Field(default=30.0, gt=0)
    """Until the second try; each wait doubles."""
    last_retry: float = Field(default=3600.0, gt=0)
    """The longest wait."""
    lease: float = Field(default=120.0, gt=0)
    """Until a message held by a dead worker is taken up again."""
    sms: SmsSettings = SmsSettings()
    """The gateway of text messages."""
    letters: LetterSettings = LetterSettings()
    """The letters for the printer."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        # A lease that ends while its holder still waits for the gateway invites a second sender.
        if self.lease < 2 * self.sms.timeout:
            raise ValueError("lease must be at least twice sms.timeout")
        if self.last_retry < self.first_retry:
            raise ValueError("last_retry must not be below first_retry")
        return self

    @property
    def sms_folder(self) -> Path:
        """Where text messages lie when no gateway is configured."""
        return self.folder / "sms"

    @property
    def letter_folder(self) -> Path:
        return self.folder / "letters"

    def relative_to(self, folder: Path) -> "DeliverySettings":
        """The same, with its relative paths taken from `folder`."""
        return self.model_copy(update={"folder": folder / self.folder})

    def retry_after(self, attempts: int, chance: float) -> float:
        """How long to wait after the `attempts`th try (from 1): doubling, between `first_retry`
        and `last_retry`, the last half of it by `chance` (0-1) so that tries spread."""
        doubled = self.first_retry * 2.0 ** min(attempts - 1, 60)
        return min(self.last_retry, doubled) * (0.5 + chance / 2)


class _Delivery(OwnSections):
    delivery: DeliverySettings = DeliverySettings()


def load_delivery_settings(file: Path) -> DeliverySettings:
    """Read the `delivery:` section of a config file; other sections are not looked at.

    Relative paths are taken from the file's folder. Raises `YamlFaults`, OSError.
    """
    return load_sections(file, _Delivery).delivery.relative_to(file.resolve().parent)


def _texts_of(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts_of(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts_of(inner)]
    return []

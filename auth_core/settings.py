"""The `auth:` section of `config.yaml`: where the core keeps things, and every threshold.

Defaults are those of the domain. Config may shorten a validity, never exceed what the seed allows.
"""

import os
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from auth_core.shape import Shape
from auth_core.yamlfile import Fault, LocatedYaml, YamlFaults, read

ENVIRONMENT_PREFIX = "IVR_"
DAY = timedelta(days=1)
DRIVERS = ("sqlite+aiosqlite", "postgresql+psycopg")
CafCode = Annotated[str, Shape(r"[0-9]{3}", 'three digits in quotes, such as "751"')]
PostalPrefix = Annotated[
    str, Shape(r"[0-9]{1,5}", 'the first digits of postal codes in quotes, such as "92"')
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockSettings(_Section):
    """`lock`: how long a file stays shut after each `max_failures` failures in a row."""

    first_minutes: float = Field(default=15, gt=0, le=10_080)
    """The first lock."""
    factor: int = Field(default=4, ge=1, le=100)
    """How much longer each further one is."""
    cap_hours: int = Field(default=24, ge=1, le=8_760)
    """The longest."""

    def duration(self, level: int) -> timedelta:
        """The length of the `level`th lock in a row (from 1)."""
        cap = timedelta(hours=self.cap_hours)
        length = timedelta(minutes=self.first_minutes)
        for _ in range(level - 1):
            if length >= cap:
                break
            length *= self.factor
        return min(length, cap)


class CallerSettings(_Section):
    """`callers`: what one telephone number may fail, on whatever files, within an hour."""

    slow_after: int = Field(default=10, ge=1)
    """Failures in an hour from which each answer is delayed."""
    slow_seconds: float = Field(default=2.0, ge=0, le=10)
    """By so many seconds."""
    busy_after: int = Field(default=20, ge=1)
    """Failures in an hour from which nothing is answered."""

    @model_validator(mode="after")
    def _slow_before_busy(self) -> Self:
        if self.busy_after < self.slow_after:
            raise ValueError("busy_after must not be below slow_after")
        return self


class AddressSettings(CallerSettings):
    """`addresses`: the same for one address of the web or the app (IPv6: its /64). `allow`: the
    networks of kiosks and social workers, from which many people come in."""

    slow_after: int = Field(default=20, ge=1)
    busy_after: int = Field(default=60, ge=1)
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of kiosks and social workers, which are not limited."""


class SurgeSettings(_Section):
    """`surges`: how many failures a minute, over one trunk or in all, raise an alarm and delay
    every answer. Nobody is refused for what others do."""

    per_trunk: int = Field(default=600, ge=1)
    """Failures a minute over one trunk."""
    in_all: int = Field(default=2000, ge=1)
    """Failures a minute in all."""
    slow_seconds: float = Field(default=2.0, ge=0, le=2)
    """The delay, at most 2."""


class LostPasswordSettings(_Section):
    """`lost_password`: how often a provisional password may be asked for without being in."""

    per_file_per_day: int = Field(default=3, ge=1)
    """Requests for one file in 24 hours."""
    minutes_apart: int = Field(default=15, ge=0)
    """Between two for one file."""
    per_caller_per_day: int = Field(default=3, ge=1)
    """Requests from one caller number in a day."""
    per_address_per_day: int = Field(default=20, ge=1)
    """Requests from one address of the web or the app in a day."""


class RefusalSettings(_Section):
    """`password_refusals`: how many candidates the rules may refuse before no more are judged."""

    per_session: int = Field(default=10, ge=1)
    """In one session."""
    per_day: int = Field(default=20, ge=1)
    """For one file in a day."""


class AppTokenSettings(_Section):
    """`app_tokens`: how long an app stays in (OWASP ASVS 4.0, 3.3.2, level 2)."""

    idle_minutes: float = Field(default=30, gt=0, le=30)
    """Without a request."""
    hours: float = Field(default=12, gt=0, le=12)
    """In all."""

    @property
    def idle(self) -> timedelta:
        return timedelta(minutes=self.idle_minutes)

    @property
    def longest(self) -> timedelta:
        return timedelta(hours=self.hours)


class Argon2Settings(_Section):
    """`argon2`: the cost of one guess (argon2id, RFC 9106). Raising it re-hashes at each login."""

    memory_kib: int = Field(default=19 * 1024, ge=8, le=4 * 1024**2)
    """Memory of one hash, in KiB."""
    iterations: int = Field(default=2, ge=1, le=100)
    """Passes over it."""
    parallelism: int = Field(default=1, ge=1, le=64)
    """Lanes."""

    @model_validator(mode="after")
    def _memory_for_each_lane(self) -> Self:
        if self.memory_kib < 8 * self.parallelism:
            raise ValueError("memory_kib must be at least 8 for each of parallelism")
        return self


class AuthSettings(_Section):
    """The whole section."""

    database_url: str = "sqlite+aiosqlite:///var/auth.db"
    """Where files, secrets and the outbox are kept."""
    pepper_file: Path = Path("var/pepper.key")
    """Made by auth-core migrate; keep its backup apart from the database's."""
    outbox_key_file: Path = Path("var/outbox.key")
    """Opens the messages that wait to be sent."""
    max_failures: int = Field(default=5, ge=1, le=20)
    """Failures in a row that lock a file."""
    lock: LockSettings = LockSettings()
    """How long a file stays locked."""
    known_source_allowance: int = Field(default=5, ge=0)
    """Of max_failures_per_day, kept for numbers on file."""
    max_failures_per_day: int = Field(default=25, ge=1)
    """Failures on one file in 24 hours."""
    max_consecutive_failures: int = Field(default=100, ge=1, le=100)
    """Then only a provisional password opens the file."""
    max_consecutive_pin_failures: int = Field(default=20, ge=1, le=100)
    """The same where the secret is the 4-digit code."""
    failure_floor: float = Field(default=0.3, ge=0, le=5)
    """Seconds that every refusal takes."""
    callers: CallerSettings = CallerSettings()
    """What one telephone number may fail in an hour."""
    addresses: AddressSettings = AddressSettings()
    """What one address of the web or the app may fail in an hour."""
    surges: SurgeSettings = SurgeSettings()
    """Failures a minute that raise an alarm and delay every answer."""
    known_devices: int = Field(default=10, ge=0, le=100)
    """Devices of a file that have the allowance of numbers on file."""
    lost_password: LostPasswordSettings = LostPasswordSettings()
    """How often a provisional password may be asked for."""
    password_refusals: RefusalSettings = RefusalSettings()
    """How many candidates are refused before no more are judged."""
    app_tokens: AppTokenSettings = AppTokenSettings()
    """How long an app stays in."""
    expiry_notice_days: int = Field(default=30, ge=1, le=365)
    """Days before the end of a password that its owner is told."""
    mobile_quarantine_days: int = Field(default=7, ge=0)
    """A newer mobile gets no secret; a letter goes instead."""
    password_validity_months: int = Field(default=24, ge=1, le=24)
    """At most 24."""
    provisional_validity_months: int = Field(default=2, ge=1, le=2)
    """At most 2."""
    pin_until: date | None = None
    """The last day of the 4-digit codes."""
    hash_threads: int | None = Field(default=None, ge=1, le=64)
    """Default: one per core, of a lower priority than the sound."""
    hash_queue: int = Field(default=200, ge=1)
    """Tries that may wait for a thread; more hear an apology."""
    argon2: Argon2Settings = Argon2Settings()
    """The cost of one guess."""
    caf_overrides: dict[PostalPrefix, CafCode] = Field(default_factory=dict)
    """Beginning of a postal code: Caf, both in quotes."""

    @property
    def threads_for_hashes(self) -> int:
        """As many as were asked for, else one for each core."""
        return self.hash_threads or min(64, len(os.sched_getaffinity(0)))

    @field_validator("database_url")
    @classmethod
    def _of_a_kind_that_is_spoken(cls, value: str) -> str:
        driver, there, _ = value.partition("://")
        if there and driver not in DRIVERS:
            raise ValueError(
                f"no database is reached by {driver}://; "
                "give sqlite+aiosqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
            )
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.known_source_allowance >= self.max_failures_per_day:
            raise ValueError("known_source_allowance must be below max_failures_per_day")
        try:
            url = make_url(self.database_url)
        except ArgumentError as error:
            raise ValueError(
                "database_url is no database address; "
                "give one such as sqlite+aiosqlite:///var/auth.db"
            ) from error
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("database_url names no file; give sqlite+aiosqlite:///var/auth.db")
        return self

    @property
    def mobile_quarantine(self) -> timedelta:
        """How long a mobile must have been on file before it gets a secret."""
        return timedelta(days=self.mobile_quarantine_days)

    def relative_to(self, folder: Path) -> "AuthSettings":
        """The same, with its relative paths taken from `folder`."""
        url = make_url(self.database_url)
        if url.get_backend_name() == "sqlite" and url.database is not None:
            url = url.set(database=str(folder / url.database))
        return self.model_copy(
            update={
                "database_url": url.render_as_string(hide_password=False),
                "pepper_file": folder / self.pepper_file,
                "outbox_key_file": folder / self.outbox_key_file,
            }
        )


class OwnSections(BaseSettings):
    """Some sections of `config.yaml`, the environment before the file; subclasses name them."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


Sections = TypeVar("Sections", bound=OwnSections)


class _Auth(OwnSections):
    auth: AuthSettings = AuthSettings()


def load_settings(file: Path) -> AuthSettings:
    """Read the `auth:` section of a config file; other sections are not looked at.

    Relative paths are taken from the file's folder. Raises `YamlFaults` with every fault, OSError
    when the file cannot be read.
    """
    return load_sections(file, _Auth).auth.relative_to(file.resolve().parent)


def load_sections(file: Path, wanted: type[Sections]) -> Sections:
    """Read the sections that `wanted` names; an empty one has its defaults. Raises as
    `load_settings`."""
    located = read(file)
    content = located.data if isinstance(located.data, dict) else {}
    given = {
        name: {} if content[name] is None else content[name]
        for name in wanted.model_fields
        if name in content
    }
    try:
        return wanted(**given)
    except ValidationError as error:
        raise YamlFaults(_faults(error, located)) from error
    except SettingsError as error:
        raise YamlFaults([Fault(Path("environment"), None, "", f"{error}; correct it")]) from error


def _faults(error: ValidationError, located: LocatedYaml) -> list[Fault]:
    """The faults, those of a value that came from the environment told as such."""
    given = {name.upper() for name in os.environ if name.upper().startswith(ENVIRONMENT_PREFIX)}
    found = []
    for location, fault in located.located_faults(error):
        name = _variable(location, given)
        found.append(fault if name is None else Fault(Path("environment"), None, name, fault.what))
    return found


def _variable(location: Sequence[str | int], given: Collection[str]) -> str | None:
    """The variable of the environment that gave what stands at `location`, if one did."""
    for length in range(len(location), 0, -1):
        name = ENVIRONMENT_PREFIX + "__".join(str(part) for part in location[:length]).upper()
        if name in given:
            return name
    return None

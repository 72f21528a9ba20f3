"""The operator's file, `config.yaml`, checked: unknown keys and bad values stop the start.

Every key can be given by the environment instead: `IVR_SIP__PORT=5070` is `sip.port`.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from auth_core import AuthSettings
from auth_core.delivery.settings import DeliverySettings
from auth_core.settings import OwnSections, load_sections
from auth_core.yamlfile import UNKNOWN_KEY, YamlFaults, read
from ivr.dialplan.hours import OpeningHours

Network = IPv4Network | IPv6Network
PRIVATE_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SipSection(_Section):
    """`sip`: where calls come in, from whom, and how many."""

    host: str = "0.0.0.0"  # noqa: S104 - `trunks` says who may call
    port: Port = 5060
    transports: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")
    advertised_host: str | None = None
    trunks: tuple[Network, ...] = ()
    max_calls: int = Field(default=1000, ge=1)
    max_cps: int = Field(default=200, ge=1)

    @field_validator("transports")
    @classmethod
    def _some_transport(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name udp, tcp or both, each once")
        return value

    @property
    def allowed_networks(self) -> tuple[Network, ...]:
        """From where calls are taken: the trunks named, else this machine and private networks."""
        return self.trunks or PRIVATE_NETWORKS


class MediaSection(_Section):
    """`media`: the workers that carry the sound."""

    workers: int | None = Field(default=None, ge=1, le=64)
    port_range: tuple[Port, Port] = (10000, 20000)
    port_rest: float = Field(default=5.0, ge=0, le=60)
    advertised_ip: str | None = None
    codecs: tuple[Literal["pcma", "pcmu"], ...] = ("pcma", "pcmu")
    dtmf: tuple[Literal["rfc4733", "info"], ...] = ("rfc4733", "info")

    @field_validator("port_range")
    @classmethod
    def _whole_range(cls, value: tuple[int, int]) -> tuple[int, int]:
        low, high = value
        if value != (0, 0) and (low < 1024 or high - low < 1):
            raise ValueError(
                "give the lowest and the highest port, from 1024 up, such as [10000, 20000]; "
                "[0, 0] lets the system choose"
            )
        return value

    @field_validator("codecs", "dtmf")
    @classmethod
    def _at_least_one(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one")
        return value

    @property
    def worker_count(self) -> int:
        """One worker for each core that the front leaves free, at least one."""
        return self.workers or max(1, (os.cpu_count() or 1) - 1)


class LineSection(_Section):
    """One of `lines`: a number that callers dial and what they find there."""

    number: str = Field(pattern=r"^[0-9+*#]{1,20}$")
    caf: str | None = Field(default=None, pattern=r"^[0-9]{3}$")
    dialplan: str = "caller"
    language: Literal["fr", "en"] = "fr"
    hours: OpeningHours = OpeningHours()
    advisor: str | None = Field(default=None, pattern=r"^sips?:[^\s<>]+$")


class LogSection(_Section):
    """`log`: what the server tells on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["human", "json"] = "human"


class Config(OwnSections):
    """The whole file. Relative paths are taken from the folder of the file."""

    model_config = SettingsConfigDict(extra="forbid")

    sip: SipSection = SipSection()
    media: MediaSection = MediaSection()
    lines: tuple[LineSection, ...] = Field(min_length=1)
    auth: AuthSettings = AuthSettings()
    delivery: DeliverySettings = DeliverySettings()
    prompts: Path = Path("prompts")
    dialplans: Path = Path("dialplans")
    records: Path = Path("var/records.jsonl")
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _each_number_once(self) -> Self:
        numbers = [line.number for line in self.lines]
        twice = {number for number in numbers if numbers.count(number) > 1}
        if twice:
            raise ValueError(f"lines: {', '.join(sorted(twice))} is given twice; keep one")
        return self

    def line(self, number: str) -> LineSection | None:
        """The line that answers `number`, or None."""
        return next((line for line in self.lines if line.number == number), None)


def load(file: Path) -> Config:
    """Read and check the file. Raises `YamlFaults` with every fault, OSError when unreadable."""
    located = read(file)
    if not isinstance(located.data, dict):
        raise YamlFaults([located.fault((), "the file is empty; copy the one of the project")])
    unknown = [key for key in located.data if key not in Config.model_fields]
    if unknown:
        raise YamlFaults([located.fault((key,), UNKNOWN_KEY) for key in unknown])
    config = load_sections(file, Config)
    folder = file.resolve().parent
    return config.model_copy(
        update={
            "prompts": folder / config.prompts,
            "dialplans": folder / config.dialplans,
            "records": folder / config.records,
            "auth": config.auth.relative_to(folder),
            "delivery": config.delivery.relative_to(folder),
        }
    )

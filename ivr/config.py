"""The operator's file, `config.yaml`, checked: unknown keys and bad values stop the start.

Every key can be given by the environment instead: `IVR_SIP__PORT=5070` is `sip.port`.
"""

import os
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from auth_core import AuthSettings
from auth_core.delivery.settings import DeliverySettings
from auth_core.retention import RetentionSettings
from auth_core.settings import CafCode, OwnSections, load_sections
from auth_core.shape import Shape
from auth_core.yamlfile import UNKNOWN_KEY, KeyPath, LocatedYaml, YamlFaults, read
from ivr.dialplan.hours import OpeningHours
from ivr.logs import Level
from ivr.trunks import Network, Trunk, check_trunks
from ivr.users import ConsoleUser

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSection(_Section):
    """`sip.tls`: the certificate shown, and whose certificates are asked for."""

    port: Port = 5061
    """The port for SIP over TLS; 0 picks a free one."""
    certificate: Path | None = None
    """PEM file: the server's own certificate first, then what it is signed with."""
    key: Path | None = None
    """PEM file: the key of the certificate, without a passphrase."""
    client_ca: Path | None = None
    """PEM file: callers must show a certificate signed by one of these. Default: none is asked
    for."""

    def relative_to(self, folder: Path) -> Self:
        """With paths taken from `folder`."""
        given = {name: getattr(self, name) for name in ("certificate", "key", "client_ca")}
        return self.model_copy(
            update={name: folder / path for name, path in given.items() if path is not None}
        )


Host = Annotated[
    str, Shape(r"[A-Za-z0-9._:-]{1,253}", "an IP address, or a name as the DNS has it")
]


class GuessSection(_Section):
    """`guesses`: how many wrong passwords of one address are borne within so many minutes."""

    allowed: int = Field(default=10, ge=1)
    """Wrong passwords before an address counts as a stranger."""
    minutes: float = Field(default=15.0, gt=0)
    """The time in which they are counted."""


class SharesSection(_Section):
    """`sip.shares`: messages a second beyond which an address is not listened to."""

    known: float = Field(default=5000.0, ge=100)
    """Messages a second of one trunk's address. An INVITE counts as 10."""
    stranger: float = Field(default=100.0, ge=20)
    """Messages a second of any other address."""
    strangers: float = Field(default=1000.0, ge=20)
    """Messages a second of all other addresses together."""


class SipSection(_Section):
    """`sip`: where calls come in, from whom, and how many."""

    host: Host = "0.0.0.0"  # noqa: S104 - `trunks` says who may call
    """Address to listen on; 127.0.0.1 for this machine only, "::" for IPv4 and IPv6. Takes a
    restart."""
    port: Port = 5060
    """Port for UDP and TCP; 0 picks a free one. Takes a restart."""
    transports: tuple[Literal["udp", "tcp", "tls"], ...] = ("udp", "tcp")
    """What SIP is spoken over; tls wants a certificate. Takes a restart."""
    tls: TlsSection = TlsSection()
    """The certificate shown, and whose certificates are asked for."""
    shares: SharesSection = SharesSection()
    """Messages a second beyond which an address is not listened to."""
    advertised_host: Host | None = None
    """Put in Contact and SDP when behind NAT; default: the local address. Takes a restart."""
    trunks: tuple[Trunk, ...] = ()
    """Who may call: networks, or mappings with a name. Empty: this machine and private networks."""
    strangers: Literal["refuse", "drop"] = "refuse"
    """Who is of no trunk gets 403 (refuse) or no answer at all (drop)."""
    realm: Annotated[
        str, Shape(r"[A-Za-z0-9.@_-]{1,64}", "letters, digits and . @ _ -, 64 of them at most")
    ] = "voice-server"
    """What the phones of digest users are told."""
    guesses: GuessSection = GuessSection()
    """How many wrong passwords of one address are borne."""
    max_calls: int = Field(default=1000, ge=1)
    """Calls at once; beyond it a call gets 503 with Retry-After."""
    max_cps: int = Field(default=200, ge=1)
    """New calls a second, likewise."""
    max_late_ticks: int = Field(default=10, ge=0)
    """Ticks of a media worker over 10 ms late in a second, beyond which no new call comes in."""
    max_busy: float = Field(default=0.8, gt=0, le=1)
    """The part of a media worker's time that its calls may take (0 to 1)."""
    drain_seconds: float = Field(default=120.0, ge=0)
    """After SIGTERM: seconds until calls that still last are ended."""
    session_expires: int = Field(default=1800, ge=0, le=86_400)
    """Seconds after which a call that nothing refreshes is over (RFC 4028); 0: no session timer."""
    min_se: int = Field(default=90, ge=90, le=86_400)
    """The shortest of these times that is taken from a caller."""

    @field_validator("transports")
    @classmethod
    def _some_transport(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name some of udp, tcp and tls, each once")
        return value

    @model_validator(mode="after")
    def _tls_has_a_certificate(self) -> Self:
        if "tls" in self.transports and not (self.tls.certificate and self.tls.key):
            raise ValueError(
                "tls is among the transports: give sip.tls.certificate and sip.tls.key, PEM files"
            )
        return self

    @field_validator("trunks")
    @classmethod
    def _told_apart(cls, value: tuple[Trunk, ...]) -> tuple[Trunk, ...]:
        check_trunks(value)
        return value

    @field_validator("session_expires")
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if 0 < value < 90:
            raise ValueError("give at least 90 seconds (RFC 4028 §4), or 0 for no session timer")
        return value

    def relative_to(self, folder: Path) -> "SipSection":
        """The same, with its relative paths taken from `folder`."""
        trunks = tuple(trunk.relative_to(folder) for trunk in self.trunks)
        return self.model_copy(update={"trunks": trunks, "tls": self.tls.relative_to(folder)})


class MediaSection(_Section):
    """`media`: the workers that carry the sound."""

    workers: int | None = Field(default=None, ge=1, le=64)
    """Processes that carry the sound; default: one per core that the front leaves. Takes a
    restart."""
    port_range: tuple[Port, Port] = (10000, 20000)
    """RTP on even ports, RTCP on the next; [0, 0] lets the system choose. Takes a restart."""
    port_rest: float = Field(default=5.0, ge=0, le=60)
    """Seconds that a port stays closed to new calls after its call. Takes a restart."""
    advertised_ip: str | None = None
    """The address for sound, where it differs from sip.advertised_host."""
    codecs: tuple[Literal["pcma", "pcmu"], ...] = ("pcma", "pcmu")
    """In our order of preference when the caller has none."""
    dtmf: tuple[Literal["rfc4733", "info", "inband"], ...] = ("rfc4733", "info", "inband")
    """The ways in which keys are heard: telephone events, SIP INFO, tones in the sound."""
    io_uring: bool = True
    """Packets of many calls in one system call, where Linux lets us. Takes a restart."""
    cpus: tuple[int, ...] = ()
    """The CPUs that the workers keep to, one each in turn; default: any. Takes a restart."""
    nice: int | None = Field(default=None, ge=-20, le=19)
    """The priority of the workers, -20 (first) to 19; default: -10 where allowed. Takes a
    restart."""

    @field_validator("advertised_ip")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ip_address(value)
            except ValueError:
                what = f"{value!r} is no IP address; give one such as 203.0.113.10"
                raise ValueError(what) from None
        return value

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

    @field_validator("cpus")
    @classmethod
    def _cpus_there_are(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        there = os.sched_getaffinity(0)
        if missing := sorted(set(value) - there):
            raise ValueError(
                f"this process may not use CPU {', '.join(map(str, missing))}; "
                f"those it may: {', '.join(map(str, sorted(there)))}"
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

    number: Annotated[
        str,
        Shape(r"[0-9+*#]{1,20}", 'digits without spaces, 20 at most, such as "0810292929"'),
    ]
    """The number that callers dial, in quotes."""
    caf: CafCode | None = None
    """The 3 digits of the line's Caf, in quotes; without it the line is national and asks for
    the postal code."""
    dialplan: str = "caller"
    """What the caller lives through: a file of `dialplans`, without .yaml."""
    language: Literal["fr", "en"] = "fr"
    """The language that the call begins in."""
    hours: OpeningHours = OpeningHours()
    """When advisors answer."""
    notice: Annotated[
        tuple[str, ...],
        WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}, "maxItems": 3}),
    ] = Field(default=(), max_length=3)
    """A prompt, or up to three, played before the answer."""
    advisor: (
        Annotated[
            str,
            Shape(
                r"sips?:([^\s<>@]+@)?[^\s<>@:;?]+[^\s<>@]*",
                "a SIP URI, such as sip:advisors@203.0.113.20",
            ),
        ]
        | None
    ) = None
    """The SIP URI where callers who ask for an advisor are transferred."""

    @field_validator("notice", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class ConsoleSection(_Section):
    """`console`: where the operator's side is served; `port` None for nowhere."""

    host: str = "127.0.0.1"
    """Address to listen on. Takes a restart."""
    port: Port | None = 8080
    """0 picks a free one, null is for no console. Takes a restart."""
    behind_tls: bool = False
    """true where users reach it by https, through a proxy that you trust. Takes a restart."""
    metrics_from: tuple[Network, ...] = LOOPBACK
    """Networks from which Prometheus may read /metrics. Takes a restart."""
    users: tuple[ConsoleUser, ...] = Field(default=(), max_length=1000)
    """Who may log in; `ivr console user NAME` prints a line for each."""

    @field_validator("users")
    @classmethod
    def _each_name_once(cls, value: tuple[ConsoleUser, ...]) -> tuple[ConsoleUser, ...]:
        names = [user.name for user in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is given twice; keep one")
        return value


class LogSection(_Section):
    """`log`: what the server tells on standard error."""

    level: Level = "info"
    """The least that is told."""
    format: Literal["human", "json"] = "human"
    """Lines for people, or JSON. Takes a restart."""


class TracesSection(_Section):
    """`traces`: of calls, for OpenTelemetry (extra `traces`)."""

    endpoint: (
        Annotated[
            str, Shape(r"https?://[^\s]+", "an address such as http://127.0.0.1:4318/v1/traces")
        ]
        | None
    ) = None
    """Where a collector takes OTLP over HTTP; null: no traces. Takes a restart."""
    share: float = Field(default=1.0, gt=0, le=1)
    """The part of all calls that is traced. Takes a restart."""


class Config(OwnSections):
    """The whole file. Relative paths are taken from the folder of the file."""

    model_config = SettingsConfigDict(extra="forbid")

    _source: LocatedYaml | None = PrivateAttr(default=None)

    sip: SipSection = SipSection()
    """Where calls come in, from whom, and how many."""
    media: MediaSection = MediaSection()
    """The workers that carry the sound."""
    lines: tuple[LineSection, ...] = Field(min_length=1)
    """The numbers that callers dial."""
    auth: AuthSettings = AuthSettings()
    """Who may come in: where the core keeps things, and every threshold."""
    delivery: DeliverySettings = DeliverySettings()
    """How messages leave."""
    retention: RetentionSettings = RetentionSettings()
    """How long things are kept."""
    prompts: Path = Path("prompts")
    """Folder of what is said: <language>/catalogue.yaml and the recordings."""
    dialplans: Path = Path("dialplans")
    """Folder of what callers live through: <name>.yaml."""
    records: Path = Path("var/records.jsonl")
    """One JSON line per call goes there. Takes a restart."""
    control: Path = Path("var/control.sock")
    """The socket where `ivr reload` finds the server. Takes a restart."""
    console: ConsoleSection = ConsoleSection()
    """The operator's page and /metrics."""
    portal: object = None
    """The other channels over HTTP: `portal serve` reads it."""
    log: LogSection = LogSection()
    """What the server tells on standard error."""
    traces: TracesSection = TracesSection()
    """Traces of calls, where a collector is named."""

    @model_validator(mode="after")
    def _each_number_once(self) -> Self:
        numbers = [line.number for line in self.lines]
        twice = {number for number in numbers if numbers.count(number) > 1}
        if twice:
            raise ValueError(f"lines: {', '.join(sorted(twice))} is given twice; keep one")
        return self

    @model_validator(mode="after")
    def _registrations_lead_somewhere(self) -> Self:
        for trunk in self.sip.trunks:
            section = trunk.register_
            if section and section.transport not in self.sip.transports:
                raise ValueError(
                    f"sip.trunks: {trunk.name}: register: {section.transport} is none of "
                    "sip.transports; add it there"
                )
            if trunk.register_ and self.line(trunk.register_.number) is None:
                raise ValueError(
                    f"sip.trunks: {trunk.name}: register: {trunk.register_.number} is none of "
                    "`lines`; say by `line` which one its calls reach"
                )
        return self

    def fault(self, path: KeyPath, what: str) -> str:
        """One line about what stands at `path`, with its place in the file that this was read
        from."""
        if self._source is None:
            return f"{'.'.join(map(str, path))}: {what}"
        return str(self._source.fault(path, what))

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
    config._source = located
    folder = file.resolve().parent
    return config.model_copy(
        update={
            "sip": config.sip.relative_to(folder),
            "prompts": folder / config.prompts,
            "dialplans": folder / config.dialplans,
            "records": folder / config.records,
            "control": folder / config.control,
            "auth": config.auth.relative_to(folder),
            "delivery": config.delivery.relative_to(folder),
        }
    )

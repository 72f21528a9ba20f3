"""Who may call: the trunks of `sip.trunks`, and which of them an address belongs to."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from auth_core.shape import Shape
from ivr.sip.digest import Algorithm

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
MAX_PASSWORD = 256
SecureSound = Literal["off", "optional", "required"]
# What goes between quotes into a header, and into a URI, as it stands.
UserName = Annotated[
    str, Shape(r"[A-Za-z0-9_.+*#-]{1,64}", "letters, digits and _ . + * # -, 64 of them at most")
]


class PasswordFault(Exception):  # noqa: N818 - a fault of the operator's files
    """A SIP password can't be had; the message says of whom, where and how to mend it."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SipUser(_Section):
    """A user name and where its password is: in a file, or in a variable of the environment."""

    user: UserName
    """The user name."""
    password_file: Path | None = None
    """A file that holds the password, on one line."""
    password_env: (
        Annotated[
            str,
            Shape(
                r"[A-Za-z_][A-Za-z0-9_]*",
                "the name of a variable of the environment, such as OFFICE_PASSWORD",
            ),
        ]
        | None
    ) = None
    """A variable of the environment that holds the password."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.password_file is None) == (self.password_env is None):
            raise ValueError("give password_file or password_env, one of them")
        return self

    def relative_to(self, folder: Path) -> Self:
        """The same, with a relative path taken from `folder`."""
        if self.password_file is None:
            return self
        return self.model_copy(update={"password_file": folder / self.password_file})

    def password(self) -> SecretStr:
        """The password, masked. Raises `PasswordFault`."""
        try:
            if self.password_file is not None:
                place = str(self.password_file)
                text = self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
            else:
                place = f"the variable {self.password_env}"
                text = os.environ.get(self.password_env or "", "")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise PasswordFault(
                f"the password of {self.user}: cannot read {place} ({why}); "
                "write it there, on one line"
            ) from error
        if not text or len(text) > MAX_PASSWORD or not text.isprintable():
            raise PasswordFault(
                f"the password of {self.user}: {place} must hold 1 to {MAX_PASSWORD} "
                "printable characters, on one line"
            )
        return SecretStr(text)


class DigestSection(_Section):
    """`digest`: the users who may come in by this trunk with a password (RFC 8760).

    `algorithms` are offered in that order: some phones take the first challenge or none.
    """

    users: tuple[SipUser, ...] = Field(min_length=1, max_length=1000)
    """Who may come in, each with a password."""
    algorithms: tuple[Algorithm, ...] = Field(default=tuple(Algorithm), min_length=1)
    """Offered in this order; [MD5] for phones that know no other."""


class RegisterSection(SipUser):
    """`register`: where this trunk wants us to register, and as whom."""

    registrar: Annotated[
        str,
        Shape(
            r"sip:[^\s<>@;?]+(;transport=(udp|tcp|tls))?",
            "the registrar without a user, such as sip:pbx.example:5060;transport=tcp",
        ),
    ]
    """Where to register, such as sip:pbx.example:5060;transport=tcp."""
    expires: int = Field(default=3600, ge=60, le=86_400)
    """Seconds asked for."""
    line: str | None = None
    """The line that its calls reach; default: the user."""

    @property
    def transport(self) -> str:
        return self.registrar.partition(";transport=")[2] or "udp"

    @property
    def number(self) -> str:
        """The line that calls over the registration reach."""
        return self.line or self.user


class Trunk(_Section):
    """One of `sip.trunks`: where its calls come from, how many, and what is believed of them."""

    name: Annotated[
        str,
        Shape(
            r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}",
            "a name without spaces: letters, digits and . _ : / -, 64 of them at most",
        ),
    ]
    """In the log and in the metrics."""
    networks: tuple[Network, ...] = ()
    """Where its calls come from; the most specific network of all trunks wins."""
    max_calls: int | None = Field(default=None, ge=1)
    """Its own limit of calls at once."""
    max_cps: int | None = Field(default=None, ge=1)
    """Its own limit of new calls a second."""
    trusted: bool = False
    """Believe P-Asserted-Identity, Diversion and History-Info."""
    secure_sound: SecureSound = "optional"
    """SRTP: off, optional or required."""
    digest: DigestSection | None = None
    """These users only, with a password."""
    register_: RegisterSection | None = Field(default=None, alias="register")
    """Register there, so that its calls find us."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        network = {"type": "string", "description": "Just a network."}
        return {"anyOf": [network, handler(core_schema)]}

    @model_validator(mode="before")
    @classmethod
    def _just_a_network(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            network = ip_network(value)
        except ValueError as error:
            raise ValueError(
                f"{error}; give a network such as 198.51.100.0/24, or a mapping with a name"
            ) from error
        return {"name": str(network), "networks": (network,)}

    @field_validator("secure_sound", mode="before")
    @classmethod
    def _yaml_s_off(cls, value: Any) -> Any:
        """`off` without quotes is false in YAML."""
        return "off" if value is False else value

    @model_validator(mode="after")
    def _can_be_recognised(self) -> Self:
        if not self.networks and self.digest is None:
            raise ValueError("name the networks of its calls, or users under digest, or both")
        return self

    @property
    def users(self) -> tuple[SipUser, ...]:
        """Who may come in with a password."""
        return self.digest.users if self.digest else ()

    def relative_to(self, folder: Path) -> "Trunk":
        """The same, with its relative paths taken from `folder`."""
        changes: dict[str, Any] = {}
        if self.digest:
            users = tuple(user.relative_to(folder) for user in self.users)
            changes["digest"] = self.digest.model_copy(update={"users": users})
        if self.register_:
            changes["register_"] = self.register_.relative_to(folder)
        return self.model_copy(update=changes)


HOME = Trunk(name="private", networks=PRIVATE_NETWORKS)
"""What may call where no trunk is named: this machine and private networks."""


def check_trunks(trunks: Iterable[Trunk]) -> None:
    """Raise ValueError where two trunks could not be told apart."""
    trunks = tuple(trunks)
    for what, values in (
        ("the name", [trunk.name for trunk in trunks]),
        ("the network", [str(network) for trunk in trunks for network in trunk.networks]),
        ("the digest user", [user.user for trunk in trunks for user in trunk.users]),
    ):
        twice = sorted(value for value, count in Counter(values).items() if count > 1)
        if twice:
            raise ValueError(f"{what} {', '.join(twice)} is given twice; keep one")


class Trunks:
    """The trunks in force. None named means one, of this machine and private networks."""

    def __init__(self, named: Iterable[Trunk]) -> None:
        self._trunks = tuple(named) or (HOME,)
        self._by_name = {trunk.name: trunk for trunk in self._trunks}
        tables: dict[tuple[int, int], dict[int, Trunk]] = {}
        for trunk in self._trunks:
            for network in trunk.networks:
                host_bits = network.max_prefixlen - network.prefixlen
                table = tables.setdefault((network.version, host_bits), {})
                table[int(network.network_address) >> host_bits] = trunk
        # The most specific networks first: one look-up for each length of prefix there is.
        self._tables = [(*key, tables[key]) for key in sorted(tables)]

    def __iter__(self) -> Iterator[Trunk]:
        return iter(self._trunks)

    def named(self, name: str) -> Trunk | None:
        """The trunk of that name."""
        return self._by_name.get(name)

    def of(self, host: str) -> Trunk | None:
        """The trunk whose networks hold the address `host`, the most specific one; None for a
        stranger. An IPv4 address that is written as IPv6 counts as IPv4."""
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        version, value = address.version, int(address)
        for of_version, host_bits, table in self._tables:
            if of_version == version and (trunk := table.get(value >> host_bits)):
                return trunk
        return None

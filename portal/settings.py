"""The `portal:` section of `config.yaml`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, model_validator

from auth_core import AuthSettings
from auth_core.settings import OwnSections, load_sections

Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Section):
    """`tls`: where no proxy in front speaks TLS for us."""

    certificate: Path | None = None
    """The server's certificate first, then what it is signed with; a PEM file."""
    key: Path | None = None
    """Its private key; a PEM file."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("name both certificate and key, or none")
        return self


class SessionSettings(_Section):
    """`session`: how long somebody stays in."""

    idle_minutes: float = Field(default=15, gt=0, le=60)
    """Without a sign of life."""
    hours: float = Field(default=8, gt=0, le=12)
    """In all."""
    kiosk_idle_seconds: float = Field(default=60, gt=0, le=120)
    """Without a sign of life, at a kiosk."""


class PortalSettings(_Section):
    """`portal`: the other channels over HTTP. All of it takes a restart of the portal."""

    host: str = "127.0.0.1"
    """The address to listen on. Browsers want HTTPS but from this machine: `tls`, or a proxy in
    front."""
    port: Port = 8081
    """0 picks a free one; the ready line says which."""
    tls: TlsSettings = TlsSettings()
    """A certificate of its own."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Networks of the proxies in front, whose X-Forwarded-For is believed."""
    session: SessionSettings = SessionSettings()
    """How long somebody stays in."""

    def idle_limit(self, kiosk: bool) -> timedelta:
        """After how long without a sign of life a session is over."""
        session = self.session
        if kiosk:
            return timedelta(seconds=session.kiosk_idle_seconds)
        return timedelta(minutes=session.idle_minutes)

    def relative_to(self, folder: Path) -> "PortalSettings":
        """The same, with its relative paths taken from `folder`."""
        if self.tls.certificate is None or self.tls.key is None:
            return self
        tls = TlsSettings(certificate=folder / self.tls.certificate, key=folder / self.tls.key)
        return self.model_copy(update={"tls": tls})


class Config(OwnSections):
    """What the portal reads of `config.yaml`."""

    auth: AuthSettings = AuthSettings()
    portal: PortalSettings = PortalSettings()


def load(file: Path) -> Config:
    """Read the portal's sections, relative paths taken from the file's folder. Raises
    `YamlFaults` with every fault, OSError when the file cannot be read."""
    config, folder = load_sections(file, Config), file.resolve().parent
    return config.model_copy(
        update={
            "auth": config.auth.relative_to(folder),
            "portal": config.portal.relative_to(folder),
        }
    )

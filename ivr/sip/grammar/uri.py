"""URIs: sip, sips (RFC 3261 §19.1) and tel (RFC 3966)."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ivr.sip.grammar.scan import Parameters, host_port, parameters
from ivr.wire import WireError

_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")
_VISUAL_SEPARATORS = str.maketrans("", "", "-.()")


@dataclass(frozen=True, slots=True)
class Uri:
    """A parsed URI. `host` is empty but for sip and sips; `parameters` have names in lower case.

    `headers` is what follows the question mark of a sip or sips URI, as it came.
    """

    scheme: str
    user: str
    host: str
    port: int | None
    parameters: Parameters
    headers: str = ""

    @property
    def is_loose_router(self) -> bool:
        """Whether this route is a loose router (RFC 3261 §16.12, parameter `lr`)."""
        return "lr" in self.parameters

    @property
    def transport(self) -> str | None:
        """The `transport` parameter in lower case, or None."""
        value = self.parameters.get("transport")
        return value.lower() if value else None

    @classmethod
    def parse(cls, text: str) -> "Uri":
        """Read a URI; `user` comes unescaped, without password. Raises `WireError`."""
        scheme, rest = split_scheme(text)
        if scheme in ("sip", "sips"):
            return cls._parse_sip(scheme, rest)
        subscriber, _, tail = rest.partition(";")
        if not subscriber:
            raise WireError("Empty URI")
        user = unescaped(subscriber)
        if scheme == "tel":
            user = user.translate(_VISUAL_SEPARATORS)
        return cls(scheme, user, "", None, parameters(tail))

    @classmethod
    def _parse_sip(cls, scheme: str, rest: str) -> "Uri":
        userinfo, at, hostpart = rest.partition("@")
        if not at:
            userinfo, hostpart = "", rest
        hostpart, _, headers = hostpart.partition("?")
        address, _, tail = hostpart.partition(";")
        host, port = host_port(address)
        user = unescaped(userinfo.partition(":")[0])
        return cls(scheme, user, host.lower(), port, parameters(tail), headers)


def split_scheme(text: str) -> tuple[str, str]:
    """The scheme of a URI in lower case, and what follows its colon. Raises `WireError`."""
    scheme, colon, rest = text.strip().partition(":")
    if not colon or not scheme[:1].isalpha() or not _SCHEME.issuperset(scheme):
        raise WireError("Malformed URI")
    return scheme.lower(), rest


def unescaped(text: str) -> str:
    """`text` with its %HH escapes undone; UTF-8, or Latin-1 where it isn't that."""
    if text.isascii() and "%" not in text:
        return text
    octets = unquote_to_bytes(text.encode("latin-1", "replace"))
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")

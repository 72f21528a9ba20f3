"""The scanners that the other items share: lists, parameters, tokens, numbers, host and port."""

from ivr.wire import WireError

TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_IPV6 = frozenset("0123456789abcdefABCDEF:.")

# str.strip() alone would also take octets of UTF-8 that read as Latin-1 spaces.
BLANK = " \t"

Parameters = dict[str, str | None]


def is_token(text: str) -> bool:
    """Whether `text` is a token (RFC 3261 §25.1)."""
    return bool(text) and TOKEN.issuperset(text)


def number(text: str, limit: int) -> int:
    """A decimal number from 0 to `limit`. Raises `WireError`."""
    # Python limits how many digits int() takes, and answers with an error of its own.
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise WireError("Malformed number")
    value = int(text)
    if value > limit:
        raise WireError("Number out of range")
    return value


def end_of_quoted(text: str, start: int) -> int:
    """The index of the quote that closes the one at `start`. Raises `WireError`."""
    position = start + 1
    while True:
        quote = text.find('"', position)
        if quote < 0:
            raise WireError("Unterminated quoted string")
        escape = text.find("\\", position, quote)
        if escape < 0:
            return quote
        position = escape + 2


def unquoted(text: str) -> str:
    """`text` without the quotes around it and the backslashes in it, when it has quotes."""
    if len(text) < 2 or text[0] != '"':
        return text
    parts: list[str] = []
    position, end = 1, end_of_quoted(text, 0)
    while (escape := text.find("\\", position, end)) >= 0:
        parts.append(text[position:escape])
        parts.append(text[escape + 1])
        position = escape + 2
    parts.append(text[position:end])
    return "".join(parts)


def split(text: str, separator: str) -> list[str]:
    """The parts of `text` between separators outside quotes and angle brackets, stripped.

    Empty parts are left out, as they mean nothing in any list of SIP. Raises `WireError`.
    """
    if '"' not in text and "<" not in text:
        parts = text.split(separator)
    else:
        parts = _split_around_quotes(text, separator)
    return [stripped for part in parts if (stripped := part.strip(BLANK))]


def _split_around_quotes(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    begin = position = 0
    while position < len(text):
        character = text[position]
        if character == '"':
            position = end_of_quoted(text, position)
        elif character == "<":
            position = text.find(">", position)
            if position < 0:
                raise WireError("Unterminated angle bracket")
        elif character == separator:
            parts.append(text[begin:position])
            begin = position + 1
        position += 1
    parts.append(text[begin:])
    return parts


def parameters(text: str) -> Parameters:
    """`a=1;b;C="x"` as {"a": "1", "b": None, "c": '"x"'}: names in lower case, first wins."""
    found: Parameters = {}
    if not text:
        return found
    for part in split(text, ";"):
        name, equals, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip() if equals else None)
    return found


def write_parameters(values: Parameters) -> str:
    """The inverse of `parameters`, with a semicolon before each."""
    return "".join(
        f";{name}" if value is None else f";{name}={value}" for name, value in values.items()
    )


def host_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port` or `[v6]:port` as (host without brackets, port or None).

    Raises `WireError`.
    """
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not host or not _IPV6.issuperset(host):
            raise WireError("Malformed IPv6 address")
        rest = rest.strip()
        if rest and not rest.startswith(":"):
            raise WireError("Malformed host")
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
        host = host.rstrip()
        if not host or not _HOST.issuperset(host):
            raise WireError("Malformed host")
    port = port.strip()
    return host, number(port, 65535) if port else None


def write_host(host: str) -> str:
    """A host as it stands in a URI or a Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host

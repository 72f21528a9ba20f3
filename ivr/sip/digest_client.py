"""Digest answers to who asks us for a password (RFC 7616, RFC 8760, RFC 3261 §22). Sans-IO."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from ivr.sip.digest import QOP, Algorithm, UserKey, parse
from ivr.sip.message import Response
from ivr.wire import WireError

_LONGEST = 1_024  # characters of what is echoed of a challenge


@dataclass(slots=True)
class _Challenge:
    """What the other side asked, and how often it was answered."""

    header: str
    algorithm: Algorithm
    given: dict[str, str]
    key: UserKey
    count: int = 0


class DigestClient:
    """One user's answers; the last challenge is answered again, with a rising count."""

    def __init__(self, user: str, password: SecretStr, entropy: Callable[[int], bytes]) -> None:
        self._user = user
        self._password = password
        self._entropy = entropy
        self._challenge: _Challenge | None = None

    def take(self, response: Response) -> bool:
        """Take the challenges of a 401 or 407; False when there is none that a further answer
        could meet: of no algorithm we know, or our answer was wrong."""
        status = response.status
        source = "www-authenticate" if status == 401 else "proxy-authenticate"
        header = "Authorization" if status == 401 else "Proxy-Authorization"
        offers = [given for text in response.headers.fields(source) if (given := _read(text))]
        for algorithm in Algorithm:
            for given in offers:
                if Algorithm.named(given.get("algorithm", "")) is not algorithm:
                    continue
                # A nonce that has served may just be over; one that never has was answered wrong.
                last = self._challenge
                again = last is not None and last.count == 1 and last.header == header
                if again and given.get("stale", "").lower() != "true":
                    self._challenge = None  # next time, from the beginning
                    return False
                realm, password = given.get("realm", ""), self._password.get_secret_value()
                key = UserKey(self._user, realm, password)
                self._challenge = _Challenge(header, algorithm, given, key)
                return True
        return False

    def authorization(self, method: str, uri: str) -> list[tuple[str, str]]:
        """The header for the next request; none before a challenge."""
        challenge = self._challenge
        if challenge is None:
            return []
        challenge.count += 1
        given, algorithm = challenge.given, challenge.algorithm
        nonce, count, cnonce = given["nonce"], f"{challenge.count:08x}", self._entropy(8).hex()
        fields = {"username": self._user, "realm": given.get("realm", ""), "nonce": nonce}
        fields["uri"] = uri
        if "qop" in given:
            fields["response"] = challenge.key.response(
                algorithm, method, uri, nonce, count, cnonce
            )
            fields["cnonce"] = cnonce
        else:
            fields["response"] = challenge.key.response_without_qop(algorithm, method, uri, nonce)
        if "opaque" in given:
            fields["opaque"] = given["opaque"]
        written = [f"{name}={_quoted(value)}" for name, value in fields.items()]
        written.append(f"algorithm={algorithm.value}")
        if "qop" in given:
            written += [f"qop={QOP}", f"nc={count}"]
        return [(challenge.header, "Digest " + ", ".join(written))]


def _read(text: str) -> dict[str, str]:
    """A challenge that we can answer, {} for any other."""
    try:
        given = parse(text)
    except WireError:
        return {}
    if any(len(value) > _LONGEST for value in given.values()) or not given.get("nonce"):
        return {}
    offered = [each.strip().lower() for each in given.get("qop", QOP).split(",")]
    return given if QOP in offered else {}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

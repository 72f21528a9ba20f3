"""Our registration with a PBX or a provider (RFC 3261 §10.2). Sans-IO."""

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import SecretStr

from ivr.sip.core import Core
from ivr.sip.digest_client import DigestClient
from ivr.sip.events import Registered
from ivr.sip.flow import Flow
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.scan import number
from ivr.sip.grammar.uri import Uri
from ivr.sip.message import Response
from ivr.sip.replies import write
from ivr.sip.timers import TIMEOUT, Timer
from ivr.wire import WireError

FIRST_RETRY, LAST_RETRY = 30.0, 1_800.0  # seconds (RFC 5626 §4.5)
MAX_EXPIRES = 86_400
SHORTEST_REFRESH = 5.0
_MOST_TRIES = 4  # of one registration: a challenge, a stale nonce, a longer time


class State(StrEnum):
    """A fixed vocabulary, fit for a metric."""

    TRYING = "trying"
    REGISTERED = "registered"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Account:
    """`uri` is the registrar's, `flow` the way there; calls come to the number `line`."""

    name: str
    uri: str
    flow: Flow
    user: str
    line: str
    expires: int
    password: SecretStr = field(repr=False)


class Registration:
    """Kept up until `stop`: refreshed in time, tried again ever more slowly when it fails."""

    def __init__(self, core: Core, account: Account) -> None:
        self.state = State.TRYING
        self._core = core
        self._account = account
        self._digest = DigestClient(account.user, account.password, core.random)
        self._call_id = core.token()
        self._tag = core.token()
        self._contact = core.contact_of(account.line, account.flow)
        self._sequence = 0
        self._tries = 0
        self._failures = 0
        self._expires = account.expires
        self._timer: Timer | None = None
        self._ending = False

    def start(self, now: float) -> None:
        """Register, or refresh."""
        self._tries = 0
        self._send(now)

    def stop(self, now: float) -> None:
        """Take our binding back (§10.2.2)."""
        if self._ending:
            return
        self._ending = True
        self._tries = 0
        if self._timer:
            self._timer.cancel()
        if self.state is State.REGISTERED:
            self._send(now)
        else:
            self._become(State.ENDED, 0)

    def _send(self, now: float) -> None:
        account, self._tries = self._account, self._tries + 1
        self._sequence += 1
        of = f"<{account.uri.replace('sip:', f'sip:{account.user}@', 1)}>"
        headers = [
            ("Contact", f"<{self._contact}>"),
            ("Expires", "0" if self._ending else str(self._expires)),
            *self._digest.authorization("REGISTER", account.uri),
        ]
        ending, asked = self._ending, now

        def request(via: str) -> bytes:
            fields = [
                f"Via: {via}",
                "Max-Forwards: 70",
                f"From: {of};tag={self._tag}",
                f"To: {of}",
                f"Call-ID: {self._call_id}",
                f"CSeq: {self._sequence} REGISTER",
            ]
            return write(f"REGISTER {account.uri} SIP/2.0", fields, headers, b"")

        def answered(status: int, response: Response | None, now: float) -> None:
            if ending == self._ending:  # else it is over meanwhile
                self._answered(status, response, now, now - asked)

        self._core.ask_outside(account.flow, request, answered, now)

    def _answered(self, status: int, response: Response | None, now: float, after: float) -> None:
        again = response is not None and self._tries < _MOST_TRIES and self._mended(response)
        succeeded = response is not None and 200 <= status < 300
        if not again and not self._ending:
            self._measure(after, succeeded=succeeded)
        if again:
            self._send(now)
        elif self._ending:
            self._become(State.ENDED, status)
        elif response is not None and succeeded:
            self._failures = 0
            granted = self._granted(response)
            self._at(now + max(SHORTEST_REFRESH, granted - max(TIMEOUT, granted / 10), granted / 2))
            self._become(State.REGISTERED, status)
        else:
            wait = min(LAST_RETRY, FIRST_RETRY * 2 ** min(self._failures, 10))
            self._failures += 1
            # Not all at once when a registrar comes back (RFC 5626 §4.5).
            wait *= 0.5 + self._core.random(1)[0] / 510
            self._at(now + max(wait, _seconds(response, "retry-after", LAST_RETRY)))
            self._become(State.FAILED, status)

    def _measure(self, after: float, *, succeeded: bool) -> None:
        measures = self._core.measures
        measures.registrations[self._account.name, succeeded] += 1
        if succeeded:
            measures.registration.add(after)

    def _mended(self, response: Response) -> bool:
        """Whether what was refused may be asked again, otherwise."""
        if response.status in (401, 407):
            return self._digest.take(response)
        if response.status == 423:
            wanted = int(_seconds(response, "min-expires", MAX_EXPIRES))
            longer, self._expires = wanted > self._expires, max(wanted, self._expires)
            return longer
        return False

    def _granted(self, response: Response) -> float:
        """Seconds until our binding ends, as the registrar says (§10.2.4)."""
        ours = Uri.parse(self._contact)
        granted = _seconds(response, "expires", MAX_EXPIRES) or float(self._expires)
        try:
            for value in response.headers.values("contact"):
                contact = NameAddr.parse(value)
                uri = Uri.parse(contact.uri)
                if (uri.user, uri.host, uri.port) == (ours.user, ours.host, ours.port):
                    granted = number(contact.parameters.get("expires") or "", MAX_EXPIRES)
        except WireError:
            pass  # the header's time, or what we asked for, holds
        return float(granted)

    def _at(self, deadline: float) -> None:
        self._timer = self._core.timers.at(deadline, self.start)

    def _become(self, state: State, status: int) -> None:
        changed, self.state = state is not self.state, state
        if changed or state is State.FAILED:
            self._core.emit(Registered(self._account.name, state, status))


def _seconds(response: Response | None, name: str, limit: float) -> float:
    """A header's whole seconds, 0 when it is not there or makes no sense."""
    if response is None or name not in response.headers:
        return 0.0
    try:
        return float(number(response.headers.get(name).partition(";")[0].strip(), int(limit)))
    except WireError:
        return 0.0

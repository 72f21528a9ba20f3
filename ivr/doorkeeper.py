"""Who gets in, and whether there is room: what the signalling asks before it keeps anything.

By trunk for who (its networks, its passwords), by `Room` for how many; a media clock that runs
late and a server that drains close the door to new calls, and never touch those inside.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from ivr.call import RETRY_AFTER
from ivr.config import SipSection
from ivr.records import EndReason
from ivr.sip.admission import Admitted, Rejected
from ivr.sip.digest import Algorithm, UserKey
from ivr.sip.digest_server import DigestServer, Outcome
from ivr.sip.events import DropReason
from ivr.sip.exchange import Refusal
from ivr.sip.flow import Flow
from ivr.sip.message import Request
from ivr.sound_watch import SoundWatch
from ivr.trunks import Trunk, Trunks
from ivr.wire import WireError

log = structlog.get_logger(__name__)


class Room:
    """How many calls there may be at once, and how many new ones a second; None: any number."""

    def __init__(self, max_calls: int | None = None, max_cps: int | None = None) -> None:
        self.calls = 0
        self._updated = 0.0
        self.limit(max_calls, max_cps)

    def limit(self, max_calls: int | None, max_cps: int | None) -> None:
        """From now on; the calls inside stay."""
        self._max_calls = max_calls
        self._max_cps = max_cps
        self._allowance = float(max_cps or 0)

    @property
    def is_full(self) -> bool:
        return self._max_calls is not None and self.calls >= self._max_calls

    def refusal(self, now: float) -> EndReason | None:
        """None when one more call may come in at `now` (monotonic seconds)."""
        if self.is_full:
            return EndReason.TOO_MANY_CALLS
        if self._max_cps is None:
            return None
        self._allowance = min(
            float(self._max_cps), self._allowance + (now - self._updated) * self._max_cps
        )
        self._updated = now
        return EndReason.TOO_FAST if self._allowance < 1 else None

    def enter(self) -> None:
        """A call that `refusal` let pass comes in."""
        self.calls += 1
        self._allowance -= 1

    def leave(self) -> None:
        """It is over."""
        self.calls -= 1


class Doorkeeper:
    """The `Admission` of the server."""

    def __init__(
        self, sip: SipSection, entropy: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """Raises `PasswordFault`: the password of a digest user can't be had."""
        self.leaving = False
        """The server goes down: no new calls, those inside end by themselves."""
        self.held = False
        """The same, but the operator may take it back."""
        self.sound = SoundWatch(sip.max_late_ticks, sip.max_busy)
        """No new calls while the clock of the sound can't keep up, or could not with one more."""
        self.refused: Counter[EndReason] = Counter()
        self._digest = _digest_server(sip, entropy)
        self._entropy = entropy
        self._sip = sip
        self._room = Room()
        self._rooms: dict[str, Room] = {}
        self.adopt(sip)

    def adopt(self, sip: SipSection) -> None:
        """From now on new calls are let in by this section; those inside count as before.

        Raises `PasswordFault`, and nothing has changed then.
        """
        trunks = Trunks(sip.trunks)
        self._keys = {
            trunk.name: {
                user.user: UserKey(user.user, sip.realm, user.password().get_secret_value())
                for user in trunk.users
            }
            for trunk in trunks
        }
        self.trunks = trunks
        # Who guessed wrong stays known for it, unless it is counted otherwise from now on.
        if (sip.realm, sip.guesses) != (self._sip.realm, self._sip.guesses):
            self._digest = _digest_server(sip, self._entropy)
        self._sip = sip
        # Who comes from no network of a trunk may still be one of these.
        self._roamers = {
            user.user: trunk.name
            for trunk in self.trunks
            if not trunk.networks
            for user in trunk.users
        }
        self._roamer_keys = {user: self._keys[trunk][user] for user, trunk in self._roamers.items()}
        # Who of them a request is of is not known before it has answered.
        offered = {each for trunk in self.trunks if not trunk.networks for each in _offered(trunk)}
        self._roamers_offered = tuple(each for each in Algorithm if each in offered)
        self._stranger = Refusal(403) if sip.strangers == "refuse" else None
        self.sound.limit(sip.max_late_ticks, sip.max_busy)
        self._room.limit(sip.max_calls, sip.max_cps)
        # Calls of a trunk that is no more still leave by its room.
        for trunk in trunks:
            self._rooms.setdefault(trunk.name, Room()).limit(trunk.max_calls, trunk.max_cps)

    @property
    def is_full(self) -> bool:
        """Whether there are as many calls as there may be, or as the workers can carry."""
        return self._room.is_full or self.is_full_of_sound

    @property
    def draining(self) -> bool:
        """Whether there are no new calls because somebody wanted it so."""
        return self.leaving or self.held

    @property
    def is_full_of_sound(self) -> bool:
        """Whether one more call would make the others stutter."""
        return self._room.calls >= self.sound.most_calls

    def calls(self, trunk: Trunk) -> int:
        """How many calls of that trunk there are."""
        return self._rooms[trunk.name].calls

    def recognise(self, request: Request, flow: Flow, now: float) -> Admitted | Rejected:
        trunk = self.trunks.of(flow.remote[0])
        if trunk is not None and not trunk.users:
            return Admitted(trunk.name)
        keys = self._keys[trunk.name] if trunk else self._roamer_keys
        # CANCEL can't be tried again with a password (RFC 3261 §22.1).
        if not keys or request.method == "CANCEL":
            return Rejected(DropReason.STRANGER, self._stranger)
        return self._authenticate(request, flow.remote[0], trunk, keys, now)

    def _authenticate(
        self,
        request: Request,
        host: str,
        trunk: Trunk | None,
        keys: Mapping[str, UserKey],
        now: float,
    ) -> Admitted | Rejected:
        digest = self._digest
        offered = _offered(trunk) if trunk else self._roamers_offered
        if digest.has_guessed_enough(host, now):
            return Rejected(DropReason.TOO_MANY_GUESSES, self._stranger)
        try:
            outcome, user = digest.check(request, host, keys, offered, now)
        except WireError as error:
            return Rejected(DropReason.MALFORMED, Refusal(400, reason=error.reason))
        if outcome is Outcome.PASSED:
            return Admitted(trunk.name if trunk else self._roamers[user])
        challenge = Refusal(
            401, digest.challenges(host, offered, now, stale=outcome is Outcome.STALE)
        )
        if outcome is not Outcome.WRONG:
            return Rejected(DropReason.UNAUTHENTICATED, challenge)
        if digest.has_guessed_enough(host, now):
            log.warning("too many wrong passwords", source=host)
        return Rejected(DropReason.WRONG_PASSWORD, challenge)

    def is_known(self, flow: Flow) -> bool:
        return self.trunks.of(flow.remote[0]) is not None

    def take_call(self, trunk: str, now: float) -> Refusal | None:
        room = self._rooms[trunk]
        reason = self._closed() or self._room.refusal(now) or room.refusal(now)
        if reason is not None:
            self.refused[reason] += 1
            return _unavailable(reason)
        self._room.enter()
        room.enter()
        return None

    def leave(self, trunk: str) -> None:
        """A call that was taken is over."""
        self._room.leave()
        self._rooms[trunk].leave()

    def health(self, trunk: str, now: float) -> Refusal | None:
        reason = self._closed()
        if reason is None and (self._room.is_full or self._rooms[trunk].is_full):
            reason = EndReason.TOO_MANY_CALLS
        return _unavailable(reason) if reason else None

    def _closed(self) -> EndReason | None:
        if self.draining:
            return EndReason.DRAINING
        if self.sound.is_late:
            return EndReason.SOUND_LATE
        return EndReason.TOO_MANY_CALLS if self.is_full_of_sound else None


def _digest_server(sip: SipSection, entropy: Callable[[int], bytes]) -> DigestServer:
    return DigestServer(sip.realm, sip.guesses.allowed, 60 * sip.guesses.minutes, entropy)


def _offered(trunk: Trunk) -> tuple[Algorithm, ...]:
    return trunk.digest.algorithms if trunk.digest else ()


def _unavailable(reason: EndReason) -> Refusal:
    return Refusal(503, [("Retry-After", str(RETRY_AFTER))], why=reason)

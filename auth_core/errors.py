"""What can go wrong in the core. Each message is one line: what, and how to mend it."""

from auth_core.model import Identity, masked


class AuthError(Exception):
    """The core cannot start or cannot do what was asked. `str()` is one clear line."""


class UnknownFile(AuthError):  # noqa: N818 - a name of the domain
    """No case file has this Caf and matricule. Only back-office acts ever tell so."""

    @classmethod
    def named(cls, identity: Identity) -> "UnknownFile":
        return cls(f"no file {masked(identity.matricule)} at Caf {identity.caf}")


class SessionEnded(AuthError):  # noqa: N818 - a name of the domain
    """The secret that opened this session has been replaced or the file closed since."""


class UnknownClient(AuthError):  # noqa: N818 - a name of the domain
    """No program of the back office has this token, or its time is over."""


class KeyReused(AuthError):  # noqa: N818 - what happened
    """An idempotency key came with another request before."""


class KeyInUse(AuthError):  # noqa: N818 - what happened
    """The request with this idempotency key is under way, or was interrupted."""


class TooManyRefusals(AuthError):  # noqa: N818 - a name of the domain
    """So many passwords have been refused in a session or a day that no more are judged."""


class Overloaded(AuthError):  # noqa: N818 - an answer, not a fault of what was given
    """Too many secrets wait to be judged. Nothing was judged or counted; the same may be right in a
    moment."""


class NotEntitled(AuthError):  # noqa: N818 - a name of the domain
    """The session's file has no right to this service (DOMAIN: services of an applicant)."""

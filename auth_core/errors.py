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


class TooManyRefusals(AuthError):  # noqa: N818 - a name of the domain
    """So many passwords have been refused in a session or a day that no more are judged."""


class NotEntitled(AuthError):  # noqa: N818 - a name of the domain
    """The session's file has no right to this service (DOMAIN: services of an applicant)."""

"""What can go wrong in the core. Each message is one line: what, and how to mend it."""


class AuthError(Exception):
    """The core cannot start or cannot do what was asked. `str()` is one clear line."""


class UnknownFile(AuthError):  # noqa: N818 - a name of the domain
    """No case file has this Caf and matricule. Only back-office acts ever tell so."""


class SessionEnded(AuthError):  # noqa: N818 - a name of the domain
    """The secret that opened this session has been replaced or the file closed since."""


class NotEntitled(AuthError):  # noqa: N818 - a name of the domain
    """The session's file has no right to this service (DOMAIN: services of an applicant)."""

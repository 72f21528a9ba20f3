"""What can go wrong on our side of a call; each message is one clear line, without any key."""


class UsageError(Exception):
    """Something asked that makes no sense."""


class HandsetError(Exception):
    """PJSIP refused something."""

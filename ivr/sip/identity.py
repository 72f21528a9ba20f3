"""Who calls and which number was dialled, where the Request-URI and From do not tell: pure
functions of an INVITE. What they read is true only of a trunk that is trusted."""

from collections.abc import Callable, Container, Iterator
from typing import TypeVar

from ivr.sip.grammar.asserted_identity import asserted_identities
from ivr.sip.grammar.diversion import diversions
from ivr.sip.grammar.history_info import history
from ivr.sip.grammar.name_addr import NameAddr
from ivr.sip.grammar.privacy import privacy
from ivr.sip.grammar.uri import Uri
from ivr.sip.message import Request
from ivr.wire import WireError

T = TypeVar("T")

_ANONYMOUS = "anonymous"
_NOT_TO_BE_SHOWN = frozenset({"id", "user"})


def dialled(request: Request, line: str, known: Container[str]) -> str:
    """The line that a call is for; `line` is what the Request-URI says, and goes first.

    A PBX that sends a call on may have put a number of its own there. Of the numbers that the call
    was for before, the first that is a line of ours is the one that was dialled: in History-Info,
    else in Diversion, else in To, which nobody on the way changes.
    """
    if line in known:
        return line
    return next((number for number in _earlier(request) if number in known), line)


def asserted_caller(request: Request) -> str:
    """The caller's number by the word of a trusted trunk, "" when it is withheld (RFC 3325)."""
    if not _NOT_TO_BE_SHOWN.isdisjoint(_read(lambda: list(privacy(request.headers)))):
        return ""
    users = [_user(each.uri) for each in _read(lambda: asserted_identities(request.headers))]
    numbers = [user for user in users if user.removeprefix("+")[:1].isdigit()]
    return next((user for user in (*numbers, *users) if user), claimed_caller(request))


def claimed_caller(request: Request) -> str:
    """The caller's number as From claims it, "" for none and for `anonymous` (RFC 3323 §4.1)."""
    user = _user(request.from_.uri)
    return "" if user.lower() == _ANONYMOUS else user


def _earlier(request: Request) -> Iterator[str]:
    headers = request.headers
    targets: list[NameAddr] = [entry.target for entry in _read(lambda: history(headers))]
    targets += _read(lambda: diversions(headers))
    targets.append(request.to)
    return (_user(target.uri) for target in targets)


def _read(parse: Callable[[], list[T]]) -> list[T]:
    """What can't be read says nothing: no call is refused for it."""
    try:
        return parse()
    except WireError:
        return []


def _user(uri: str) -> str:
    try:
        return Uri.parse(uri).user
    except WireError:
        return ""

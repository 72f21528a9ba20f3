"""What is answered when something cannot be done: problem details (RFC 9457), one kind for each
reason that a program may act on. None holds anything of what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from auth_core import (
    AuthError,
    KeyInUse,
    KeyReused,
    NotEntitled,
    Overloaded,
    SessionEnded,
    TooManyRefusals,
    UnknownClient,
    UnknownFile,
)

MEDIA_TYPE = "application/problem+json"
_TYPES = "tag:caf.fr,2026:problem/"
_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: what stands last in its `type`, its status, its title, its headers."""

    name: str
    status: int
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)


_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_SCOPE = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}

REFUSED = Kind("refused", 401, "This does not let anybody in", _CHALLENGE)
SESSION_ENDED = Kind("session-ended", 401, "Log in again", _INVALID)
UNKNOWN_CLIENT = Kind("unknown-client", 401, "This token is unknown, or its time is over", _INVALID)
EXPIRED = Kind("expired", 403, "The secret is right, and too old")
MUST_CREATE = Kind("must-create-password", 403, "A password must be created before anything else")
NOT_ACCESSIBLE = Kind("not-accessible", 403, "This service is not open to the file")
SCOPE = Kind("scope", 403, "This token is for other tasks", _SCOPE)
UNKNOWN_FILE = Kind("unknown-file", 404, "There is no such file")
NOT_POSSIBLE = Kind("not-possible", 409, "The file does not allow this")
KEY_REUSED = Kind("key-reused", 409, "This idempotency key came with another request")
KEY_IN_USE = Kind("key-in-use", 409, "The request with this idempotency key has no answer yet")
UNACCEPTABLE = Kind("unacceptable", 409, "The password breaks a rule")
TOO_SLOW = Kind("too-slow", 408, "The request took too long to arrive", {"Connection": "close"})
TOO_LARGE = Kind("too-large", 413, "The request is too large")
MEDIA = Kind("media-type", 415, "This expects JSON")
MALFORMED = Kind("malformed", 422, "The request is not what this expects")
TOO_MANY_REFUSALS = Kind("too-many-refusals", 429, "Too many passwords were refused")
BUSY = Kind("busy", 429, "Too many failures from this address", {"Retry-After": "3600"})
BROKEN = Kind("broken", 500, "Something is broken here")
OVERLOADED = Kind("overloaded", 503, "Too much to do; nothing was judged", {"Retry-After": "5"})

_OF_ERRORS: Mapping[type[AuthError], Kind] = {
    SessionEnded: SESSION_ENDED,
    UnknownClient: UNKNOWN_CLIENT,
    NotEntitled: NOT_ACCESSIBLE,
    UnknownFile: UNKNOWN_FILE,
    KeyReused: KEY_REUSED,
    KeyInUse: KEY_IN_USE,
    TooManyRefusals: TOO_MANY_REFUSALS,
    Overloaded: OVERLOADED,
}


class Fault(BaseModel):
    """What is wrong with a request, and where. `pointer`: JSON pointer into the body, or the name
    of a header."""

    pointer: str
    detail: str


class Objection(BaseModel):
    """A rule that a password breaks. `message`: a French sentence for its owner."""

    code: str
    message: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(examples=[f"{_TYPES}refused"])
    title: str
    status: int
    detail: str | None = None
    faults: list[Fault] | None = None
    reasons: list[Objection] | None = None
    secret: str | None = Field(None, description="The kind of secret that is too old.")


class ProblemError(Exception):
    """A request ends with a problem. `members`: of `Problem`, beside those of its kind."""

    def __init__(self, kind: Kind, **members: Any) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.members = members


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these answers, and of those that any request may get."""
    titles: dict[int, list[str]] = {}
    for kind in (*kinds, TOO_SLOW, TOO_LARGE, MEDIA, MALFORMED):
        titles.setdefault(kind.status, []).append(f"`{kind.name}`: {kind.title}")
    return {
        status: {"model": Problem, "description": "; ".join(told)}
        for status, told in sorted(titles.items())
    }


def handle_problems(app: FastAPI) -> None:
    """Every error of `app` is answered by a problem."""
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(AuthError, _auth_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _broken)


def answer(kind: Kind, **members: Any) -> Response:
    """The answer that tells of a problem. `members`: of `Problem`, beside those of its kind."""
    problem = Problem(type=_TYPES + kind.name, title=kind.title, status=kind.status, **members)
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        kind.status,
        headers=dict(kind.headers),
        media_type=MEDIA_TYPE,
    )


async def _problem_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - what it is registered for
    return answer(error.kind, **error.members)


async def _auth_error(_request: Request, error: Exception) -> Response:
    kind = next((k for t, k in _OF_ERRORS.items() if isinstance(error, t)), NOT_POSSIBLE)
    return answer(kind, detail=str(error))


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    if _media_type(request) not in ("", "application/json"):
        return answer(MEDIA)
    return answer(MALFORMED, faults=_faults(error.errors()))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _faults(errors: Sequence[Any]) -> list[Fault]:
    """Where and what; never what was given, which may be a secret."""
    return [
        Fault(pointer=_pointer(error["loc"]), detail=error["msg"]) for error in errors[:_MAX_FAULTS]
    ]


def _pointer(location: Sequence[str | int]) -> str:
    where, *rest = location
    if where != "body":
        return str(rest[0]) if rest else str(where)
    if rest and isinstance(rest[0], int):
        return ""  # the place in the text where it ceased to be JSON
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    if error.status_code == HTTPStatus.BAD_REQUEST:  # a body that is no UTF-8
        return answer(MALFORMED)
    phrase = HTTPStatus(error.status_code).phrase
    kind = Kind(phrase.lower().replace(" ", "-"), error.status_code, phrase, error.headers or {})
    return answer(kind)


async def _broken(_request: Request, _error: Exception) -> Response:
    return answer(BROKEN)

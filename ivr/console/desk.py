"""What all pages share: who asks, in which language, with which rights, and how a page is made."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ivr.console.access import Guesses, Session, Sessions, new_token
from ivr.console.formats import formats
from ivr.console.live import Live
from ivr.console.plots import Series, hourly
from ivr.console.texts import LANGUAGES, Language, language_of, translator
from ivr.console.views import Operated
from ivr.users import ConsoleUser

SESSION_COOKIE = "console"
LANGUAGE_COOKIE = "language"
MAX_FORM = 8192
"""Bytes of a form that is sent."""
PERIOD = 2.0
"""Seconds between two looks at what changes."""
LIVE = "live_"
NAV = (
    ("/", "now"),
    ("/flow", "flow"),
    ("/today", "today"),
    ("/records", "records"),
    ("/trunks", "trunks"),
    ("/workers", "workers"),
    ("/outbox", "outbox"),
    ("/health", "health"),
)
"""The pages, in the order in which they are offered: path and text."""
SAID = frozenset(("hung_up", "call_over", "drained", "resumed", "retried", "not_retried"))
"""What a page may say of the act before it, as `?said=`."""
_YEAR = 365 * 24 * 3600


class NotLoggedIn(Exception):  # noqa: N818 - the way to the login page
    """The page is for users who are logged in."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a page. `token`: of their cookie, or a new one."""

    token: str
    session: Session | None
    language: Language


class Desk:
    """One console. `behind_tls`: users reach it by https, so cookies go by nothing else."""

    def __init__(
        self,
        operated: Operated,
        *,
        behind_tls: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operated = operated
        self.sessions = Sessions()
        self.guesses = Guesses(allowed=5, seconds=900.0)
        self.clock = clock
        self.live = Live(PERIOD, clock)
        self._behind_tls = behind_tls
        self._templates = {language: _templates(language) for language in LANGUAGES}

    def visitor(self, request: Request) -> Visitor:
        """Who asks, by cookie."""
        token = request.cookies.get(SESSION_COOKIE, "")
        session = self.session_of(token)
        language = language_of(
            request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE),
            request.headers.get("accept-language", ""),
        )
        return Visitor(token or new_token(), session, language)

    def session_of(self, token: str) -> Session | None:
        """The session of a token, for as long as its user may log in with the same password."""
        session = self.sessions.of(token, self.clock())
        return session if session and session.user in self.operated.users else None

    def user(self, name: str) -> ConsoleUser | None:
        """The user of that name."""
        return next((user for user in self.operated.users if user.name == name), None)

    def page(
        self,
        request: Request,
        visitor: Visitor,
        template: str,
        values: Mapping[str, object],
        status: int = 200,
    ) -> HTMLResponse:
        """A whole page, its cookies with it."""
        said = request.query_params.get("said")
        shared = {
            "path": request.url.path,
            "session": visitor.session,
            "form_key": self.sessions.form_key(visitor.token),
            "language_links": _language_links(request),
            "said": said if said in SAID else None,
            "live": False,
        }
        template_ = self._templates[visitor.language].get_template(template)
        text = template_.render({**self._always(visitor), **shared, **values})
        response = HTMLResponse(text, status)
        if request.cookies.get(SESSION_COOKIE) != visitor.token:
            self.remember(response, SESSION_COOKIE, visitor.token)
        if request.query_params.get("lang"):
            self.remember(response, LANGUAGE_COOKIE, visitor.language, _YEAR)
        return response

    def parts(
        self, visitor: Visitor, template: str, values: Mapping[str, object]
    ) -> dict[str, str]:
        """The live parts of a page, by id: its blocks whose names begin with `live_`."""
        page = self._templates[visitor.language].get_template(template)
        context = page.new_context({**self._always(visitor), **values})
        return {
            name: "".join(block(context))
            for name, block in page.blocks.items()
            if name.startswith(LIVE)
        }

    def _always(self, visitor: Visitor) -> dict[str, object]:
        return {
            "may_act": visitor.session is not None and visitor.session.may_act,
            "draining": self.operated.draining,
            "may_resume": self.operated.may_resume,
        }

    def remember(
        self, response: Response, name: str, value: str, seconds: int | None = None
    ) -> None:
        """Have the browser keep a value, for itself and us alone."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            httponly=True,
            samesite="strict",
            secure=self._behind_tls,
        )


def _templates(language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(formats(language))
    environment.globals.update(
        language=language, t=translator(language), nav=NAV, hourly=hourly, Series=Series
    )
    return environment


def _language_links(request: Request) -> dict[str, str]:
    """The same page in each language."""
    query = dict(request.query_params)
    return {each: f"?{urlencode({**query, 'lang': each})}" for each in LANGUAGES}


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]


def visitor_of(request: Request, desk: TheDesk) -> Visitor:
    return desk.visitor(request)


Anybody = Annotated[Visitor, Depends(visitor_of)]


def viewer_of(visitor: Anybody) -> Visitor:
    """Raises `NotLoggedIn`."""
    if visitor.session is None:
        raise NotLoggedIn
    return visitor


Viewer = Annotated[Visitor, Depends(viewer_of)]


async def form_of(request: Request, desk: TheDesk, visitor: Anybody) -> dict[str, str]:
    """The fields of a form that one of our own pages sent. Raises HTTPException: 413 too long, 403
    from elsewhere."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20))
    if not desk.sessions.is_form_key(fields.get("form_key", ""), visitor.token):
        raise HTTPException(403)
    return fields


Form = Annotated[dict[str, str], Depends(form_of)]


def operator_of(visitor: Viewer, form: Form) -> Session:
    """Who acts, by a form of ours. Raises HTTPException 403: a viewer."""
    if visitor.session is None or not visitor.session.may_act:
        raise HTTPException(403)
    return visitor.session


Operator = Annotated[Session, Depends(operator_of)]


def login_path(request: Request) -> str:
    """The login page that leads back to where `request` wanted to go."""
    wanted = request.url.path if request.method == "GET" else "/"
    return "/login" if wanted == "/" else f"/login?next={quote(wanted)}"


def within(path: str) -> str:
    """`path` when it is one of ours, else the first page: nobody is led away from here."""
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if ours and path.isprintable() else "/"

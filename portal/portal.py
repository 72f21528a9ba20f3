"""What every page has at hand, and how a visitor is known and answered."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from auth_core import AuthService, AuthSettings, Channel, SessionEnded, Source
from portal import words
from portal.preferences import Preferences
from portal.sessions import Sessions, SignedIn
from portal.settings import PortalSettings
from portal.tokens import FormTokens, StaleForm

VISITOR, SESSION = "__Host-visitor", "__Host-session"
DEVICE, PREFERENCES = "__Host-device", "__Host-preferences"
_YEAR = timedelta(days=365)
MAX_FIELDS = 30
Form = Mapping[str, str]


@dataclass(frozen=True)
class Visit:
    """One request, as the pages see it. `visitor`: what forms are bound to, another from each login
    on; `device`: by what the browser may be known again, drawn for who has none yet."""

    request: Request
    preferences: Preferences
    words: words.Words
    visitor: str
    device: str
    session_name: str
    is_new: bool

    @property
    def kiosk(self) -> bool:
        return self.preferences.kiosk == "on"


class SignedOut(Exception):  # noqa: N818 - where somebody stands, no fault
    """The page is for somebody who is in. `why`: the sentence that says why nobody is."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


class MustCreate(Exception):  # noqa: N818 - likewise
    """Nothing but creating a password is open to this session."""


class Portal:
    """The parts that all pages share; made once, by `portal.app.create_app`."""

    def __init__(
        self,
        service: AuthService,
        settings: PortalSettings,
        auth: AuthSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.settings = settings
        self.tokens = FormTokens(monotonic)
        hours = timedelta(hours=settings.session.hours)
        self.sessions = Sessions(settings.idle_limit, hours, monotonic)
        self._halls = auth.addresses.allow
        self._words = words.load()
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("portal"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def visit(self, request: Request) -> Visit:
        """Who asks, by their cookies."""
        cookies = request.cookies
        preferences = Preferences.read(
            cookies.get(PREFERENCES, ""), request.headers.get("accept-language", "")
        )
        known = cookies.get(VISITOR, "")
        return Visit(
            request,
            preferences,
            self._words[preferences.lang],
            visitor=known or secrets.token_urlsafe(16),
            device=cookies.get(DEVICE, "") or secrets.token_urlsafe(32),
            session_name=cookies.get(SESSION, ""),
            is_new=not known,
        )

    def source(self, visit: Visit) -> Source:
        """Where a try comes from. Anybody may ask for a kiosk's pages; one is a kiosk only on the
        networks that `auth.addresses.allow` names, and no person's device then."""
        client = visit.request.client
        address = client.host if client is not None else ""
        if visit.kiosk and self._in_a_hall(address):
            return Source(Channel.KIOSK, reference=secrets.token_hex(8), address=address)
        return Source(
            Channel.WEB,
            reference=secrets.token_hex(8),
            address=address,
            device=None if visit.kiosk else visit.device,
        )

    def _in_a_hall(self, address: str) -> bool:
        try:
            written = ip_address(address)
        except ValueError:
            return False
        return any(written in network for network in self._halls)

    async def signed_in(self, visit: Visit) -> SignedIn:
        """Who is in. Raises SignedOut, also when the secret was replaced since."""
        if not visit.session_name:
            raise SignedOut
        signed_in = self.sessions.find(visit.session_name)
        if signed_in is None:
            raise SignedOut("idle")
        if signed_in.session is not None:
            try:
                await self.service.check(signed_in.session)
            except SessionEnded as error:
                self.sessions.close(visit.session_name)
                raise SignedOut("ended") from error
        return signed_in

    def token(self, visit: Visit, purpose: str) -> str:
        """For a form of this page."""
        return self.tokens.issue(purpose, visit.visitor)

    def check(self, visit: Visit, purpose: str, form: Form) -> str:
        """The token of a form that was sent back and may be sent again. Raises StaleForm."""
        token = form.get("token", "")
        self.tokens.check(token, purpose, visit.visitor)
        return token

    def spend(self, visit: Visit, purpose: str, form: Form) -> str:
        """The token of a form that was sent back, for the only time. Raises StaleForm."""
        token = form.get("token", "")
        self.tokens.spend(token, purpose, visit.visitor)
        return token

    def page(self, visit: Visit, name: str, status: int = 200, **values: Any) -> Response:
        """A page in the visitor's language."""
        signed_in = values.pop("signed_in", None)
        body = self._templates.get_template(name).render(
            t=visit.words,
            preferences=visit.preferences,
            kiosk=visit.kiosk,
            idle_seconds=self.settings.session.kiosk_idle_seconds,
            path=visit.request.url.path,
            signed_in=signed_in,
            comfort_token=self.token(visit, "comfort"),
            logout_token=self.token(visit, "logout") if signed_in is not None else "",
            **values,
        )
        return self._known(visit, HTMLResponse(body, status))

    def go(self, visit: Visit, path: str) -> Response:
        """Send the browser on to another page."""
        return self._known(visit, RedirectResponse(path, 303))

    def keep(
        self, response: Response, cookie: str, value: str, lasts: timedelta | None = None
    ) -> None:
        """Give the browser a cookie that no script reads and no other site sends; `lasts` None:
        until it is closed."""
        seconds = None if lasts is None else int(lasts.total_seconds())
        response.set_cookie(
            cookie, value, max_age=seconds, secure=True, httponly=True, samesite="strict"
        )

    def keep_device(self, response: Response, device: str) -> None:
        self.keep(response, DEVICE, device, _YEAR)

    def keep_preferences(self, response: Response, preferences: Preferences) -> None:
        """A kiosk forgets them with the browser, a person's browser keeps them."""
        lasts = None if preferences.kiosk == "on" else _YEAR
        self.keep(response, PREFERENCES, preferences.written(), lasts)

    def forget(self, response: Response, *cookies: str) -> None:
        for cookie in cookies:
            response.delete_cookie(cookie, secure=True, httponly=True, samesite="strict")

    def _known(self, visit: Visit, response: Response) -> Response:
        if visit.is_new:
            self.keep(response, VISITOR, visit.visitor)
        return response


def portal_of(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


async def form_of(request: Request) -> Form:
    """The fields that were sent, the first of each name. Raises StaleForm for what is no form."""
    try:
        fields = parse_qsl(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise StaleForm from error
    return dict(reversed(fields))

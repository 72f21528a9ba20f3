"""A browser without scripts: it asks for pages, fills in forms and presses their buttons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self

import httpx

ORIGIN = "https://portal.example"


@dataclass
class Form:
    """A form of a page: its fields as they stand, and its buttons as (name, value, text)."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What came: status, text as people read it, forms in their order."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.status = response.status_code
        self.path = response.url.path
        self.source = response.text
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._text: list[str] = []
        self._open: list[str] = []
        self._button: tuple[str, str] | None = None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self.forms.append(Form(given["action"]))
            case "a":
                self.links.append(given["href"])
            case "input" if given.get("type") != "radio" or "checked" in given:
                self.forms[-1].fields[given["name"]] = given.get("value", "")
            case "button":
                self._button = given.get("name", ""), given.get("value", "")
            case _:
                pass
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None and self.forms:
            self.forms[-1].buttons.append((*self._button, self._text[-1]))
            self._button = None

    def handle_data(self, data: str) -> None:
        self._text.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())

    def form(self, action: str) -> Form:
        return next(form for form in self.forms if form.action == action)

    @property
    def order(self) -> str:
        """The digits of the keypad, in the order of its keys."""
        form = next(f for f in self.forms if any(name == "press" for name, _, _ in f.buttons))
        return "".join(text for name, _, text in form.buttons if name == "press")

    def keys(self, digits: str) -> str:
        """The positions of `digits` on the keypad, as a script would send them."""
        return "".join(str(self.order.index(digit)) for digit in digits)


class Browser:
    """One person's browser: it keeps its cookies and follows redirects."""

    def __init__(self, app: Any, address: str = "198.51.100.7", language: str = "fr") -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(address, 40000)),
            base_url=ORIGIN,
            headers={"Accept-Language": language},
            follow_redirects=True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str) -> Page:
        return Page(await self.http.get(path))

    async def post(self, path: str, fields: Mapping[str, str]) -> Page:
        return Page(await self.http.post(path, data=dict(fields)))

    async def press(self, page: Page, action: str, text: str, **fields: str) -> Page:
        """Fill in fields of a form (`new__keys` is new.keys), and press the button that says so."""
        form, (name, value, _) = next(
            (form, button)
            for form in page.forms
            for button in form.buttons
            if (form.action, button[2]) == (action, text)
        )
        filled = {key.replace("__", "."): value for key, value in fields.items()}
        return await self.post(action, {**form.fields, **filled, **({name: value} if name else {})})

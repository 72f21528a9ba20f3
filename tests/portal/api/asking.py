"""Requests to the API, as an app or a program of the back office sends them."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx

PROBLEM = "application/problem+json"
MOREAU = {"postal_code": "75011", "matricule": "0123456", "birth_day_month": "1403"}
BENALI = {"postal_code": "75018", "matricule": "0234567", "birth_day_month": "0207"}
FERRI = {"postal_code": "13001", "matricule": "0345678", "birth_day_month": "2311"}
GIRARD = {"postal_code": "69003", "matricule": "0456789", "birth_day_month": "3001"}
MARTIN = {"caf": "751", "matricule": "0123456", "agent": "Mme Martin"}
_keys = itertools.count()


@dataclass
class Asking:
    """Asks with `token`, where there is one."""

    http: httpx.AsyncClient
    token: str | None = None

    async def __call__(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> httpx.Response:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def act(self, name: str, body: Any, key: str | None = None) -> httpx.Response:
        """An act of the back office, under a key of its own unless one is given."""
        return await self("POST", f"/back-office/{name}", body, key or f"key-{next(_keys)}")

    async def log_in(self, who: dict[str, str], secret: str, **more: Any) -> httpx.Response:
        return await self("POST", "/login", {**who, "secret": secret, **more})

    async def in_as(self, who: dict[str, str], secret: str, **more: Any) -> "Asking":
        """The same app, with somebody in."""
        response = await self.log_in(who, secret, **more)
        assert response.status_code == 200, response.text
        return Asking(self.http, response.json()["access_token"])


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status of an answer, and which problem it tells of."""
    assert response.headers["content-type"] == PROBLEM, response.text
    told = response.json()
    assert told["status"] == response.status_code
    return response.status_code, told["type"].rpartition("/")[2]

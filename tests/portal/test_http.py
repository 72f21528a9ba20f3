"""Bodies that do not come whole."""

import asyncio
from collections.abc import Sequence

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from portal import http

POST: Scope = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [],
    "scheme": "https",
    "server": ("portal.example", 443),
    "client": ("198.51.100.7", 40000),
    "root_path": "",
    "http_version": "1.1",
}
BEGUN: Message = {"type": "http.request", "body": b"matricule=01", "more_body": True}


async def _answered(
    app: FastAPI, *messages: Message, headers: Sequence[tuple[bytes, bytes]] = ()
) -> list[Message]:
    """What is sent to who sends `messages` and then nothing."""
    waiting, sent = list(messages), []

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**POST, "headers": list(headers)}, receive, send)
    return sent


async def test_a_body_that_is_cut_off_is_nobody_s_form(app: FastAPI) -> None:
    assert await _answered(app, BEGUN, {"type": "http.disconnect"}) == []


async def test_a_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.01)
    start, *_ = await asyncio.wait_for(_answered(app, BEGUN), 30)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_a_body_that_is_said_to_be_too_long_is_not_waited_for(app: FastAPI) -> None:
    length = [(b"content-length", b"99999999999")]
    start, *_ = await asyncio.wait_for(_answered(app, BEGUN, headers=length), 10)
    assert start["status"] == 413

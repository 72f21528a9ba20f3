"""An HTTP server in the event loop that runs already."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

STOP_SECONDS = 1
"""Seconds that a page under way gets when the server stops; live streams never end alone."""


class _Server(uvicorn.Server):
    """Signals are the voice server's own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve while this is entered; the URL. Raises OSError: cannot listen there."""
    listener = _listener(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody could write them
            lifespan="off",
            http="h11",
            ws="none",
            loop="none",
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=200,
        )
    )
    task = asyncio.create_task(server.serve([listener]), name="console")
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    listener.setblocking(False)
    return listener

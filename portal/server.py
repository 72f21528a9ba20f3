"""The composition root: a configuration goes in, a running portal comes out."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn

from auth_core import AuthService
from auth_core.service_manager import ServiceManager
from portal.app import create_app
from portal.settings import Config, PortalSettings

GRACE_SECONDS = 5
BACKLOG = 1024


class StartError(Exception):
    """Why the portal cannot start, in one line."""


async def serve(config: Config, say: Callable[[dict[str, Any]], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` is given the ready line when pages can be had.

    Raises StartError, and AuthError as `AuthService.open`.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    service = await AuthService.open(config.auth)
    async with contextlib.AsyncExitStack() as resources:
        resources.push_async_callback(service.close)
        listening = resources.enter_context(_listen(config.portal))
        app, manager = create_app(service, config.portal, config.auth), ServiceManager()
        server = uvicorn.Server(_uvicorn(app, config))

        def status() -> str:
            return f"{len(app.state.portal.sessions)} sessions"

        def end() -> None:
            manager.stopping(status(), GRACE_SECONDS)
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not (server.started or serving.done()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        if server.started:
            address = _address(config.portal, listening)
            manager.ready(status())
            say({"event": "ready", "portal": address, "pid": os.getpid()})
        informing = asyncio.create_task(manager.keep_informed(status))
        await serving
        informing.cancel()


def _uvicorn(app: Any, config: Config) -> uvicorn.Config:
    tls, proxies = config.portal.tls, [str(network) for network in config.portal.proxies]
    try:
        server = uvicorn.Config(
            app,
            lifespan="on",
            access_log=False,  # when somebody keys is nobody's business
            log_level="warning",
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            ssl_certfile=tls.certificate,
            ssl_keyfile=tls.key,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server.load()
    except OSError as error:
        raise StartError(f"portal.tls: {error}; correct the files named there") from error
    return server


def _listen(portal: PortalSettings) -> socket.socket:
    """Raises StartError."""
    try:
        family = socket.getaddrinfo(portal.host, portal.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server(
            (portal.host, portal.port), family=family, backlog=BACKLOG, reuse_port=False
        )
        # Connections inherit it: asyncio sets it on none whose protocol number is 0, as theirs is.
        # Without it answers wait 40 ms for an acknowledgement of their first packet.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening  # noqa: TRY300
    except OSError as error:
        raise StartError(
            f"portal: cannot listen on {portal.host}:{portal.port} "
            f"({error.strerror or type(error).__name__}); "
            "correct portal.host or choose another portal.port"
        ) from error


def _address(portal: PortalSettings, listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    scheme = "http" if portal.tls.certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

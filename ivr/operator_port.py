"""What is served at the console's address: its pages, and what machines read beside them.

Machines have no login. `/metrics` is for the networks of `console.metrics_from` alone, since what
it tells in sum tells about single tries where there are few; `/healthz` and `/readyz` tell nothing
of anybody, and may be asked by all who reach the port.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from ipaddress import IPv6Address, ip_address

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from ivr.config import ConsoleSection
from ivr.console.app import create_app
from ivr.console.desk import Desk
from ivr.console.serving import served
from ivr.console.views import Operated
from ivr.health import Health
from ivr.metrics import Figures, exposition

PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip")
"""Headers by which a proxy says that it asks for somebody else."""


def served_to_operators(
    section: ConsoleSection,
    port: int,
    operated: Operated,
    figures: Callable[[], Figures],
    health: Health,
) -> AbstractAsyncContextManager[str]:
    """Serve while this is entered; the URL. Raises OSError: cannot listen there."""
    app = create_app(Desk(operated, behind_tls=section.behind_tls))
    _add_probes(app, health)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        if not _may_scrape(request, section):
            return Response("not from here; see console.metrics_from\n", 403)
        text = await asyncio.to_thread(exposition, figures())  # many labels take a while
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return served(app, section.host, port)


def _add_probes(app: FastAPI, health: Health) -> None:
    @app.get("/healthz")
    async def alive() -> Response:
        """This process works: its event loop has just done so."""
        return JSONResponse({"alive": True})

    @app.get("/readyz")
    async def ready() -> Response:
        """A call that comes now would be taken and served; else 503, and why not."""
        wants = health.wants()
        return JSONResponse({"ready": not wants, "wants": wants}, 503 if wants else 200)


def _may_scrape(request: Request, section: ConsoleSection) -> bool:
    if request.client is None or any(header in request.headers for header in PROXIED):
        return False
    address = ip_address(request.client.host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in section.metrics_from)

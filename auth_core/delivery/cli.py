"""`auth-core deliver`: the worker as a command, and the printer's acknowledgements."""

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from auth_core.delivery.letters import LetterError, LetterTray, acknowledged_ids
from auth_core.delivery.queue import Queue
from auth_core.delivery.settings import DeliverySettings, load_delivery_settings
from auth_core.delivery.worker import Report, open_worker
from auth_core.errors import AuthError
from auth_core.settings import AuthSettings, load_settings
from auth_core.store.database import Database
from auth_core.yamlfile import YamlFaults

BAD_INPUT = 2


def deliver(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")] = Path(
        "config.yaml"
    ),
    once: Annotated[
        bool, typer.Option("--once", help="Deliver what is due now, then end.")
    ] = False,
    acknowledge: Annotated[
        list[Path] | None,
        typer.Option(
            help="Nothing is sent: these letters are printed and go away. A letter's PDF, or the "
            "index.csv that was printed from. May be given several times.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object a line, for programs.")
    ] = False,
) -> None:
    """Send the messages that are due: SMS to the gateway, letters to the printer's folder. Goes on
    until it is interrupted."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        auth, delivery = load_settings(config), load_delivery_settings(config)
        if acknowledge:
            told = asyncio.run(_acknowledge(auth, delivery, acknowledge))
            words = f"{told['acknowledged']} letters acknowledged, {told['unknown']} not known"
            typer.echo(json.dumps(told) if as_json else words)
        elif once:
            _tell(asyncio.run(_deliver_once(auth, delivery)), as_json)
        else:
            _tell(asyncio.run(_deliver_on(auth, delivery)), as_json)
    except (AuthError, LetterError, YamlFaults) as error:
        raise _fail(str(error)) from error
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        raise _fail(f"{what}{error.strerror or type(error).__name__}") from error


async def _deliver_once(auth: AuthSettings, delivery: DeliverySettings) -> Report:
    async with open_worker(auth, delivery, clock=_utc_now) as worker:
        return await worker.deliver_due()


async def _deliver_on(auth: AuthSettings, delivery: DeliverySettings) -> Report:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_worker(auth, delivery, clock=_utc_now) as worker:
        await worker.run(stop)
        return worker.totals


async def _acknowledge(
    auth: AuthSettings, delivery: DeliverySettings, files: list[Path]
) -> dict[str, Any]:
    ids = [message_id for file in files for message_id in acknowledged_ids(file)]
    tray = LetterTray(delivery.letter_folder, delivery.letters.sender)
    database = Database(auth.database_url)
    acknowledged = 0
    try:
        await database.check_schema()
        queue = Queue(database)
        for message_id in ids:
            # First the outbox: a letter that is removed first could be written again.
            printed = await queue.acknowledge(message_id, _utc_now())
            acknowledged += tray.remove(message_id) or printed
        tray.write_indexes()
    finally:
        await database.close()
    return {"acknowledged": acknowledged, "unknown": len(ids) - acknowledged}


def _tell(report: Report, as_json: bool) -> None:
    counts = asdict(report)
    words = ", ".join(f"{name} {count}" for name, count in counts.items())
    typer.echo(json.dumps(counts) if as_json else words)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _fail(message: str) -> typer.Exit:
    typer.echo(f"auth-core: {message}", err=True)
    return typer.Exit(BAD_INPUT)

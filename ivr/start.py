"""From a configuration to a running server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from ivr import control, logs
from ivr.call import House
from ivr.config import Config
from ivr.doorkeeper import Doorkeeper
from ivr.histogram import Histogram
from ivr.logs import LEVELS, Level, set_level
from ivr.media.session import MediaPool
from ivr.operator_files import StartError, read_files, why
from ivr.overview import Overview, day_so_far
from ivr.parts import (
    delivering,
    listen,
    open_people,
    open_records,
    put_recordings,
    start_media,
    tracer_of,
)
from ivr.prompt_bank import PromptMemory
from ivr.registrations import wanted_by
from ivr.server import Server
from ivr.sip.user_agent import UserAgent
from ivr.trunks import PasswordFault
from ivr.version import Version, Versions

SERVER_NAME = "voice-server"


async def start(file: Path, config: Config, steps: Histogram) -> Server:
    """Bring a server up on `config`, read from `file`, in a loop whose `steps` are counted.

    Raises `StartError`; nothing is left running then.
    """
    files = read_files(file, config)
    memory = PromptMemory.roomy(files.recordings)
    async with contextlib.AsyncExitStack() as resources:
        resources.callback(memory.close)
        records = open_records(config)
        resources.callback(records.close)
        counting = asyncio.create_task(asyncio.to_thread(day_so_far, config.records))
        # The workers come up in their own processes while all that follows is done here.
        starting = asyncio.create_task(start_media(config, memory))
        resources.push_async_callback(_pool_closed, starting)
        bank = await asyncio.to_thread(put_recordings, memory, files)
        versions = Versions(memory, Version.of(files, bank, await open_people(config)))
        resources.push_async_callback(versions.close)
        delivery = contextlib.AsyncExitStack()
        deliverer = await delivery.enter_async_context(delivering(config))
        resources.push_async_callback(delivery.aclose)
        if config.console.port is not None:
            import ivr.operator_port  # noqa: F401 - `_console` needs it, and it takes its time
        pool = await starting
        try:
            door, registrations = Doorkeeper(config.sip), wanted_by(config.sip.trunks)
        except PasswordFault as error:
            raise StartError(f"sip.trunks: {error}") from error
        agent = UserAgent(
            server_name=SERVER_NAME,
            advertised_host=config.sip.advertised_host,
            admission=door,
        )
        tracer = tracer_of(config)
        resources.push_async_callback(asyncio.to_thread, tracer.close)
        house = House(agent, pool, pump=lambda: None, tracer=tracer)
        day = await counting
        server = Server(
            file,
            house,
            door,
            versions,
            records,
            steps,
            deliverer,
            day,
            files.certificates,
            delivery,
        )
        resources.push_async_callback(server.transport.close)
        for transport in config.sip.transports:
            await listen(server.transport, transport, config)
        resources.push_async_callback(server.registrar.close)
        server.registrar.adopt(registrations)
        server.console = await _console(resources, config, server)
        await _take_commands(resources, config, server)
        for watch in (server.watch_sound(), server.health.watch()):
            resources.push_async_callback(_ended, asyncio.create_task(watch))
        server.resources = resources.pop_all()
        return server


async def _console(
    resources: contextlib.AsyncExitStack, config: Config, server: Server
) -> str | None:
    """Bring up the console, None when there is to be none. Raises `StartError`."""
    host, port = config.console.host, config.console.port
    if port is None:
        return None
    from ivr.operator_port import served_to_operators

    pages = served_to_operators(
        config.console, port, Overview(server), server.figures, server.health
    )
    try:
        return await resources.enter_async_context(pages)
    except OSError as error:
        raise StartError(
            f"console: cannot listen on {host}:{port} ({why(error)}); "
            "correct console.host, choose another console.port, or null for no console"
        ) from error


async def _take_commands(
    resources: contextlib.AsyncExitStack, config: Config, server: Server
) -> None:
    """Let `ivr reload` and the like in. Raises `StartError`."""
    commands: dict[str, Callable[[], Awaitable[control.Answer]]] = {"reload": server.obey_reload}
    commands |= {f"log-level {level}": partial(_log_from, level) for level in LEVELS}
    try:
        await resources.enter_async_context(control.listening(config.control, commands))
    except OSError as error:
        what = f"control: cannot listen on {config.control} ({why(error)})"
        raise StartError(
            f"{what}; another server may run with this configuration: stop that one, "
            "or name another file"
        ) from error


async def _log_from(level: Level) -> control.Answer:
    before = logs.level()
    set_level(level)
    return {"level": level, "before": before}


async def _pool_closed(starting: asyncio.Task[MediaPool]) -> None:
    """End the workers, or those that were about to come up."""
    with contextlib.suppress(StartError):
        await (await starting).close()


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task that never ends by itself, and see it gone."""
    task.cancel()
    await asyncio.wait([task])

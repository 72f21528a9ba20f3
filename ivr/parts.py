"""What a server is made of and the machine may refuse: sockets, processes, files, the database.

Each is brought up, or the operator is told in one line why not and what to do (`StartError`).
"""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator

import structlog

from auth_core import AuthError, AuthService
from auth_core.delivery.worker import DeliveryWorker, open_worker
from auth_core.service import utc_now
from auth_core.yamlfile import YamlFaults
from ivr.config import Config
from ivr.media.session import MediaPool, MediaSettings, PromptBankFile
from ivr.operator_files import Files, StartError, why
from ivr.prompt_bank import NoRoom, PromptBank, PromptMemory
from ivr.records import RecordFile
from ivr.sip.transport import Transport
from ivr.traces import NoTracer, Tracer

log = structlog.get_logger(__name__)


def open_records(config: Config) -> RecordFile:
    """The file of call records. Raises `StartError`."""
    try:
        return RecordFile(config.records)
    except OSError as error:
        raise StartError(
            f"records: cannot write {config.records} ({why(error)}); "
            "make its folder writable, or name another in config.yaml"
        ) from error


async def open_people(config: Config) -> AuthService:
    """The authentication service. Raises `StartError`."""
    try:
        return await AuthService.open(config.auth)
    except AuthError as error:
        raise StartError(str(error)) from error


@contextlib.asynccontextmanager
async def delivering(config: Config) -> AsyncIterator[DeliveryWorker]:
    """Messages leave the outbox while this is entered."""
    stop = asyncio.Event()
    try:
        async with open_worker(config.auth, config.delivery, clock=utc_now) as worker:
            running = asyncio.create_task(worker.run(stop), name="delivery")
            try:
                yield worker
            finally:
                stop.set()
                await running
    except (AuthError, YamlFaults) as error:
        raise StartError(str(error)) from error


def tracer_of(config: Config) -> Tracer:
    """What traces calls, if anything is to. Raises `StartError`."""
    if config.traces.endpoint is None:
        return NoTracer()
    try:
        from ivr.opentelemetry import OtlpTracer
    except ModuleNotFoundError as error:
        raise StartError(
            f"traces: {error.name} is not installed; install the extra `traces`, "
            "or leave traces.endpoint out"
        ) from error
    return OtlpTracer(config.traces.endpoint, config.traces.share)


async def start_media(config: Config, memory: PromptMemory) -> MediaPool:
    """The media workers, which play what is in `memory`. Raises `StartError`."""
    try:
        settings = MediaSettings(
            workers=config.media.worker_count,
            host=config.sip.host,
            port_range=config.media.port_range,
            port_rest=config.media.port_rest,
            cpus=config.media.cpus,
            nice=config.media.nice,
            io_uring=config.media.io_uring,
            inband="inband" in config.media.dtmf,
        )
        pool = await MediaPool.start(settings, PromptBankFile(memory.descriptor, memory.size))
    except PermissionError as error:
        remedy = "give this process CAP_SYS_NICE, or leave media.nice out"
        raise StartError(f"media: the workers do not start ({why(error)}); {remedy}") from error
    except OSError as error:
        raise StartError(f"media: the workers do not start ({why(error)})") from error
    if config.media.io_uring and not pool.batches:
        log.warning("no io_uring of Linux 5.18 or newer to be had: one system call a packet")
    return pool


async def listen(transport: Transport, protocol: str, config: Config) -> None:
    """Listen by udp, tcp or tls, as the configuration says. Raises `StartError`."""
    host, key = config.sip.host, "sip.tls.port" if protocol == "tls" else "sip.port"
    port = config.sip.tls.port if protocol == "tls" else config.sip.port
    try:
        await transport.listen(protocol, host, port)
    except OSError as error:
        place = f"{protocol} {host}:{port}"
        if error.errno == errno.EADDRINUSE:
            remedy = f"another program has it: stop that one, or choose another {key}"
        elif error.errno == errno.EADDRNOTAVAIL:
            remedy = "this machine has no such address: correct sip.host"
        elif error.errno == errno.EACCES:
            remedy = f"a port below 1024 needs root: choose a higher {key}"
        else:
            remedy = f"correct sip.host or {key}"
        raise StartError(f"sip: cannot listen on {place} ({why(error)}); {remedy}") from error


def put_recordings(memory: PromptMemory, files: Files) -> PromptBank:
    """Take the recordings into the memory of all versions. Raises `StartError`."""
    try:
        return memory.put(files.recordings)
    except NoRoom as error:
        raise StartError(
            "prompts: there is no room for these recordings beside those that calls hear; "
            "reload again when older calls are over, or restart"
        ) from error

"""The composition root: a configuration goes in, a running server comes out.

It asks policy about each new call (who may call, which line, is there room), hands the call its
parts, and passes on what the signalling tells.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from auth_core import AuthError, AuthService
from auth_core.delivery.worker import open_worker
from auth_core.service import utc_now
from auth_core.yamlfile import YamlFaults
from ivr.call import RETRY_AFTER, Call, House
from ivr.config import Config
from ivr.dialplan.check import Prompts, check
from ivr.dialplan.schema import Dialplan, parse
from ivr.media.session import MediaPool, MediaSettings, PromptBankFile
from ivr.prompts import LANGUAGES, PromptBank, PromptError, catalogue
from ivr.records import CallRecord, EndReason, RecordFile, masked_caller, shown_line
from ivr.sip import events
from ivr.sip.transport import Transport
from ivr.sip.user_agent import UserAgent

log = structlog.get_logger(__name__)

SERVER_NAME = "voice-server"
STOP_TIMEOUT = 5.0


class StartError(Exception):
    """The server can't start; the message has one line for each fault, with the way out."""


class Room:
    """Whether one more call fits: how many at once, and how many a second."""

    def __init__(self, max_calls: int, max_cps: int) -> None:
        self._max_calls = max_calls
        self._max_cps = max_cps
        self._allowance = float(max_cps)
        self._updated = 0.0

    def refusal(self, calls: int, now: float) -> EndReason | None:
        """None when a call may come in beside `calls` others at `now` (monotonic seconds)."""
        self._allowance = min(
            float(self._max_cps), self._allowance + (now - self._updated) * self._max_cps
        )
        self._updated = now
        if calls >= self._max_calls:
            return EndReason.TOO_MANY_CALLS
        if self._allowance < 1:
            return EndReason.TOO_FAST
        self._allowance -= 1
        return None


_STATUS = {
    EndReason.NOT_ALLOWED: 403,
    EndReason.UNKNOWN_LINE: 404,
    EndReason.TOO_MANY_CALLS: 503,
    EndReason.TOO_FAST: 503,
}


@dataclass
class Server:
    """A server that is up: `start` brings it up, `stop` ends its calls and takes it down."""

    config: Config
    house: House
    plans: dict[str, Dialplan]
    records: RecordFile
    resources: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    dropped: Counter[str] = field(default_factory=Counter)
    calls: dict[str, Call] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _dialogs: set[str] = field(default_factory=set)
    _all_released: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self.transport = Transport(self.house.agent, self.on_event)
        self.house.pump = self.transport.pump
        self._room = Room(self.config.sip.max_calls, self.config.sip.max_cps)
        self._lines = {line.number: line for line in self.config.lines}

    @property
    def ready_line(self) -> dict[str, Any]:
        """What `ivr serve` prints when it can take a call."""
        return {
            "event": "ready",
            "sip": self.transport.addresses,
            "console": None,
            "pid": os.getpid(),
            "media_workers": self.house.pool.pids,
        }

    async def state(self) -> dict[str, Any]:
        """What is held just now: after the last call every figure returns to 0."""
        counts = self.house.agent.counts()
        return {
            "event": "state",
            "calls": len(self.calls),
            "tasks": len(self._tasks),
            "dialogs": counts.dialogs,
            "server_transactions": counts.server_transactions,
            "client_transactions": counts.client_transactions,
            "dropped": dict(self.dropped),
            "media": [
                {"pid": worker.pid, "calls": worker.calls, "ports": worker.ports}
                for worker in await self.house.pool.stats()
            ],
        }

    def on_event(self, event: events.Event) -> None:
        """Take one event of the signalling: a new call, something about one, or a drop."""
        match event:
            case events.Invited():
                self._invited(event)
            case events.Dropped():
                self.dropped[event.reason] += 1
                log.debug("dropped", reason=event.reason, source=event.flow.remote[0])
            case events.Released():
                self._dialogs.discard(event.call)
                if not self._dialogs:
                    self._all_released.set()
            case _:
                if call := self.calls.get(event.call):
                    call.on_signal(event)

    def _invited(self, event: events.Invited) -> None:
        now = time.monotonic()
        self._dialogs.add(event.call)
        self._all_released.clear()
        line = self._lines.get(event.line)
        refusal = self._refusal(event, line is not None, now)
        if line is None or refusal is not None:
            self._refuse(event, refusal or EndReason.UNKNOWN_LINE, now)
            return
        call = Call(event, line, self.plans[line.dialplan], self.house)
        self.calls[event.call] = call
        task = asyncio.create_task(self._live(call), name=f"call {event.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusal(self, event: events.Invited, known: bool, now: float) -> EndReason | None:
        if not self._may_call(event.flow.remote[0]):
            return EndReason.NOT_ALLOWED
        if self._stopping:
            return EndReason.TOO_MANY_CALLS
        # A wrong number takes its share of the calls a second, or it could fill the disk.
        no_room = self._room.refusal(len(self.calls), now)
        return no_room if known or no_room else EndReason.UNKNOWN_LINE

    def _may_call(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.config.sip.allowed_networks)

    def _refuse(self, event: events.Invited, reason: EndReason, now: float) -> None:
        status = _STATUS[reason]
        headers = [("Retry-After", str(RETRY_AFTER))] if status == 503 else []
        self.house.agent.reject(event.call, status, now, headers=headers)
        if reason in (EndReason.NOT_ALLOWED, EndReason.TOO_FAST):
            self.dropped[reason] += 1
            return  # nobody may fill the disk with what is refused
        log.info("call refused", call_id=event.call_id[:64], reason=reason, status=status)
        started = datetime.now(UTC)
        caller = masked_caller(event.caller) if event.caller else None
        record = CallRecord(event.call_id[:64], shown_line(event.line), caller, started)
        record.ended, record.end_reason = started, reason
        self.records.write(record)

    async def _live(self, call: Call) -> None:
        try:
            await call.live()
        finally:
            del self.calls[call.id]
            self.records.write(call.record)

    async def stop(self) -> None:
        """End every call with BYE, then let go of everything `start` took."""
        self._stopping = True
        for call in self.calls.values():
            call.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT)
        if self._dialogs:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_released.wait(), STOP_TIMEOUT)
        await self.resources.aclose()


def load_plans(config: Config, prompts: Prompts) -> dict[str, Dialplan]:
    """The dialplans that the lines name, by name, checked against the prompts there are.

    Raises `StartError` with every fault.
    """
    plans: dict[str, Dialplan] = {}
    faults: list[str] = []
    for name in sorted({line.dialplan for line in config.lines}):
        file = config.dialplans / f"{name}.yaml"
        try:
            plan, found = parse(file)
        except OSError as error:
            known = ", ".join(sorted(each.stem for each in config.dialplans.glob("*.yaml")))
            faults.append(
                f"lines: dialplan {name}: {file}: {_why(error)}; those there are: {known or 'none'}"
            )
            continue
        faults.extend(str(fault) for fault in found)
        if plan is not None:
            faults.extend(str(fault) for fault in check(plan, prompts))
            plans[name] = plan
    if faults:
        raise StartError("\n".join(faults))
    return plans


def plan_faults(config: Config) -> list[str]:
    """Every fault of the dialplans, judged against the catalogues; one line each."""
    try:
        load_plans(config, {lang: frozenset(catalogue(config.prompts, lang)) for lang in LANGUAGES})
    except StartError as error:
        return str(error).splitlines()
    except PromptError:
        return []  # told as a fault of the catalogue
    return []


async def start(config: Config) -> Server:
    """Bring a server up. Raises `StartError`; nothing is left running then."""
    bank = _load_prompts(config)
    plans = load_plans(config, {language: bank.ids(language) for language in LANGUAGES})
    async with contextlib.AsyncExitStack() as resources:
        records = _open_records(config)
        resources.callback(records.close)
        people = await open_people(config)
        resources.push_async_callback(people.close)
        await resources.enter_async_context(_delivering(config))
        pool = await _start_media(config, bank)
        resources.push_async_callback(pool.close)
        agent = UserAgent(server_name=SERVER_NAME, advertised_host=config.sip.advertised_host)
        house = House(config, agent, pool, bank, people, pump=lambda: None)
        server = Server(config, house, plans, records)
        resources.push_async_callback(server.transport.close)
        for transport in config.sip.transports:
            await _listen(server.transport, transport, config)
        server.resources = resources.pop_all()
        return server


@contextlib.asynccontextmanager
async def _delivering(config: Config) -> AsyncIterator[None]:
    """Messages leave the outbox while this is entered."""
    stop = asyncio.Event()
    try:
        async with open_worker(config.auth, config.delivery, clock=utc_now) as worker:
            running = asyncio.create_task(worker.run(stop), name="delivery")
            try:
                yield
            finally:
                stop.set()
                await running
    except (AuthError, YamlFaults) as error:
        raise StartError(str(error)) from error


def _load_prompts(config: Config) -> PromptBank:
    try:
        return PromptBank.load(config.prompts, LANGUAGES)
    except PromptError as error:
        raise StartError(str(error)) from error


def _open_records(config: Config) -> RecordFile:
    try:
        return RecordFile(config.records)
    except OSError as error:
        raise StartError(
            f"records: cannot write {config.records} ({_why(error)}); "
            "make its folder writable, or name another in config.yaml"
        ) from error


async def open_people(config: Config) -> AuthService:
    """The authentication service. Raises `StartError`."""
    try:
        return await AuthService.open(config.auth)
    except AuthError as error:
        raise StartError(str(error)) from error


async def _start_media(config: Config, bank: PromptBank) -> MediaPool:
    descriptor, size = bank.memfd()
    try:
        settings = MediaSettings(
            workers=config.media.worker_count,
            host=config.sip.host,
            port_range=config.media.port_range,
            port_rest=config.media.port_rest,
        )
        return await MediaPool.start(settings, PromptBankFile(descriptor, size))
    except OSError as error:
        raise StartError(f"media: the workers do not start ({_why(error)})") from error
    finally:
        os.close(descriptor)


async def _listen(transport: Transport, protocol: str, config: Config) -> None:
    host, port = config.sip.host, config.sip.port
    try:
        await transport.listen(protocol, host, port)
    except OSError as error:
        place = f"{protocol} {host}:{port}"
        if error.errno == errno.EADDRINUSE:
            remedy = "another program has it: stop that one, or choose another sip.port"
        elif error.errno == errno.EADDRNOTAVAIL:
            remedy = "this machine has no such address: correct sip.host"
        elif error.errno == errno.EACCES:
            remedy = "a port below 1024 needs root: choose a higher sip.port"
        else:
            remedy = "correct sip.host or sip.port"
        raise StartError(f"sip: cannot listen on {place} ({_why(error)}); {remedy}") from error


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__

"""A server that is up: what the signalling tells goes to the calls, and the operator's files may
be taken anew. `ivr.start` brings one up.

It asks policy about each new call (who may call, which line, is there room), hands the call its
parts, and passes on what the signalling tells.
"""

import asyncio
import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from structlog.contextvars import bind_contextvars

from auth_core.delivery.worker import DeliveryWorker
from ivr import control
from ivr.call import Call, House
from ivr.config import Config, SipSection
from ivr.console.day import Day
from ivr.doorkeeper import Doorkeeper, Room
from ivr.health import Health
from ivr.histogram import Histogram
from ivr.logs import set_level
from ivr.metrics import DeliveryFigures, Figures
from ivr.operator_files import StartError, read_again, why
from ivr.parts import delivering, open_people, put_recordings
from ivr.records import CallRecord, EndReason, RecordFile, masked_caller, shown_line
from ivr.registrations import Registrar, wanted_by
from ivr.sip import events
from ivr.sip.fair_share import FairShare, Shares
from ivr.sip.identity import asserted_caller, dialled
from ivr.sip.registration import State
from ivr.sip.session_terms import SessionPolicy
from ivr.sip.transport import Transport
from ivr.trunks import PasswordFault
from ivr.version import Version, Versions

if TYPE_CHECKING:
    from ivr.certificates import Certificates

log = structlog.get_logger(__name__)

STOP_TIMEOUT = 5.0
SOUND_WATCH = 1.0  # seconds between two looks at the clocks of the media workers
REFUSALS_RECORDED = 10  # a second: what is refused must not fill the disk
REFUSALS_REMEMBERED = 100  # so that a copy of an INVITE is not recorded again


@dataclass
class Server:
    """A server that is up: `start` brings it up, `stop` ends its calls and takes it down."""

    file: Path  # the configuration
    house: House
    door: Doorkeeper
    versions: Versions
    records: RecordFile
    steps: Histogram
    deliverer: DeliveryWorker
    day: Day
    certificates: "Certificates | None" = None
    delivery: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    resources: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    dropped: Counter[str] = field(default_factory=Counter)
    calls: dict[str, Call] = field(default_factory=dict)
    console: str | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _trunk_of: dict[str, str] = field(default_factory=dict)  # by dialog
    _all_released: asyncio.Event = field(default_factory=asyncio.Event)
    _unregistered: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _noted: deque[str] = field(default_factory=lambda: deque(maxlen=REFUSALS_REMEMBERED))
    _notes: Room = field(default_factory=lambda: Room(None, REFUSALS_RECORDED))

    def __post_init__(self) -> None:
        self._fair_share = FairShare(Shares(), lambda host: self.door.trunks.of(host) is not None)
        self._adopt(self.config.sip)
        self.transport = Transport(
            self.house.agent, self.on_event, tls=self.certificates, fair_share=self._fair_share
        )
        self.house.pump = self.transport.pump
        self.health = Health(self.door, lambda: self.versions.in_force.people)
        self.registrar = Registrar(self.house.agent, self.transport.pump, self.transport.port)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.versions.in_force.config

    @property
    def ready_line(self) -> dict[str, Any]:
        """What `ivr serve` prints when it can take a call."""
        return {
            "event": "ready",
            "sip": self.transport.addresses,
            "console": self.console,
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

    async def reload(self) -> Sequence[str]:
        """Take the operator's files as they are now for new calls, all or nothing; those in
        progress keep what they began with. Returns why not, one line for each fault."""
        try:
            async with self.versions.changing:
                await self._reload()
                await self.versions.retire()
        except StartError as error:
            faults = str(error).splitlines()
            for fault in faults:
                log.error("reload refused, all stays as it was", fault=fault)  # noqa: TRY400
            return faults
        except OSError as error:  # a file that went away while it was read, memory that is full
            log.exception("reload failed, all stays as it was")
            return [f"{error.filename or 'the files'}: {why(error)}; reload again"]
        except Exception as error:  # whatever it was, the next SIGHUP is to be obeyed
            log.exception("reload failed, all stays as it was")
            return [f"the files: {type(error).__name__}, see the log; `ivr check` may tell more"]
        log.info("files taken", version=self.versions.in_force.id, calls=len(self.calls))
        return []

    async def _reload(self) -> None:
        if self.door.leaving:
            raise StartError("the server is about to end; start it again instead")
        before, memory = self.versions.in_force, self.versions.memory
        files = await asyncio.to_thread(read_again, self.file, before.config)
        config = files.config
        async with contextlib.AsyncExitStack() as undo:
            bank = await asyncio.to_thread(put_recordings, memory, files)
            undo.callback(memory.release, bank)
            people, delivery, deliverer = before.people, self.delivery, self.deliverer
            if config.auth != before.config.auth:
                people = await open_people(config)
                undo.push_async_callback(people.close)
            if (config.auth, config.delivery) != (before.config.auth, before.config.delivery):
                delivery = await undo.enter_async_context(contextlib.AsyncExitStack())
                deliverer = await delivery.enter_async_context(delivering(config))
            try:
                registrations = wanted_by(config.sip.trunks)
                self.door.adopt(config.sip)
            except PasswordFault as error:
                raise StartError(f"sip.trunks: {error}") from error
            undo.pop_all()
        self.versions.take(Version.of(files, bank, people))
        self._adopt(config.sip)
        if self.certificates and files.certificates:
            self.certificates.adopt(files.certificates)
        self.registrar.adopt(registrations)
        if config.log.level != before.config.log.level:  # else one set by hand stays
            set_level(config.log.level)
        if delivery is not self.delivery:
            outgoing, self.delivery, self.deliverer = self.delivery, delivery, deliverer
            await outgoing.aclose()

    def _adopt(self, sip: SipSection) -> None:
        shares = sip.shares
        self._fair_share.adopt(Shares(shares.known, shares.stranger, shares.strangers))
        self.house.agent.sessions = SessionPolicy(sip.session_expires, sip.min_se)

    async def obey_reload(self) -> control.Answer:
        faults = await self.reload()
        return {"faults": faults, "version": self.versions.in_force.id}

    def figures(self) -> Figures:
        """What the metrics tell; asked from a thread of theirs."""
        counts, sound = self.house.agent.counts(), self.door.sound
        return Figures(
            requests=self.house.agent.requests.copy(),
            dropped=self.dropped.copy(),
            refused=self.door.refused.copy(),
            tally=self.house.tally.copy(),
            sip=self.house.agent.measures.copy(),
            auth=self.versions.in_force.people.tally.copy(),
            delivery=DeliveryFigures(
                self.deliverer.backlog, replace(self.deliverer.totals), self.deliverer.alarms.copy()
            ),
            trunk_calls={trunk.name: self.door.calls(trunk) for trunk in self.door.trunks},
            calls=len(self.calls),
            dialogs=counts.dialogs,
            server_transactions=counts.server_transactions,
            client_transactions=counts.client_transactions,
            registrations={
                name: int(registration.state is State.REGISTERED)
                for name, registration in self.house.agent.registrations.copy().items()
            },
            srtp_dropped=sound.srtp_dropped.copy(),
            late_ticks=sound.late_ticks,
            ready=not self.health.wants(),
            draining=self.door.draining,
            sound_late=sound.is_late,
            workers=sound.workers,
            hashing=self.versions.in_force.people.hashing,
            steps=self.steps.copy(),
        )

    def on_event(self, event: events.Event) -> None:
        """Take one event of the signalling: a new call, something about one, or a drop."""
        match event:
            case events.Invited():
                self._invited(event)
            case events.Dropped():
                self.dropped[event.reason] += event.count
                log.debug("dropped", reason=event.reason, source=event.flow.remote[0])
            case events.TurnedAway():
                self._turned_away(event)
            case events.Registered():
                self._registered(event)
            case events.Released():
                self.door.leave(self._trunk_of.pop(event.call))
                if not self._trunk_of:
                    self._all_released.set()
            case _:
                if call := self.calls.get(event.call):
                    call.on_signal(event)

    def _registered(self, event: events.Registered) -> None:
        tell = log.warning if event.state == State.FAILED else log.info
        tell("registration", trunk=event.name, state=event.state, status=event.status)
        if event.state == State.ENDED:
            self.registrar.ended(event.name)
        if not self.house.agent.registrations:
            self._unregistered.set()

    def _invited(self, event: events.Invited) -> None:
        self._trunk_of[event.call] = event.trunk
        self._all_released.clear()
        trunk = self.door.trunks.named(event.trunk)
        if trunk and trunk.trusted:
            event = self._as_asserted(event)
        version = self.versions.in_force
        line = version.lines.get(event.line)
        if line is None or trunk is None:
            self.house.agent.reject(event.call, 404, time.monotonic())
            self.door.refused[EndReason.UNKNOWN_LINE] += 1
            self._record_refusal(event, EndReason.UNKNOWN_LINE)
            return
        call = Call(event, line, trunk, version, self.house)
        version.calls += 1
        self.calls[event.call] = call
        task = asyncio.create_task(self._live(call), name=f"call {event.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _as_asserted(self, event: events.Invited) -> events.Invited:
        """The call as a trunk that is believed tells it: who calls, and which line was dialled."""
        return replace(
            event,
            line=dialled(event.request, event.line, self.versions.in_force.lines),
            caller=asserted_caller(event.request),
        )

    def _turned_away(self, event: events.TurnedAway) -> None:
        """Note a call that got no room, once, and not so many that they fill the disk."""
        reason, now = EndReason(event.why), time.monotonic()
        if event.call_id in self._noted or reason is EndReason.TOO_FAST or self._notes.refusal(now):
            return
        self._notes.enter()
        self._noted.append(event.call_id)
        self._record_refusal(event, reason)

    def _record_refusal(self, event: events.Invited | events.TurnedAway, reason: EndReason) -> None:
        log.info("call refused", call_id=event.call_id[:64], reason=reason, trunk=event.trunk)
        started = datetime.now(UTC)
        caller = masked_caller(event.caller) if event.caller else None
        record = CallRecord(event.call_id[:64], shown_line(event.line), caller, started)
        record.ended, record.end_reason = started, reason
        self._keep(record)

    async def _live(self, call: Call) -> None:
        """A call's whole life, in a task of its own: all that is logged there has its id."""
        bind_contextvars(call_id=call.record.call_id)
        try:
            await call.live()
        finally:
            del self.calls[call.id]
            self._keep(call.record)
            await self.versions.leave(call.version)

    def _keep(self, record: CallRecord) -> None:
        self.records.write(record)
        self.day.add(record.as_dict())

    async def drain(self) -> None:
        """Take no new call; return when the last one has ended, or its time is over."""
        self._leave()
        log.info("draining", calls=len(self.calls), seconds=self.config.sip.drain_seconds)
        if self._trunk_of:
            await self._wait(self._all_released.wait(), self.config.sip.drain_seconds)

    def hold(self, held: bool) -> None:
        """Take no new call, and be registered nowhere, until told otherwise."""
        self.door.held = held
        self.registrar.hold(self.door.draining)

    def _leave(self) -> None:
        self.door.leaving = True
        self.registrar.hold(True)

    def hurry(self) -> None:
        """Wait for nothing any more, neither for calls to end nor for BYEs to be answered."""
        self._hurry.set()

    async def stop(self) -> None:
        """End every call with BYE, then let go of everything `start` took."""
        self._unregistered.clear()
        self._leave()
        self._hurry.clear()
        for call in self.calls.values():
            call.stop()
        if self._tasks:
            await self._wait(asyncio.wait(self._tasks), STOP_TIMEOUT)
        if self._trunk_of:
            await self._wait(self._all_released.wait(), STOP_TIMEOUT)
        if self.house.agent.registrations:
            await self._wait(self._unregistered.wait(), STOP_TIMEOUT)
        async with self.versions.changing:
            await self.delivery.aclose()
        await self.resources.aclose()

    async def _wait(self, wanted: Coroutine[Any, Any, object], limit: float) -> None:
        """Wait for `wanted`, for `limit` seconds at most, or until told to hurry."""
        waits = [asyncio.ensure_future(wanted), asyncio.ensure_future(self._hurry.wait())]
        await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def watch_sound(self) -> None:
        """Let no more calls in while the sound of those inside is late."""
        sound = self.door.sound
        while True:
            was_late, was_full = sound.is_late, self.door.is_full_of_sound
            sound.look(await self.house.pool.stats())
            if sound.is_late is not was_late:
                log.warning(
                    "sound is late: no new calls" if sound.is_late else "sound is in time again"
                )
            if self.door.is_full_of_sound and not was_full:
                log.warning("the workers carry all they can", calls=len(self.calls))
            await asyncio.sleep(SOUND_WATCH)

"""The server as its operator's console sees it."""

import asyncio
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from ivr.call import Call
from ivr.config import Config
from ivr.console.day import Day
from ivr.console.record_file import lines_from_the_end
from ivr.console.views import (
    CallView,
    Check,
    DeadMessage,
    OutboxView,
    SoundView,
    TrunkView,
    Verdict,
    WorkerView,
)
from ivr.dialplan.drawing import STYLE, draw
from ivr.dialplan.graph import flow_graph
from ivr.dialplan.hours import PARIS
from ivr.dialplan.schema import Dialplan
from ivr.prompts import PromptError, catalogue
from ivr.server import Server
from ivr.sip.registration import State
from ivr.users import ConsoleUser

SCARCE = 1 << 30  # bytes of room on the disk
SLOW_DATABASE = 0.1  # seconds
MANY_WAIT = 0.5  # of the queue of hashes
NEARLY_ALL = 0.99  # of the steps of the loop
SLOW_STEP = 0.02  # seconds


def day_so_far(records: Path) -> Day:
    """The tally of today, with what was recorded before this start. Blocks."""
    today = datetime.now(PARIS).date()
    day = Day(today)
    with suppress(OSError):
        for _, line in lines_from_the_end(records):
            with suppress(ValueError, KeyError, TypeError):  # what is no record
                record = json.loads(line)
                if datetime.fromisoformat(record["ended"]).astimezone(PARIS).date() < today:
                    break
                day.add(record)
    return day


class Overview:
    """Implements `console.views.Operated` over the parts of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._door = server.door
        self._house = server.house
        self._calls = server.calls
        self._steps_before = server.steps.copy()
        self._pictures: dict[tuple[str, str, str], str] = {}  # by version, plan, language

    @property
    def day(self) -> Day:
        return self._server.day

    @property
    def records(self) -> Path:
        return self._config.records

    @property
    def lines(self) -> Sequence[str]:
        return [line.number for line in self._config.lines]

    @property
    def users(self) -> Sequence[ConsoleUser]:
        return self._config.console.users

    @property
    def _config(self) -> Config:
        return self._server.config

    @property
    def draining(self) -> bool:
        return self._door.draining

    @property
    def may_resume(self) -> bool:
        return self._door.held and not self._door.leaving

    def drain(self, draining: bool) -> None:
        self._server.hold(draining)

    def calls(self) -> Sequence[CallView]:
        return [_view(call) for call in self._calls.values()]

    def plans(self) -> Sequence[str]:
        return list(self._server.versions.in_force.plans)

    async def picture(self, plan: str, language: str) -> str:
        version = self._server.versions.in_force
        key = version.id, plan, language
        if key not in self._pictures:
            drawn = await asyncio.to_thread(
                _picture, version.plans[plan], self._config.prompts, language, plan
            )
            self._pictures = {
                each: text for each, text in self._pictures.items() if each[0] == version.id
            }
            self._pictures[key] = drawn
        return self._pictures[key]

    @property
    def picture_style(self) -> str:
        return STYLE

    async def sounds(self, ids: Sequence[str]) -> Mapping[str, SoundView]:
        media = {each: call.media for each in ids if (call := self._calls.get(each)) and call.media}
        told = await self._house.pool.sounds(list(media.values()))
        return {
            each: SoundView(stats.received, stats.lost, stats.jitter_ms, stats.mos)
            for each, stats in zip(media, told, strict=True)
            if stats is not None
        }

    def hang_up(self, call: str) -> bool:
        found = self._calls.get(call)
        if found is not None:
            found.stop()
        return found is not None

    def trunks(self) -> Sequence[TrunkView]:
        registrations = self._house.agent.registrations
        return [
            TrunkView(
                trunk.name,
                [str(network) for network in trunk.networks],
                len(trunk.users),
                self._door.calls(trunk),
                trunk.max_calls,
                trunk.max_cps,
                trunk.trusted,
                trunk.secure_sound,
                str(registrations[trunk.name].state) if trunk.name in registrations else None,
            )
            for trunk in self._door.trunks
        ]

    def workers(self) -> Sequence[WorkerView]:
        return [
            WorkerView(
                load.stats.share,
                load.stats.pid,
                load.stats.calls,
                load.stats.ports,
                load.busy,
                load.stats.memory,
                load.stats.late_ticks,
                load.stats.unsent,
                load.stats.malformed,
            )
            for load in self._door.sound.workers
        ]

    async def logins(self) -> Mapping[str, int]:
        with suppress(SQLAlchemyError):  # the health page tells
            return await self._server.versions.in_force.people.telephone_logins()
        return {}

    async def outbox(self) -> OutboxView:
        alarms = dict(self._server.deliverer.alarms)
        try:
            survey = await self._server.deliverer.survey()
        except SQLAlchemyError:
            return OutboxView({}, [], {**alarms, "delivery_broken": 1})
        dead = [
            DeadMessage(m.id, m.kind, m.way, m.created_at, m.tried_at, m.attempts)
            for m in survey.dead
        ]
        return OutboxView(survey.counts, dead, alarms)

    async def retry(self, message: str, agent: str) -> bool:
        return await self._server.deliverer.retry(message, agent)

    async def checks(self) -> Sequence[Check]:
        begun = time.monotonic()
        outbox = await self.outbox()
        return [
            self._check_door(),
            self._check_sound(),
            self._check_workers(),
            *self._check_registrations(),
            _check_database(outbox, time.monotonic() - begun),
            Check(
                "outbox",
                Verdict.WORRYING if outbox.dead or outbox.alarms else Verdict.GOOD,
                str(len(outbox.dead)),
            ),
            self._check_hashing(),
            self._check_loop(),
            await asyncio.to_thread(self._check_disk),
        ]

    def _check_door(self) -> Check:
        calls, limit = len(self._calls), self._config.sip.max_calls
        if self._door.draining:
            verdict = Verdict.BAD
        else:
            verdict = Verdict.WORRYING if calls >= 0.9 * limit else Verdict.GOOD
        return Check("door", verdict, f"{calls} / {limit}")

    def _check_sound(self) -> Check:
        sound = self._door.sound
        late = sum(load.late_ticks for load in sound.workers)
        if sound.is_late:
            return Check("sound", Verdict.BAD, str(late))
        is_full = self._door.is_full_of_sound
        return Check("sound", Verdict.WORRYING if is_full else Verdict.GOOD, str(late))

    def _check_workers(self) -> Check:
        up, wanted = len(self._house.pool.pids), self._config.media.worker_count
        verdict = Verdict.BAD if not up else Verdict.WORRYING if up < wanted else Verdict.GOOD
        return Check("workers", verdict, f"{up} / {wanted}")

    def _check_registrations(self) -> Sequence[Check]:
        states = [each.state for each in self._house.agent.registrations.values()]
        if not states:
            return []
        up = states.count(State.REGISTERED)
        verdict = Verdict.GOOD if up == len(states) else Verdict.BAD
        return [Check("registrations", verdict, f"{up} / {len(states)}")]

    def _check_hashing(self) -> Check:
        waiting, room = (
            self._server.versions.in_force.people.hashing.waiting,
            self._config.auth.hash_queue,
        )
        verdict = Verdict.WORRYING if waiting > MANY_WAIT * room else Verdict.GOOD
        return Check("hashing", verdict, f"{waiting} / {room}")

    def _check_loop(self) -> Check:
        """Within how long nearly all steps of the loop were over, since this was made."""
        before, steps = self._steps_before, self._server.steps
        counts = [now - then for now, then in zip(steps.counts, before.counts, strict=True)]
        wanted, so_far = NEARLY_ALL * sum(counts), 0
        for bound, count in zip(steps.bounds, counts, strict=False):
            so_far += count
            if so_far >= wanted:
                verdict = Verdict.GOOD if bound <= SLOW_STEP else Verdict.WORRYING
                return Check("loop", verdict, f"≤ {bound * 1000:g} ms")
        return Check("loop", Verdict.WORRYING, f"> {steps.bounds[-1] * 1000:g} ms")

    def _check_disk(self) -> Check:
        free = shutil.disk_usage(self.records.parent).free
        verdict = Verdict.BAD if free < SCARCE else Verdict.GOOD
        return Check("disk", verdict, f"{free / 2**30:.1f} GiB")


def _picture(plan: Dialplan, prompts: Path, language: str, name: str) -> str:
    """The picture of a flow without its style, for a page that has that in a sheet of its own."""
    try:
        texts = catalogue(prompts, language)
    except PromptError:  # while somebody edits it
        texts = {}
    return draw(flow_graph(plan, language), texts, name).replace(f"<style>{STYLE}</style>", "")


def _check_database(outbox: OutboxView, seconds: float) -> Check:
    figure = f"{seconds * 1000:.0f} ms"
    if "delivery_broken" in outbox.alarms and not outbox.counts:
        return Check("database", Verdict.BAD, figure)
    return Check("database", Verdict.WORRYING if seconds > SLOW_DATABASE else Verdict.GOOD, figure)


def _view(call: Call) -> CallView:
    record, facts, sound = call.record, call.facts, call.sound
    codec, secure = sound or (None, False)
    return CallView(
        id=call.id,
        call_id=record.call_id,
        line=record.line,
        caf=record.caf,
        caller=record.caller,
        trunk=call.trunk,
        started=record.started,
        answered=record.answered,
        plan=call.plan if facts else "",
        node=facts.node if facts else "",
        codec=codec,
        secure=secure,
        authenticated=facts.authenticated if facts else None,
        version=record.version,
    )

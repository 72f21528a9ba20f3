"""Who sends which message: claims on the outbox, safe among workers on several nodes.

A claim is one conditional UPDATE, committed before anything leaves. It lapses by itself, so that
what a dead worker held is taken up by another; the message keeps its id, by which the gateway knows
it again. A message that was acknowledged is erased whoever held it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from auth_core.delivery.outbox import Message, MessageState, stored_message
from auth_core.model import DeliveryChoice
from auth_core.store.database import Database
from auth_core.store.tables import messages

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is ours to send. `attempts` counts this one."""

    message: Message
    lease: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages of one way in one state: how many, and the age of the oldest in seconds."""

    way: DeliveryChoice
    state: MessageState
    messages: int
    oldest: float


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was given up, without where it was to go. `kind`, `way`: of `MessageKind` and
    `DeliveryChoice`."""

    id: str
    kind: str
    way: str
    created_at: datetime
    tried_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Survey:
    """The outbox at a glance: how many messages by (way, state), and the newest of the dead that
    nothing followed."""

    counts: Mapping[tuple[str, str], int]
    dead: Sequence[DeadMessage]


class Queue:
    """The outbox as its senders see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, way: DeliveryChoice, now: datetime, limit: int) -> list[str]:
        """The ids of messages that may be claimed, the longest due first."""
        async with self._database.begin() as connection:
            rows = await connection.scalars(
                select(messages.c.id)
                .where(messages.c.way == way.value, _claimable(now))
                .order_by(messages.c.due_at, messages.c.id)
                .limit(limit)
            )
            return list(rows)

    async def tried_within_the_hour(self, way: DeliveryChoice, now: datetime) -> int:
        """How many messages were begun to be sent in the last 60 minutes, on all nodes."""
        async with self._database.begin() as connection:
            count = await connection.scalar(
                select(func.count())
                .select_from(messages)
                .where(messages.c.way == way.value, messages.c.tried_at > now - HOUR)
            )
        return count or 0

    async def late_letters(self, now: datetime, after: timedelta) -> int:
        """How many letters have waited in the outbox for longer than `after`."""
        async with self._database.begin() as connection:
            count = await connection.scalar(
                select(func.count())
                .select_from(messages)
                .where(
                    messages.c.way == DeliveryChoice.LETTER.value,
                    messages.c.state == MessageState.QUEUED.value,
                    messages.c.created_at < now - after,
                )
            )
        return count or 0

    async def backlog(self, now: datetime) -> list[Backlog]:
        """What waits to leave and what was given up, on all nodes, by way and state."""
        async with self._database.begin() as connection:
            rows = await connection.execute(
                select(
                    messages.c.way,
                    messages.c.state,
                    func.count(),
                    func.min(messages.c.created_at, type_=messages.c.created_at.type),
                )
                .where(messages.c.state.in_([MessageState.QUEUED.value, MessageState.DEAD.value]))
                .group_by(messages.c.way, messages.c.state)
            )
            return [
                Backlog(
                    DeliveryChoice(way), MessageState(state), count, (now - oldest).total_seconds()
                )
                for way, state, count, oldest in rows
            ]

    async def survey(self, newest: int) -> Survey:
        """What there is, and the `newest` dead."""
        async with self._database.begin() as connection:
            counts = await connection.execute(
                select(messages.c.way, messages.c.state, func.count().label("number")).group_by(
                    messages.c.way, messages.c.state
                )
            )
            dead = await connection.execute(
                select(messages)
                .where(_dead_and_not_followed())
                .order_by(messages.c.created_at.desc())
                .limit(newest)
            )
            return Survey(
                {(row.way, row.state): row.number for row in counts},
                [
                    DeadMessage(
                        row.id, row.kind, row.way, row.created_at, row.tried_at, row.attempts
                    )
                    for row in dead
                ],
            )

    async def claim(self, message_id: str, now: datetime, lease: timedelta) -> Claim | None:
        """Take a message for `lease`; None when another worker was faster or it is no more due."""
        token = secrets.token_hex(16)
        async with self._database.begin() as connection:
            taken = await connection.execute(
                update(messages)
                .where(messages.c.id == message_id, _claimable(now))
                .values(
                    lease=token,
                    leased_until=now + lease,
                    attempts=messages.c.attempts + 1,
                    tried_at=now,
                )
            )
            if taken.rowcount != 1:
                return None
            row = (
                await connection.execute(select(messages).where(messages.c.id == message_id))
            ).one()
        return Claim(stored_message(row), token, row.attempts)

    async def settle(
        self,
        message_id: str,
        now: datetime,
        state: MessageState = MessageState.SENT,
    ) -> MessageState | None:
        """Mark a message as gone and erase its text, whoever holds it; return the state it is in,
        which is another when it was cancelled or acknowledged meanwhile, None when its file is no
        more."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(messages)
                .where(messages.c.id == message_id, messages.c.state == MessageState.QUEUED.value)
                .values(state=state.value, sealed=None, lease=None, leased_until=None, sent_at=now)
            )
            found = await connection.scalar(
                select(messages.c.state).where(messages.c.id == message_id)
            )
        return None if found is None else MessageState(found)

    async def acknowledge(self, message_id: str, now: datetime) -> bool:
        """Mark a letter as printed, even one whose writer had no time to say that it was written;
        False for what is no letter that may have been written."""
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(messages)
                .where(
                    messages.c.id == message_id,
                    messages.c.way == DeliveryChoice.LETTER.value,
                    or_(
                        messages.c.state == MessageState.SENT.value,
                        and_(
                            messages.c.state == MessageState.QUEUED.value, messages.c.attempts > 0
                        ),
                    ),
                )
                .values(
                    state=MessageState.ACKNOWLEDGED.value,
                    sealed=None,
                    lease=None,
                    leased_until=None,
                    sent_at=func.coalesce(messages.c.sent_at, now),
                )
            )
        return result.rowcount == 1

    async def postpone(self, claim: Claim, until: datetime) -> bool:
        """Give a message back for another try; False when it is no more ours."""
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(messages)
                .where(_held(claim))
                .values(due_at=until, lease=None, leased_until=None)
            )
        return result.rowcount == 1


async def dead_message(connection: AsyncConnection, message_id: str) -> Message | None:
    """A message that was given up and that nothing followed; None when there is no such one."""
    row = (
        await connection.execute(
            select(messages).where(messages.c.id == message_id, _dead_and_not_followed())
        )
    ).one_or_none()
    return None if row is None else stored_message(row)


async def supersede_dead(connection: AsyncConnection, message_id: str) -> bool:
    """Mark a dead message as superseded, within the caller's transaction; False when another was
    faster."""
    result = await connection.execute(
        update(messages)
        .where(messages.c.id == message_id, messages.c.state == MessageState.DEAD.value)
        .values(state=MessageState.CANCELLED.value)
    )
    return result.rowcount == 1


async def give_up(connection: AsyncConnection, claim: Claim) -> bool:
    """Mark a message as dead and erase its text, within the caller's transaction; False when it is
    no more ours."""
    result = await connection.execute(
        update(messages)
        .where(_held(claim))
        .values(state=MessageState.DEAD.value, sealed=None, lease=None, leased_until=None)
    )
    return result.rowcount == 1


def _dead_and_not_followed() -> ColumnElement[bool]:
    """Given up, and no other message of its kind went to that file since, such as the letter that
    took its place."""
    other = messages.alias("other")
    followed = (
        select(other.c.id)
        .where(
            other.c.file_id == messages.c.file_id,
            other.c.kind == messages.c.kind,
            other.c.id != messages.c.id,
            other.c.created_at >= messages.c.created_at,
            other.c.state != MessageState.DEAD.value,
        )
        .exists()
    )
    return and_(messages.c.state == MessageState.DEAD.value, ~followed)


def _claimable(now: datetime) -> ColumnElement[bool]:
    return and_(
        messages.c.state == MessageState.QUEUED.value,
        messages.c.due_at <= now,
        or_(messages.c.leased_until.is_(None), messages.c.leased_until <= now),
    )


def _held(claim: Claim) -> ColumnElement[bool]:
    return and_(
        messages.c.id == claim.message.id,
        messages.c.state == MessageState.QUEUED.value,
        messages.c.lease == claim.lease,
    )

"""Who sends which message: claims on the outbox, safe among workers on several nodes.

A claim is one conditional UPDATE, committed before anything leaves. It lapses by itself, so that
what a dead worker held is taken up by another; the message keeps its id, by which the gateway knows
it again. A message that was acknowledged is erased whoever held it.
"""

import secrets
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


async def give_up(connection: AsyncConnection, claim: Claim) -> bool:
    """Mark a message as dead and erase its text, within the caller's transaction; False when it is
    no more ours."""
    result = await connection.execute(
        update(messages)
        .where(_held(claim))
        .values(state=MessageState.DEAD.value, sealed=None, lease=None, leased_until=None)
    )
    return result.rowcount == 1


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

"""What the calendar does: owners are told before their password ends, and what has passed its date
and is of no more use goes. Run as often as you like; once a day is enough."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import succession
from auth_core.delivery.outbox import MessageKind
from auth_core.delivery.renewal import last_day_of_password
from auth_core.delivery.texts import DAY
from auth_core.model import Slot, Source
from auth_core.notices import Notices
from auth_core.settings import AuthSettings
from auth_core.store import changes, repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database

PAGE = 500


@dataclass(frozen=True, slots=True)
class ExpiryReport:
    """How many owners were told that their password ends soon, and how many pending provisionals
    had passed their date and are erased."""

    told: int
    erased: int


class _Act(Protocol):
    """What is done to one file; True when it was."""

    async def __call__(self, connection: AsyncConnection, *, file_id: str) -> bool: ...


class Expiry:
    """Looks at the calendar."""

    def __init__(
        self,
        settings: AuthSettings,
        database: Database,
        notices: Notices,
        trail: AuditTrail,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._database = database
        self._notices = notices
        self._trail = trail
        self._clock = clock

    async def run(self, source: Source) -> ExpiryReport:
        """Do all that is due. A live secret that has expired stays where it is: whoever gives the
        right one is told that it is too old."""
        now = self._clock()
        until = now + timedelta(days=self._settings.expiry_notice_days)
        told = await self._each(
            lambda connection: changes.passwords_to_notice(connection, now, until, PAGE),
            partial(self._tell, source=source, now=now),
        )
        erased = await self._each(
            lambda connection: changes.expired_pendings(connection, now, PAGE),
            partial(self._erase, source=source, now=now),
        )
        settled = now - self._settings.mobile_quarantine
        async with self._database.begin() as connection:
            await changes.forget_previous_numbers(connection, settled)
        return ExpiryReport(told, erased)

    async def _each(
        self,
        find: Callable[[AsyncConnection], Awaitable[list[str]]],
        act: _Act,
    ) -> int:
        """Act on all files that are found, each in its own transaction; return how many."""
        done = 0
        while file_ids := await self._database.run(find):
            for file_id in file_ids:
                done += await self._database.run(partial(act, file_id=file_id))
        return done

    async def _tell(
        self, connection: AsyncConnection, *, file_id: str, source: Source, now: datetime
    ) -> bool:
        # The file's row first, as in every act: nobody waits in a circle.
        if await repository.generation_of(connection, file_id) is None:
            return False
        if not await changes.set_noticed(connection, file_id, now):
            return False
        identity = await repository.identity_of(connection, file_id)
        case_file = None if identity is None else await repository.find_file(connection, identity)
        held = await repository.credentials_of(connection, file_id)
        last_day = last_day_of_password(held)
        if case_file is None or last_day is None:
            return False
        case_file = await repository.with_people(connection, case_file)
        await self._notices.tell_owner(
            connection,
            case_file,
            MessageKind.PASSWORD_EXPIRES,
            now,
            until=last_day.strftime(DAY),
        )
        await self._trail.append(connection, Act.EXPIRY_TOLD, source, now, file_id)
        return True

    async def _erase(
        self, connection: AsyncConnection, *, file_id: str, source: Source, now: datetime
    ) -> bool:
        if await repository.generation_of(connection, file_id) is None:
            return False
        held = await repository.credentials_of(connection, file_id)
        pending = held.get(Slot.PENDING)
        if pending is None or pending.expires_at is None or pending.expires_at > now:
            return False
        await succession.drop_pending(connection, file_id)
        detail = {"kind": pending.kind.value, "slot": pending.slot.value}
        await self._trail.append(connection, Act.EXPIRED, source, now, file_id, detail)
        return True

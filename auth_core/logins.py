"""How logins of one day went, by outcome: counted from the audit trail, each entry once."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, time

from auth_core.model import Channel
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.validity import PARIS

_TOLD = frozenset(("wrong", "locked", "exhausted"))


class LoginTally:
    """The logins of a channel since midnight in Paris, on all nodes."""

    def __init__(self, database: Database, trail: AuditTrail, channel: Channel) -> None:
        self._database = database
        self._trail = trail
        self._channel = channel
        self._midnight: datetime | None = None
        self._counted = 0  # the last entry of the trail that is
        self._counts: Counter[str] = Counter()
        self._counting = asyncio.Lock()

    async def today(self, now: datetime) -> Mapping[str, int]:
        """By granted_<kind>, expired, refused_wrong, refused_locked, refused_exhausted and
        refused_other. Raises SQLAlchemyError."""
        midnight = datetime.combine(now.astimezone(PARIS).date(), time(), PARIS)
        async with self._counting, self._database.begin() as connection:
            if midnight != self._midnight:
                before = await self._trail.before(connection, midnight)
                self._midnight, self._counted, self._counts = midnight, before, Counter()
            last, found = await self._trail.tally(connection, self._channel.value, self._counted)
            self._counted = last
            for (act, detail), number in found.items():
                if outcome := _outcome(act, json.loads(detail)):
                    self._counts[outcome] += number
            return self._counts.copy()


def _outcome(act: str, detail: Mapping[str, str]) -> str | None:
    if act == Act.LOGIN_GRANTED:
        return f"granted_{detail['kind']}"
    if act == Act.LOGIN_EXPIRED:
        return "expired"
    if act == Act.LOGIN_REFUSED:
        reason = detail["reason"]
        return f"refused_{reason if reason in _TOLD else 'other'}"
    return None

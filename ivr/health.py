"""Whether a call that comes now would be taken and served, for load balancers and alarms."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

import structlog

from auth_core import AuthError, AuthService
from ivr.doorkeeper import Doorkeeper

log = structlog.get_logger(__name__)

LOOK = 5.0  # seconds between two looks at the database
PATIENCE = 3.0  # seconds in which it answers


class Want(StrEnum):
    """What stands in the way: a fixed vocabulary."""

    DRAINING = "draining"
    SOUND_LATE = "sound_late"
    FULL = "full"
    DATABASE = "database"


class Health:
    """What a server lacks just now."""

    def __init__(self, door: Doorkeeper, people: Callable[[], AuthService]) -> None:
        self._door = door
        self._people = people
        self._database = True

    def wants(self) -> list[Want]:
        """Why a call would not be taken, or not be served; empty when all is well."""
        door = self._door
        ways = {
            Want.DRAINING: door.draining,
            Want.SOUND_LATE: door.sound.is_late,
            Want.FULL: door.is_full,
            Want.DATABASE: not self._database,
        }
        return [want for want, is_so in ways.items() if is_so]

    async def watch(self) -> None:
        """Look at the database again and again; never ends."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Look at the database once."""
        why = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._people().check_database()
        except TimeoutError:
            why = f"no answer in {PATIENCE:.0f} s"
        except AuthError as error:
            why = str(error)
        if self._database and why:
            log.error("the database is out of reach: nobody can log in", why=why)
        elif why == "" and not self._database:
            log.warning("the database is back")
        self._database = not why

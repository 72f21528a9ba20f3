"""What the operator's files said when they were taken. A call keeps the version it began with.

The one in force is for new calls; an older one stays until its last call is over.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from auth_core import AuthService
from ivr.config import Config, LineSection
from ivr.dialplan.schema import Dialplan
from ivr.operator_files import Files
from ivr.prompt_bank import PromptBank, PromptMemory


@dataclass(slots=True, eq=False)
class Version:
    """`id`: 8 hexadecimal digits, the same for the same files; `taken`: when; `calls`: how many
    run it. `lines`: by the number dialled; `plans`: by name."""

    id: str
    taken: datetime
    config: Config
    plans: Mapping[str, Dialplan]
    prompts: PromptBank
    people: AuthService
    lines: Mapping[str, LineSection]
    calls: int = 0

    @classmethod
    def of(cls, files: Files, prompts: PromptBank, people: AuthService) -> "Version":
        """The version that these files make, taken now."""
        lines = {line.number: line for line in files.config.lines}
        taken = datetime.now(UTC)
        return cls(files.version, taken, files.config, files.plans, prompts, people, lines)


class Versions:
    """The version in force, and the older ones that calls still run."""

    def __init__(self, memory: PromptMemory, first: Version) -> None:
        self.memory = memory
        self.changing = asyncio.Lock()
        """Held while versions come and go: one at a time touches the memory."""
        self.in_force = first
        self._all = [first]

    def take(self, version: Version) -> None:
        """New calls run `version` from now on. Hold `changing`."""
        self.in_force = version
        self._all.append(version)

    async def leave(self, version: Version) -> None:
        """A call of that version is over."""
        version.calls -= 1
        if version is not self.in_force and not version.calls:
            async with self.changing:
                await self.retire()

    async def retire(self) -> None:
        """Let go of what neither new calls nor old ones need. Hold `changing`."""
        for version in [v for v in self._all if v is not self.in_force and not v.calls]:
            self._all.remove(version)
            self.memory.release(version.prompts)
            await self._close_people(version)

    async def close(self) -> None:
        """Let go of everything; no call runs any more."""
        async with self.changing:
            while self._all:
                await self._close_people(self._all.pop())

    async def _close_people(self, version: Version) -> None:
        if all(other.people is not version.people for other in self._all):
            await version.people.close()

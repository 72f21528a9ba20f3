"""Where journeys happen: a running server, holders whose secrets are random, and eyes on both.

Every secret is drawn anew for each test, so that what was keyed can be searched for afterwards in
all that was written (`tests.journeys.canaries`).
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from auth_core import AuthService, Channel, Creation, Identity, Secret, SecretKind, Source
from auth_core.demo import DEMO_FILES, DemoFile
from auth_core.phones import e164
from auth_core.settings import load_settings
from tests.listening import transcript
from tests.running import PROJECT, RunningServer
from tests.softphone import Softphone

BREATH = 1.5
"""Seconds after an entry in which the answer to it begins: the floor of a failure and more."""

PARIS = "0810257510"
NATIONAL = "0810292929"

_NAMES = {
    ("751", "0123456"): "pin",
    ("751", "0234567"): "password",
    ("131", "0345678"): "provisional",
    ("691", "0456789"): "expired",
    ("751", "0567890"): "letters_only",
    ("971", "0678901"): "expired_provisional",
    ("131", "0123456"): "namesake",
}


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a file, and what they key."""

    caf: str
    matricule: str
    postal_code: str
    birth_day_month: str
    secret: str = field(repr=False)

    @property
    def identity(self) -> Identity:
        return Identity(self.caf, self.matricule)


def random_pin() -> str:
    """Four digits that are no port, year or duration, so that a search cannot find them by chance:
    they begin with 0 and have no other."""
    return "0" + "".join(secrets.choice("123456789") for _ in range(3))


def random_password() -> str:
    """Eight digits, none of them zero, hence no timestamp and no telephone number of the file."""
    return "".join(secrets.choice("123456789") for _ in range(8))


def with_random_secrets() -> dict[str, tuple[DemoFile, Holder]]:
    """The demo file by role, each with a secret of its own."""
    drawn = {}
    for demo in DEMO_FILES:
        secret = random_pin() if demo.kind is SecretKind.PIN else random_password()
        born = f"{demo.born.day:02}{demo.born.month:02}"
        holder = Holder(demo.caf, demo.matricule, demo.postal_code, born, secret)
        drawn[_NAMES[demo.caf, demo.matricule]] = (replace(demo, secret=secret), holder)
    return drawn


@dataclass
class Place:
    """One server and its holders."""

    server: RunningServer
    holders: dict[str, Holder]
    advisor: str = ""
    lock_seconds: float = 0.0
    keyed: list[str] = field(default_factory=list, repr=False)
    prompts: Path = PROJECT / "prompts"

    def uri(self, line: str) -> str:
        return self.server.uri(line)

    def by_ear(self, recording: Path, expected: Iterable[str]) -> list[str]:
        """Which of the expected prompts a recording holds, in order."""
        return [prompt for _, prompt in transcript(recording, self.prompts / "fr", only=expected)]

    def other_than(self, secret: str) -> str:
        """A password that is not `secret`; searched for afterwards like the right ones."""
        while (other := random_password()) == secret:
            pass
        self.keyed.append(other)
        return other

    async def create_password_on_the_web(self, holder: Holder) -> str:
        """Another channel, another process: a password in place of the secret."""
        service = await AuthService.open(load_settings(self.server.config))
        try:
            while True:
                new = random_password()
                result = await service.create_password(
                    holder.identity, Secret(holder.secret), Secret(new), Source(Channel.WEB)
                )
                if result.outcome is Creation.CREATED:
                    self.keyed.append(new)
                    return new
        finally:
            await service.close()

    def failures(self, holder: Holder) -> int:
        """Failures in a row that are charged to a file."""
        rows = self._query(
            "SELECT charged FROM file_throttles WHERE file_id = :file_id", holder.identity
        )
        return int(rows[0][0]) if rows else 0

    def outbox(self, holder: Holder) -> list[str]:
        """The ways of the messages to a file's owner; each goes to what is on file, or fails."""
        columns = "SELECT way, destination FROM messages WHERE file_id = :file_id"
        rows = self._query(columns, holder.identity)
        on_file = "SELECT number FROM phones WHERE file_id = :file_id"
        mobiles = {e164(number) for (number,) in self._query(on_file, holder.identity)}
        on_file = "SELECT city FROM addresses WHERE file_id = :file_id"
        cities = [city for (city,) in self._query(on_file, holder.identity)]
        for way, destination in rows:
            if way == "sms":
                assert e164(destination) in mobiles
            else:
                assert any(city in destination for city in cities)
        return [way for way, _ in rows]

    def pending(self, holder: Holder) -> int:
        """How many secrets of a file wait to be used for the first time."""
        slots = "SELECT slot FROM credentials WHERE file_id = :file_id AND slot = 'pending'"
        return len(self._query(slots, holder.identity))

    def credentials(self, holder: Holder) -> Sequence[Sequence[object]]:
        """A file's stored secrets as they stand in the database."""
        return self._query("SELECT * FROM credentials WHERE file_id = :file_id", holder.identity)

    def _query(self, statement: str, identity: Identity) -> Sequence[Sequence[Any]]:
        engine = create_engine(f"sqlite:///{self.server.folder / 'var' / 'auth.db'}")
        try:
            with engine.connect() as connection:
                file_id = connection.execute(
                    text("SELECT file_id FROM identities WHERE caf = :caf AND matricule = :number"),
                    {"caf": identity.caf, "number": identity.matricule},
                ).scalar_one()
                rows = connection.execute(text(statement), {"file_id": file_id}).fetchall()
                return [tuple(row) for row in rows]
        finally:
            engine.dispose()


async def key(phone: Softphone, *entries: str) -> None:
    """Key one entry after another as somebody does who knows the line: each once the next prompt
    has begun, without hearing it out."""
    for entry in entries:
        await phone.keys(entry)
        await phone.pause(BREATH)


def in_order(heard: Iterable[str], *expected: str) -> bool:
    """Whether the expected prompts were heard in this order, whatever came between."""
    remaining = iter(heard)
    return all(prompt in remaining for prompt in expected)

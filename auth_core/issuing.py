"""Provisional passwords: drawn at random, fit for the file, and sent. In clear they are in nothing
but the sealed message that carries them."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.credentials import (
    Credential,
    Hasher,
    Secret,
    objections,
    random_provisional,
    written_into,
)
from auth_core.delivery.outbox import Destination, MessageKind, Outbox
from auth_core.delivery.texts import DAY, Texts
from auth_core.model import CaseFile, SecretKind, Slot
from auth_core.settings import AuthSettings
from auth_core.validity import last_day, validity_end

_DECOY = "decoy"


@dataclass(frozen=True, slots=True)
class Provisional:
    """A secret that is stored nowhere yet, and what will be stored of it."""

    secret: Secret = field(repr=False)
    credential: Credential


class Issuer:
    """Draws provisional passwords and puts their messages into the outbox."""

    def __init__(
        self, settings: AuthSettings, hasher: Hasher, outbox: Outbox, texts: Texts
    ) -> None:
        self._settings = settings
        self._hasher = hasher
        self._outbox = outbox
        self._texts = texts

    async def draw(
        self,
        case_file: CaseFile | None,
        slot: Slot,
        now: datetime,
        beside: Credential | None = None,
    ) -> Provisional:
        """One that no rule refuses for this file, hashed. `beside`: the live secret that a pending
        one shares its salt with. Without a file it costs the same and is good for nothing."""
        secret = random_provisional()
        if case_file is not None:
            while objections(secret, case_file):
                secret = random_provisional()
        credential = await self._hasher.make(
            secret,
            file_id=_DECOY if case_file is None else case_file.id,
            slot=slot,
            kind=SecretKind.PROVISIONAL,
            created_at=now,
            expires_at=validity_end(now, self._settings.provisional_validity_months),
            beside=beside,
        )
        return Provisional(secret, credential)

    async def send(
        self,
        connection: AsyncConnection,
        provisional: Provisional,
        destination: Destination,
        due_at: datetime | None = None,
    ) -> None:
        """Queue its message, which supersedes those with a secret of the file that wait still.
        `due_at`: it leaves from then on; None: at once."""
        credential = provisional.credential
        months = self._settings.provisional_validity_months
        until = last_day(credential.created_at, months).strftime(DAY)
        template = self._texts.template(MessageKind.SECRET, destination.way, until=until)
        await self._outbox.put(
            connection,
            credential.file_id,
            MessageKind.SECRET,
            destination,
            written_into(template, provisional.secret),
            credential.created_at,
            due_at,
        )

"""What the owner of a file is told when something happens to it; never a secret."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core.delivery import addresses
from auth_core.delivery.outbox import Destination, MessageKind, Outbox
from auth_core.delivery.texts import Texts
from auth_core.model import CaseFile
from auth_core.settings import AuthSettings


class Notices:
    """Puts notices into the outbox, in the transaction of what they tell of."""

    def __init__(self, settings: AuthSettings, outbox: Outbox, texts: Texts) -> None:
        self._settings = settings
        self._outbox = outbox
        self._texts = texts

    async def tell_owner(
        self,
        connection: AsyncConnection,
        case_file: CaseFile,
        kind: MessageKind,
        now: datetime,
        **values: str,
    ) -> None:
        """Tell the beneficiary, where they can be reached (see `addresses.for_notice`)."""
        owner, quarantine = case_file.beneficiary, self._settings.mobile_quarantine
        if owner is None:
            return
        destination = addresses.for_notice(case_file, owner, now, quarantine)
        if destination is not None:
            await self.tell(connection, case_file.id, kind, destination, now, **values)

    async def tell_former_number(
        self, connection: AsyncConnection, case_file: CaseFile, kind: MessageKind, now: datetime
    ) -> None:
        """Tell the mobile that a new one took the place of within the quarantine; nobody when none
        did."""
        owner, quarantine = case_file.beneficiary, self._settings.mobile_quarantine
        if owner is None:
            return
        destination = addresses.before_change(case_file, owner, now, quarantine)
        if destination is not None:
            await self.tell(connection, case_file.id, kind, destination, now)

    async def tell(
        self,
        connection: AsyncConnection,
        file_id: str,
        kind: MessageKind,
        destination: Destination,
        now: datetime,
        **values: str,
    ) -> None:
        """Queue a message without a secret. `values`: of the placeholders of its text."""
        text = self._texts.template(kind, destination.way, **values)
        await self._outbox.put(connection, file_id, kind, destination, text.encode(), now)

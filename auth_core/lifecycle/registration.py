"""A first application gets a file: a matricule and a provisional password, in two messages.

It never attaches to a file that is there and never changes one: whoever applies under the NIR or
the name and birth date of somebody known is told what everybody is told, and the back office looks
at it.
"""

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from auth_core import nir, phones
from auth_core.delivery import addresses
from auth_core.delivery.outbox import Destination, MessageKind
from auth_core.errors import AuthError
from auth_core.issuing import Issuer, Provisional
from auth_core.keys import Keyring
from auth_core.lifecycle.acts import random_matricule
from auth_core.model import (
    Address,
    Application,
    CaseFile,
    Channel,
    FileStatus,
    Identity,
    Person,
    Phone,
    RequestKind,
    RequestProgress,
    RequestState,
    Role,
    Slot,
    Source,
    TaskKind,
)
from auth_core.notices import Notices
from auth_core.store import changes, repository
from auth_core.store.audit import Act, AuditTrail
from auth_core.store.database import Database
from auth_core.tempo import Tempo
from auth_core.validity import PARIS

APPLICATIONS = (RequestKind.HOUSING_AID, RequestKind.BIRTH_GRANT)
"""What somebody who has no file may apply for."""
SECOND_LETTER_AFTER = timedelta(hours=24)
"""The two letters of a paper applicant do not lie in the letter box on the same day; both leave
well within the 72 hours that they are due in."""
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """A file that is to be, and where its owner is reached."""

    case_file: CaseFile
    nir: str | None
    destination: Destination


class Registration:
    """Takes applications in."""

    def __init__(
        self,
        database: Database,
        issuer: Issuer,
        notices: Notices,
        trail: AuditTrail,
        pepper: Keyring,
        tempo: Tempo,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._notices = notices
        self._trail = trail
        self._pepper = pepper
        self._tempo = tempo
        self._clock = clock

    async def register(self, application: Application, source: Source) -> None:
        """Give the applicant a file, unless they are known. The same, in time too, whichever it is.

        From the back office the application is one on paper, and its answers are two letters.
        Raises AuthError on the telephone and for an application that is not complete.
        """
        if source.channel is Channel.TELEPHONE:
            raise AuthError("nobody is registered by telephone; use caf.fr")
        begun, registered = self._tempo.begin(), False
        while not registered:
            now = self._clock()
            newcomer = _newcomer(application, source, now)
            new = await self._issuer.draw(newcomer.case_file, Slot.LIVE, now)
            work = partial(
                self._settle, application=application, newcomer=newcomer, new=new, source=source
            )
            registered = await self._database.run(work)
        await self._tempo.reach_floor(begun)

    async def _settle(
        self,
        connection: AsyncConnection,
        application: Application,
        newcomer: _Newcomer,
        new: Provisional,
        source: Source,
    ) -> bool:
        """False when the matricule that was drawn is another file's."""
        case_file, now = newcomer.case_file, new.credential.created_at
        known = await self._known(connection, application, newcomer.nir)
        if known is not None:
            await changes.add_task(connection, known, TaskKind.KNOWN_APPLICANT, now)
            await self._trail.append(connection, Act.REGISTRATION_KNOWN, source, now, known)
            return True
        if not await changes.is_free(connection, case_file.identity):
            return False
        on = now.astimezone(PARIS).date()
        requests = [RequestProgress(application.kind, RequestState.RECEIVED, on)]
        await repository.add_file(connection, case_file, now, requests=requests)
        if newcomer.nir is not None:
            digest = nir.digest(self._pepper, newcomer.nir)
            await changes.set_nir_digest(connection, case_file.persons[0].id, digest)
        await repository.put_credential(connection, new.credential)
        await self._notices.tell(
            connection,
            case_file.id,
            MessageKind.MATRICULE,
            newcomer.destination,
            now,
            matricule=case_file.identity.matricule,
        )
        on_paper = source.channel is Channel.BACK_OFFICE
        due_at = now + SECOND_LETTER_AFTER if on_paper else None
        await self._issuer.send(connection, new, newcomer.destination, due_at)
        detail = {"way": newcomer.destination.way.value}
        await self._trail.append(connection, Act.REGISTERED, source, now, case_file.id, detail)
        return True

    async def _known(
        self, connection: AsyncConnection, application: Application, number: str | None
    ) -> str | None:
        """The file of somebody with this NIR, or this name and birth date; None: there is none."""
        digests = [] if number is None else nir.digests(self._pepper, number)
        alike = await changes.persons_like(connection, digests, application.birth_date)
        name = _plain_name(application.name)
        for file_id, other, same_nir in alike:
            if same_nir or _plain_name(other) == name:
                return file_id
        return None


def _newcomer(application: Application, source: Source, now: datetime) -> _Newcomer:
    """Raises AuthError, in words that repeat nothing of what was given."""
    number = _checked(application)
    file_id = f"file-{secrets.token_hex(8)}"
    prefix = "" if number is None else nir.prefix(number)
    person = Person(
        f"{file_id}-1", Role.BENEFICIARY, application.name, application.birth_date, prefix
    )
    lives = application.lines and application.postal_code and application.city
    case_file = CaseFile(
        file_id,
        Identity(application.caf, random_matricule()),
        FileStatus.APPLICANT,
        persons=(person,),
        phones=() if application.mobile is None else (Phone(person.id, application.mobile, now),),
        addresses=(
            Address(person.id, application.lines, application.postal_code, application.city, now),
        )
        if lives
        else (),
    )
    destination = None
    if application.mobile is not None and source.channel is not Channel.BACK_OFFICE:
        destination = addresses.text_message(application.mobile)
    destination = destination or addresses.postal_address(case_file, person)
    if destination is None:
        raise AuthError("address: missing; an answer needs one, or on line a mobile")
    return _Newcomer(case_file, number, destination)


def _checked(application: Application) -> str | None:
    """The NIR, as it is kept. Raises AuthError."""
    if len(application.caf) != 3 or not (application.caf.isascii() and application.caf.isdigit()):
        raise AuthError("caf: give 3 digits")
    name = application.name
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        raise AuthError(f"name: give it in one line, of at most {MAX_NAME} characters")
    if application.kind not in APPLICATIONS:
        kinds = " or ".join(kind.value for kind in APPLICATIONS)
        raise AuthError(f"kind: give {kinds}")
    born = application.birth_date
    try:
        date(born.year, born.month, born.day)
    except ValueError:
        raise AuthError("birth date: there is no such day") from None
    if application.mobile is not None and not phones.is_mobile(application.mobile):
        raise AuthError("mobile: not the number of a mobile")
    if application.nir is None:
        return None
    number = nir.normalised(application.nir)
    if number is None:
        raise AuthError("nir: not one, or its key is wrong; correct it or leave it out")
    return number


def _plain_name(name: str) -> tuple[str, ...]:
    """A name as it is compared: its words in any order, without case, accents and hyphens."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = (char for char in decomposed if not unicodedata.combining(char))
    words = "".join(char if char.isalnum() else " " for char in letters).split()
    return tuple(sorted(words))

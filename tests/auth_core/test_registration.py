"""First applicants: a file, a matricule and a provisional; and never anything to who is known."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from auth_core import (
    Application,
    AuthError,
    AuthService,
    BirthDate,
    Channel,
    FileStatus,
    Identity,
    RequestKind,
    Secret,
    Source,
)
from auth_core.delivery.outbox import Message, MessageKind, Outbox
from auth_core.installation import OUTBOX_KEY
from auth_core.keys import read_key_file
from auth_core.model import DeliveryChoice, TaskKind
from auth_core.store.database import Database
from auth_core.store.tables import case_files
from tests.auth_core.conftest import PIN_HOLDER, STRANGER, WEB, House, digits_of_8, is_in

INES = Application(
    caf="751",
    name="Inès Roux",
    birth_date=BirthDate(1999, 4, 30),
    kind=RequestKind.HOUSING_AID,
    nir="2990475116001",
    mobile="06 39 98 09 90",
    lines=("9 rue Neuve",),
    postal_code="75011",
    city="PARIS",
)
PAPER = Source(Channel.BACK_OFFICE, agent="Mme Martin")


async def newcomers(house: House) -> list[list[tuple[Message, str]]]:
    """The messages of each file that is not of the demo."""
    database = Database(house.settings.database_url)
    outbox = Outbox(read_key_file(house.settings.outbox_key_file, OUTBOX_KEY))
    async with database.begin() as connection:
        ids = await connection.scalars(
            select(case_files.c.id).where(case_files.c.id.not_like("demo-%"))
        )
        found = [await outbox.of_file(connection, file_id) for file_id in ids.all()]
    await database.close()
    return [[(m, outbox.open(m).decode()) for m in messages] for messages in found]


async def test_on_line_matricule_and_provisional_come_at_once_in_two_text_messages(
    core: AuthService, house: House
) -> None:
    await core.register(INES, WEB)
    [[(first, told), (second, secret)]] = await newcomers(house)
    assert (first.kind, second.kind) == (MessageKind.MATRICULE, MessageKind.SECRET)
    for message in (first, second):
        assert message.destination.address == "+33639980990"
        assert message.due_at == house.now
    matricule = next(word.strip(".") for word in told.split() if word.strip(".").isdigit())
    assert matricule not in secret
    identity = Identity("751", matricule)
    verdict = await core.authenticate(identity, Secret(digits_of_8(secret)), WEB)
    assert verdict.session is not None
    assert verdict.session.status is FileStatus.APPLICANT


async def test_without_a_mobile_they_are_letters(core: AuthService, house: House) -> None:
    await core.register(replace(INES, mobile=None), WEB)
    [messages] = await newcomers(house)
    for message, _ in messages:
        assert message.destination.way is DeliveryChoice.LETTER
        assert message.destination.address == "Inès Roux\n9 rue Neuve\n75011 PARIS"


async def test_on_paper_two_letters_leave_apart_and_within_72_hours(
    core: AuthService, house: House
) -> None:
    await core.register(INES, PAPER)
    [[(first, _), (second, _)]] = await newcomers(house)
    assert {m.destination.way for m in (first, second)} == {DeliveryChoice.LETTER}
    assert second.due_at - first.due_at == timedelta(hours=24)
    assert second.due_at <= house.now + timedelta(hours=72)


@pytest.mark.parametrize(
    "application",
    [
        replace(INES, name="Somebody Else", birth_date=BirthDate(1970, 1, 1)),
        replace(INES, nir=None, name="ROUX Ines"),
        replace(INES, nir="2 99 04 75 116 001", caf="691", mobile="0639980991"),
    ],
)
async def test_who_is_known_gets_no_second_file(
    core: AuthService, house: House, application: Application
) -> None:
    await core.register(INES, WEB)
    before = await newcomers(house)
    await core.register(application, WEB)
    assert await newcomers(house) == before


@pytest.mark.parametrize("source", [WEB, PAPER])
async def test_a_known_person_s_file_is_not_touched_and_the_back_office_looks(
    core: AuthService, house: House, source: Source
) -> None:
    moreau = replace(INES, name="Moreau, Camille", birth_date=BirthDate(1985, 3, 14), nir=None)
    for _ in range(2):
        await core.register(moreau, source)
    assert await newcomers(house) == []
    assert await house.outbox(PIN_HOLDER) == []
    story = await core.show(PIN_HOLDER, "tester")
    assert [task.kind for task in story.tasks] == [TaskKind.KNOWN_APPLICANT]
    assert len(story.case_file.phones) == 1
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_nothing_tells_whether_the_applicant_is_known(
    core: AuthService, house: House
) -> None:
    took = set()
    for _ in range(2):
        begun = house.monotonic
        await core.register(INES, WEB)
        took.add(round(house.monotonic - begun, 6))
    assert took == {house.settings.failure_floor}


@pytest.mark.parametrize(
    "application",
    [
        replace(INES, caf="75"),
        replace(INES, name="  "),
        replace(INES, name="x" * 81),
        replace(INES, name="Two\nLines"),
        replace(INES, birth_date=BirthDate(1999, 2, 30)),
        replace(INES, kind=RequestKind.CERTIFICATE),
        replace(INES, nir="299047511600199"),
        replace(INES, mobile="0199008882"),
        replace(INES, mobile=None, lines=()),
    ],
)
async def test_an_incomplete_application_is_refused_without_repeating_it(
    core: AuthService, house: House, application: Application
) -> None:
    with pytest.raises(AuthError) as caught:
        await core.register(application, WEB)
    message = str(caught.value)
    for given in (application.name.strip() or "?", application.nir or "?", "0199008882"):
        assert given not in message
    assert await newcomers(house) == []


async def test_paper_needs_an_address(core: AuthService) -> None:
    with pytest.raises(AuthError, match="address"):
        await core.register(replace(INES, lines=()), PAPER)


async def test_nobody_registers_by_telephone(core: AuthService) -> None:
    with pytest.raises(AuthError, match=r"caf\.fr"):
        await core.register(INES, STRANGER)

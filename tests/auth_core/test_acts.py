"""Acts that replace, open or end the access to a file: what is revoked, and who is told what."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from auth_core import (
    AuthError,
    AuthService,
    Availability,
    BirthDate,
    Channel,
    FileStatus,
    Identity,
    Role,
    Secret,
    Service,
    SessionEnded,
    Source,
    UnknownFile,
)
from auth_core.delivery.outbox import Message, MessageKind
from auth_core.model import Address, CaseFile, DeliveryChoice, Person, Phone, Slot
from auth_core.store import repository
from auth_core.store.database import Database
from tests.auth_core.conftest import (
    APPLICANT,
    NO_MOBILE,
    NOBODY,
    PASSWORD_HOLDER,
    PIN_HOLDER,
    WEB,
    House,
    ask_provisional,
    digits_of_8,
    guess,
    is_in,
)

AGENT = "Mme Martin"
COUPLE = Identity("751", "0888888")
FILE_ID = "demo-751-0888888"
NEW_HOME = Identity("691", "7654321")
SMS, LETTER = DeliveryChoice.SMS, DeliveryChoice.LETTER


@pytest_asyncio.fixture
async def database(house: House) -> AsyncIterator[Database]:
    database = Database(house.settings.database_url)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def couple(house: House) -> CaseFile:
    """A file with two adults; the beneficiary has a mobile, the spouse a landline."""
    since = house.now - timedelta(days=400)
    persons = (
        Person("p-1", Role.BENEFICIARY, "Anne Roux", BirthDate(1980, 2, 3)),
        Person("p-2", Role.SPOUSE, "Jean Roux", BirthDate(1981, 5, 6)),
        Person("p-3", Role.CHILD, "Zoé Roux", BirthDate(2015, 8, 9)),
    )
    case_file = CaseFile(
        FILE_ID,
        COUPLE,
        FileStatus.AFFILIATED,
        persons=persons,
        phones=(Phone("p-1", "0639980881", since), Phone("p-2", "0199008882", since)),
        addresses=(
            Address("p-1", ("1 rue Basse",), "75011", "PARIS", since),
            Address("p-2", ("2 rue Haute",), "75012", "PARIS", since),
        ),
    )
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        await repository.add_file(connection, case_file, since)
    await database.close()
    return case_file


async def sent(house: House, identity: Identity) -> dict[MessageKind, tuple[Message, str]]:
    """What is on its way from the file that was laid down as `identity`, the last of each kind."""
    return {m.kind: (m, text) for m, text in await house.outbox(identity) if text is not None}


async def test_nims_replaces_the_secret_at_once(core: AuthService, house: House) -> None:
    await core.nims(PIN_HOLDER, AGENT)
    messages = await sent(house, PIN_HOLDER)
    assert set(messages) == {MessageKind.SECRET, MessageKind.SECRET_REVOKED}
    secret, text = messages[MessageKind.SECRET]
    assert secret.destination.address == "+33639980123"
    assert "02/05/2026" in text
    assert not await is_in(core, PIN_HOLDER, "4821")
    assert await is_in(core, PIN_HOLDER, digits_of_8(text))
    story = await core.show(PIN_HOLDER, AGENT)
    assert "nims" in [entry.act for entry in story.entries if entry.agent == AGENT]
    assert [secret.slot for secret in story.secrets] == [Slot.LIVE]


async def test_nims_without_a_mobile_is_a_letter(core: AuthService, house: House) -> None:
    await core.nims(NO_MOBILE, AGENT)
    assert {m.destination.way for m, _ in (await sent(house, NO_MOBILE)).values()} == {LETTER}


async def test_an_act_ends_every_session_and_cancels_what_was_on_its_way(
    core: AuthService, house: House
) -> None:
    verdict = await core.authenticate(PASSWORD_HOLDER, Secret("49205817"), WEB)
    assert verdict.session is not None
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    pending = await house.provisional(PASSWORD_HOLDER)
    await core.nims(PASSWORD_HOLDER, AGENT)
    with pytest.raises(SessionEnded):
        await core.check(verdict.session)
    assert not await is_in(core, PASSWORD_HOLDER, pending)
    texts = [text for _, text in await house.outbox(PASSWORD_HOLDER)]
    assert sum(text is None for text in texts) == 1


@pytest.mark.parametrize("name", ["", "  "])
async def test_acts_need_a_name(core: AuthService, name: str) -> None:
    with pytest.raises(AuthError, match="agent"):
        await core.nims(PIN_HOLDER, name)
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_no_act_on_a_file_that_is_not_there(core: AuthService) -> None:
    for act in (
        core.nims(NOBODY, AGENT),
        core.separate(NOBODY, Role.SPOUSE, AGENT),
        core.transfer(NOBODY, "691", AGENT),
        core.affiliate(NOBODY, AGENT),
        core.close_file(NOBODY, AGENT),
    ):
        with pytest.raises(UnknownFile, match=r"…999"):
            await act


async def test_in_a_separation_the_secret_goes_to_a_mobile_of_who_keeps_the_file(
    core: AuthService, house: House, couple: CaseFile
) -> None:
    await core.separate(COUPLE, Role.BENEFICIARY, AGENT)
    messages = await sent(house, COUPLE)
    assert messages[MessageKind.SECRET][0].destination.address == "+33639980881"
    assert MessageKind.FILE_SEPARATED in messages


async def test_in_a_separation_no_secret_goes_to_the_other_s_mobile(
    core: AuthService, house: House, couple: CaseFile
) -> None:
    await core.separate(COUPLE, Role.SPOUSE, AGENT)
    for message, _ in (await sent(house, COUPLE)).values():
        assert message.destination.way is LETTER
        assert message.destination.address == "Jean Roux\n2 rue Haute\n75012 PARIS"
    roles = {p.id: p.role for p in (await core.show(COUPLE, AGENT)).case_file.persons}
    assert roles == {"p-1": Role.FORMER_SPOUSE, "p-2": Role.BENEFICIARY, "p-3": Role.CHILD}
    # From now on it is the keeper's birthday that is asked for.
    await ask_provisional(core, COUPLE, "0302")
    assert Slot.PENDING not in {s.slot for s in (await core.show(COUPLE, AGENT)).secrets}
    await ask_provisional(core, COUPLE, "0605")
    assert Slot.PENDING in {s.slot for s in (await core.show(COUPLE, AGENT)).secrets}


@pytest.mark.parametrize(
    "former",
    [
        Source(Channel.WEB, device="the former spouse's own long token"),
        Source(Channel.TELEPHONE, caller="0639980881"),
    ],
)
async def test_after_a_separation_who_leaves_is_a_stranger_to_the_file(
    core: AuthService, house: House, couple: CaseFile, former: Source
) -> None:
    await core.nims(COUPLE, AGENT)
    before = digits_of_8((await sent(house, COUPLE))[MessageKind.SECRET][1])
    assert await is_in(core, COUPLE, before, former)
    await core.separate(COUPLE, Role.SPOUSE, AGENT)
    provisional = digits_of_8((await sent(house, COUPLE))[MessageKind.SECRET][1])
    for _ in range(house.settings.max_failures):
        assert not await is_in(core, COUPLE, "00000000", WEB)
    # The strangers' allowance is used up, and they have no other.
    assert not await is_in(core, COUPLE, provisional, former)
    keeper = Source(Channel.TELEPHONE, caller="0199008882")
    assert await is_in(core, COUPLE, provisional, keeper)


@pytest.mark.parametrize("keeper", [Role.CHILD, Role.FORMER_SPOUSE, Role.SPOUSE])
async def test_nobody_else_keeps_a_file(core: AuthService, keeper: Role) -> None:
    with pytest.raises(AuthError, match="beneficiary or their spouse"):
        await core.separate(PIN_HOLDER, keeper, AGENT)
    assert await is_in(core, PIN_HOLDER, "4821")


async def test_a_transfer_sends_matricule_and_secret_apart(core: AuthService, house: House) -> None:
    moved = await core.transfer(PASSWORD_HOLDER, "691", AGENT, "7654321")
    assert moved == NEW_HOME
    messages = await sent(house, PASSWORD_HOLDER)
    assert set(messages) == {
        MessageKind.FILE_TRANSFERRED,
        MessageKind.MATRICULE,
        MessageKind.SECRET,
    }
    assert "7654321" in messages[MessageKind.MATRICULE][1]
    assert "7654321" not in messages[MessageKind.SECRET][1]
    assert await is_in(core, NEW_HOME, digits_of_8(messages[MessageKind.SECRET][1]))


async def test_after_a_transfer_the_old_identity_is_unknown_and_never_given_again(
    core: AuthService,
) -> None:
    await core.transfer(PASSWORD_HOLDER, "691", AGENT, "7654321")
    assert not await is_in(core, PASSWORD_HOLDER, "49205817")
    with pytest.raises(UnknownFile):
        await core.show(PASSWORD_HOLDER, AGENT)
    with pytest.raises(AuthError, match="another file's"):
        await core.transfer(APPLICANT, PASSWORD_HOLDER.caf, AGENT, PASSWORD_HOLDER.matricule)
    with pytest.raises(AuthError, match="already"):
        await core.transfer(NEW_HOME, NEW_HOME.caf, AGENT)


async def test_failures_follow_a_transferred_file(core: AuthService, house: House) -> None:
    for _ in range(4):
        assert not await is_in(core, PASSWORD_HOLDER, "00000000")
    await core.transfer(PASSWORD_HOLDER, "691", AGENT, "7654321")
    assert (await core.show(NEW_HOME, AGENT)).failures == 4
    assert not await is_in(core, NEW_HOME, "00000000")
    provisional = digits_of_8((await sent(house, PASSWORD_HOLDER))[MessageKind.SECRET][1])
    assert not await is_in(core, NEW_HOME, provisional)  # locked, as it would have been
    house.advance(minutes=15)
    assert await is_in(core, NEW_HOME, provisional)


async def test_a_secret_shut_for_good_opens_again_by_the_provisional_of_a_transfer(
    house: House,
) -> None:
    core = await house.open(max_failures=20, max_failures_per_day=200, max_consecutive_failures=10)
    await guess(core, 10)
    await core.transfer(PIN_HOLDER, "691", AGENT, "7654321")
    provisional = digits_of_8((await sent(house, PIN_HOLDER))[MessageKind.SECRET][1])
    assert await is_in(core, NEW_HOME, provisional)
    await core.close()


async def test_affiliation_opens_the_services_and_keeps_the_secret(core: AuthService) -> None:
    await core.affiliate(APPLICANT, AGENT)
    verdict = await core.authenticate(APPLICANT, Secret("70316284"), replace(WEB))
    assert verdict.session is not None
    assert verdict.session.status is FileStatus.AFFILIATED
    created = await core.create_password(APPLICANT, Secret("70316284"), Secret("52917364"), WEB)
    assert created.reasons == ()
    verdict = await core.authenticate(APPLICANT, Secret("52917364"), WEB)
    assert verdict.session is not None
    for service in Service:
        assert core.availability(verdict.session, service) is Availability.AVAILABLE


async def test_a_closed_file_opens_to_nothing(core: AuthService, house: House) -> None:
    verdict = await core.authenticate(PASSWORD_HOLDER, Secret("49205817"), WEB)
    assert verdict.session is not None
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    pending = await house.provisional(PASSWORD_HOLDER)
    await core.close_file(PASSWORD_HOLDER, AGENT)
    with pytest.raises(SessionEnded):
        await core.check(verdict.session)
    house.advance(hours=1)
    await ask_provisional(core, PASSWORD_HOLDER, "0207")
    assert not await is_in(core, PASSWORD_HOLDER, pending)
    assert not await is_in(core, PASSWORD_HOLDER, "49205817")
    assert set(await sent(house, PASSWORD_HOLDER)) == {MessageKind.FILE_CLOSED}
    assert (await core.show(PASSWORD_HOLDER, AGENT)).secrets == ()
    for act in (core.nims(PASSWORD_HOLDER, AGENT), core.close_file(PASSWORD_HOLDER, AGENT)):
        with pytest.raises(AuthError, match="closed"):
            await act


async def test_an_owner_who_cannot_be_reached_keeps_their_secret(
    core: AuthService, house: House
) -> None:
    lonely = CaseFile(
        "demo-751-0777777",
        Identity("751", "0777777"),
        FileStatus.AFFILIATED,
        persons=(Person("p-9", Role.BENEFICIARY, "Luc Roux"),),
    )
    database = Database(house.settings.database_url)
    async with database.begin() as connection:
        await repository.add_file(connection, lonely, house.now)
    await database.close()
    with pytest.raises(AuthError, match="neither a mobile nor an address"):
        await core.nims(lonely.identity, AGENT)


async def test_a_number_that_a_new_one_took_the_place_of_is_told_of_requests(
    core: AuthService, house: House, couple: CaseFile
) -> None:
    database = Database(house.settings.database_url)
    changed = Phone("p-1", "0639980990", house.now - timedelta(days=6), "0639980881")
    async with database.begin() as connection:
        await repository.delete_file(connection, FILE_ID)
        await repository.add_file(connection, replace(couple, phones=(changed,)), house.now)
    await database.close()
    await ask_provisional(core, COUPLE, "0302")
    messages = await sent(house, COUPLE)
    assert messages[MessageKind.SECRET][0].destination.way is LETTER
    assert messages[MessageKind.SECRET_REQUESTED][0].destination.address == "+33639980881"
    house.advance(days=1, minutes=1)
    await ask_provisional(core, COUPLE, "0302")
    messages = await sent(house, COUPLE)
    assert messages[MessageKind.SECRET][0].destination.address == "+33639980990"

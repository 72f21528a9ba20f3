"""What the worker makes of messages: sent, tried again, dead and replaced, held back."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from structlog.testing import capture_logs

from auth_core import AuthService, Secret
from auth_core.delivery.outbox import Destination, MessageKind, MessageState
from auth_core.delivery.queue import Queue
from auth_core.delivery.sms import SmsError
from auth_core.delivery.worker import Report
from auth_core.model import DeliveryChoice, Slot
from auth_core.store import repository, tables
from tests.auth_core.conftest import (
    APPLICANT,
    NO_MOBILE,
    PIN_HOLDER,
    WEB,
    ask_provisional,
    digits_of_8,
    is_in,
)
from tests.auth_core.delivery.conftest import HOME, MOBILE, SECRET_TEXT, Post

NOTICE = "Allocations familiales : votre mot de passe vient de changer."


async def states(post: Post) -> list[MessageState]:
    return [message.state for message, _ in await post.house.outbox(PIN_HOLDER)]


async def test_an_sms_that_is_taken_is_erased_at_once(post: Post) -> None:
    await post.put()
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(sms=1)
    ((message, text),) = await post.house.outbox(PIN_HOLDER)
    assert post.gateway.taken == [(message.id, "+33639980123", SECRET_TEXT)]
    assert (message.state, message.sealed, text) == (MessageState.SENT, None, None)


async def test_a_letter_is_written_with_its_address_and_erased_from_the_outbox(post: Post) -> None:
    await post.put(to=HOME)
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(letters=1)
    (text,) = post.letters("secrets")
    assert "40718263" in text
    assert "CAMILLE MOREAU" in text
    ((message, sealed),) = await post.house.outbox(PIN_HOLDER)
    assert (message.state, sealed) == (MessageState.SENT, None)
    (index,) = post.settings.letter_folder.glob("secrets/*/index.csv")
    assert f"{message.id}.pdf" in index.read_text()


async def test_nothing_leaves_before_it_is_due_nor_twice(post: Post) -> None:
    await post.put()
    post.house.advance(minutes=-1)
    async with post.worker() as worker:
        assert (await worker.deliver_due()).empty
        post.house.advance(minutes=1)
        await worker.deliver_due()
        assert (await worker.deliver_due()).empty
    assert len(post.gateway.taken) == 1


async def test_a_failure_is_tried_again_later_and_later(post: Post) -> None:
    await post.put()
    post.gateway.errors = [SmsError("status 500")] * 3
    async with post.worker() as worker:
        for wait in (30, 60, 120):
            assert await worker.deliver_due() == Report(retried=1)
            post.house.advance(seconds=wait - 1)
            assert (await worker.deliver_due()).empty
            post.house.advance(seconds=1)
        assert await worker.deliver_due() == Report(sms=1)
    assert len(post.gateway.taken) == 1


async def test_the_gateway_may_ask_for_more_time(post: Post) -> None:
    await post.put()
    post.gateway.errors = [SmsError("status 429", retry_after=600.0)]
    async with post.worker() as worker:
        await worker.deliver_due()
        post.house.advance(seconds=599)
        assert (await worker.deliver_due()).empty
        post.house.advance(seconds=1)
        assert await worker.deliver_due() == Report(sms=1)


async def test_a_pending_secret_that_dies_by_sms_is_replaced_by_letter(
    post: Post, core: AuthService
) -> None:
    await ask_provisional(core, PIN_HOLDER)
    lost = await post.house.provisional(PIN_HOLDER)
    post.configure(tries=2)
    post.gateway.errors = [SmsError("status 500")] * 2
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(retried=1)
        post.house.advance(hours=1)
        report = await worker.deliver_due()
        assert (report.dead, report.replaced) == (1, 1)
        if not report.letters:  # the letter pass may have been faster
            assert await worker.deliver_due() == Report(letters=1)
    assert await states(post) == [MessageState.DEAD, MessageState.SENT]
    (letter,) = post.letters("secrets")
    new = digits_of_8(letter)
    assert new != lost
    assert not await is_in(core, PIN_HOLDER, lost)
    assert await is_in(core, PIN_HOLDER, "4821"), "the PIN goes on working beside a pending secret"


async def test_the_letter_opens_the_file(post: Post, core: AuthService) -> None:
    await ask_provisional(core, PIN_HOLDER)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        await worker.deliver_due()
        await worker.deliver_due()
    (letter,) = post.letters("secrets")
    assert await is_in(core, PIN_HOLDER, digits_of_8(letter))
    assert not await is_in(core, PIN_HOLDER, "4821"), "used, it revokes the PIN"
    story = await core.show(PIN_HOLDER, "test")
    (entry,) = [entry for entry in story.entries if entry.act == "letter_instead"]
    assert entry.agent == "delivery"


async def test_a_secret_in_force_that_dies_is_replaced_at_once(
    post: Post, core: AuthService
) -> None:
    file_id = f"demo-{APPLICANT.caf}-{APPLICANT.matricule}"
    await post.put("Votre mot de passe provisoire : 70316284.", file_id=file_id)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        await worker.deliver_due()
        await worker.deliver_due()
    (letter,) = post.letters("secrets")
    assert not await is_in(core, APPLICANT, "70316284")
    assert await is_in(core, APPLICANT, digits_of_8(letter))


async def test_a_file_without_an_address_gets_no_letter(post: Post, core: AuthService) -> None:
    async with post.database() as database, database.begin() as connection:
        await connection.execute(tables.addresses.delete())
    await ask_provisional(core, PIN_HOLDER)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    with capture_logs() as logs:
        async with post.worker() as worker:
            report = await worker.deliver_due()
    assert (report.dead, report.replaced) == (1, 0)
    assert [entry["log_level"] for entry in logs if entry["event"] == "message dead"] == ["error"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (MessageKind.MATRICULE, "0123456"),
        (MessageKind.PASSWORD_CHANGED, "modifié"),
    ],
)
async def test_what_holds_no_secret_follows_by_letter_too(
    post: Post, kind: MessageKind, word: str
) -> None:
    await post.put(NOTICE, kind=kind)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        await worker.deliver_due()
        await worker.deliver_due()
    (letter,) = post.letters()
    assert word in letter


async def test_a_reminder_without_a_password_any_more_dies_quietly(post: Post) -> None:
    await post.put(NOTICE, kind=MessageKind.PASSWORD_EXPIRES)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(dead=1)
        assert (await worker.deliver_due()).empty


async def test_superseded_while_it_is_sent_a_dead_sms_changes_nothing(
    post: Post, core: AuthService
) -> None:
    """The secret was used and revoked the message just before the gateway said no."""
    await ask_provisional(core, PIN_HOLDER)
    secret = await post.house.provisional(PIN_HOLDER)

    async def used() -> None:
        assert await is_in(core, PIN_HOLDER, secret)

    post.gateway.before = used
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        # The one that leaves tells the owner of the use; nothing is dead, nothing replaced.
        assert await worker.deliver_due() == Report(sms=1)
    assert set(await states(post)) == {MessageState.CANCELLED, MessageState.SENT}
    assert await is_in(core, PIN_HOLDER, secret)


async def test_cancelled_messages_never_leave(post: Post) -> None:
    await post.put()
    await post.put("Votre mot de passe provisoire : 59382716.")
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(sms=1)
    assert [text for _, _, text in post.gateway.taken] == [
        "Votre mot de passe provisoire : 59382716."
    ]


@pytest.mark.parametrize("to", [MOBILE, HOME])
async def test_a_text_with_a_secret_beside_a_matricule_never_leaves(
    post: Post, to: Destination
) -> None:
    await post.put(f"{SECRET_TEXT} Matricule 0123456.", to=to)
    with capture_logs() as logs:
        async with post.worker() as worker:
            report = await worker.deliver_due()
            assert report.dead == 1
            assert worker.alarms["message_unsafe"] == 1
    assert post.gateway.taken == []
    assert not any("40718263" in letter for letter in post.letters())
    assert "0123456" not in str(logs)
    assert "40718263" not in str(logs)


async def test_a_message_that_cannot_be_opened_waits_for_its_key(post: Post) -> None:
    await post.put()
    ((message, _),) = await post.house.outbox(PIN_HOLDER)
    async with post.worker() as worker:
        async with post.database() as database, database.begin() as connection:
            forged = update(tables.messages).values(destination="+33639989999")
            await connection.execute(forged)
        assert await worker.deliver_due() == Report(retried=1)
        assert worker.alarms["message_unreadable"] == 1
    assert post.gateway.taken == []
    assert message.sealed is not None


async def test_a_letter_without_a_proper_address_dies_and_does_not_breed(post: Post) -> None:
    await post.put(to=Destination(DeliveryChoice.LETTER, "Camille Moreau"))
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(dead=1)
        assert (await worker.deliver_due()).empty
        assert worker.alarms["letter_impossible"] == 1


async def test_a_dead_message_is_written_anew_once_there_is_an_address(
    post: Post, core: AuthService
) -> None:
    async with post.database() as database, database.begin() as connection:
        rows = (await connection.execute(select(tables.addresses))).all()
        await connection.execute(tables.addresses.delete())
    await ask_provisional(core, PIN_HOLDER)
    lost = await post.house.provisional(PIN_HOLDER)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        await worker.deliver_due()
        (dead,) = (await worker.survey()).dead
        assert (dead.kind, dead.way, dead.attempts) == ("secret", "sms", 1)
        assert not await worker.retry(dead.id, "anna"), "there is nobody to write to"
        async with post.database() as database, database.begin() as connection:
            await connection.execute(insert(tables.addresses), [row._asdict() for row in rows])
        post.house.advance(minutes=1)
        assert await worker.retry(dead.id, "anna")
        assert not await worker.retry(dead.id, "anna"), "it is superseded now"
        assert (await worker.survey()).counts == {("sms", "cancelled"): 1, ("letter", "queued"): 1}
        await worker.deliver_due()
    (letter,) = post.letters("secrets")
    assert not await is_in(core, PIN_HOLDER, lost)
    assert await is_in(core, PIN_HOLDER, digits_of_8(letter))
    story = await core.show(PIN_HOLDER, "test")
    (entry,) = [entry for entry in story.entries if entry.act == "letter_instead"]
    assert entry.agent == "anna"


async def test_a_dead_secret_that_is_no_more_in_force_is_not_sent_again(
    post: Post, core: AuthService
) -> None:
    await ask_provisional(core, PIN_HOLDER)
    async with post.database() as database, database.begin() as connection:
        await connection.execute(update(tables.messages).values(state="dead", sealed=None))
    async with post.worker() as worker:
        (dead,) = (await worker.survey()).dead
        await core.create_password(PIN_HOLDER, Secret("4821"), Secret("52917364"), WEB)
        assert not await worker.retry(dead.id, "anna")
        await worker.deliver_due()
    assert post.letters("secrets") == []
    assert await is_in(core, PIN_HOLDER, "52917364")


async def test_what_a_letter_took_the_place_of_is_not_listed_as_dead(post: Post) -> None:
    await post.put(NOTICE, kind=MessageKind.PASSWORD_CHANGED)
    post.gateway.errors = [SmsError("status 400", refused=True)]
    async with post.worker() as worker:
        await worker.deliver_due()
        survey = await worker.survey()
        assert survey.counts[("sms", "dead")] == 1
        assert survey.dead == []
        ((message, _), _) = await post.house.outbox(PIN_HOLDER)
        assert not await worker.retry(message.id, "anna")


async def test_letters_wait_for_a_disk_that_is_full(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    await post.put(to=HOME)
    post.configure(tries=1)
    async with post.worker() as worker:
        with monkeypatch.context() as patch:
            patch.setattr("auth_core.delivery.letters.write_whole", full)
            for _ in range(3):
                assert await worker.deliver_due() == Report(retried=1)
                post.house.advance(hours=1)
        assert worker.alarms["letters_not_written"] == 3
        assert await worker.deliver_due() == Report(letters=1)


async def test_the_hourly_cap_postpones_and_loses_nothing(post: Post) -> None:
    post.configure(sms={"per_hour": 3, "concurrency": 2})
    for _ in range(7):
        await post.put(NOTICE, kind=MessageKind.PASSWORD_CHANGED)
    with capture_logs() as logs:
        async with post.worker() as worker:
            assert await worker.deliver_due() == Report(sms=3, capped=1)
            post.house.advance(minutes=59)
            assert await worker.deliver_due() == Report(capped=1)
            post.house.advance(minutes=2)
            assert await worker.deliver_due() == Report(sms=3, capped=1)
            post.house.advance(minutes=61)
            assert await worker.deliver_due() == Report(sms=1)
            assert worker.alarms["sms_cap_reached"] == 3
    assert len({message_id for message_id, _, _ in post.gateway.taken}) == 7
    told = [entry for entry in logs if entry["event"] == "sms cap reached"]
    assert [entry["log_level"] for entry in told] == ["error", "error"], "once an hour"


async def test_the_cap_is_shared_by_all_nodes(post: Post) -> None:
    post.configure(sms={"per_hour": 3})
    for _ in range(5):
        await post.put(NOTICE, kind=MessageKind.PASSWORD_CHANGED)
    async with post.worker() as first, post.worker() as second:
        await first.deliver_due()
        assert await second.deliver_due() == Report(capped=1)
    assert len(post.gateway.taken) == 3


async def test_letters_that_wait_too_long_raise_an_alarm(post: Post) -> None:
    await post.put(to=HOME)
    async with post.database() as database, database.begin() as connection:
        later = post.house.now + timedelta(hours=60)
        await connection.execute(update(tables.messages).values(due_at=later))
    async with post.worker() as worker:
        post.house.advance(hours=48)
        assert (await worker.deliver_due()).late == 0
        post.house.advance(minutes=1)
        assert (await worker.deliver_due()).late == 1
        assert worker.alarms["letters_late"] == 1


async def test_a_letter_printed_while_it_is_written_again_is_not_printed_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker wrote it and died; the printer acknowledges while another writes it anew."""
    await post.put(to=HOME)
    ((message, _),) = await post.house.outbox(PIN_HOLDER)
    settle = Queue.settle

    async def printed_first(queue: Queue, message_id: str, now: datetime) -> MessageState | None:
        assert await queue.acknowledge(message.id, now)
        return await settle(queue, message_id, now)

    monkeypatch.setattr(Queue, "settle", printed_first)
    async with post.worker() as worker:
        assert (await worker.deliver_due()).empty
    assert post.letters() == []
    assert await states(post) == [MessageState.ACKNOWLEDGED]


async def test_what_a_dead_worker_held_is_taken_up_when_its_lease_ends(post: Post) -> None:
    await post.put()
    ((message, _),) = await post.house.outbox(PIN_HOLDER)
    async with post.database() as database, post.worker() as worker:
        lease = timedelta(seconds=post.settings.lease)
        assert await Queue(database).claim(message.id, post.house.now, lease) is not None
        post.house.advance(seconds=post.settings.lease - 1)
        assert (await worker.deliver_due()).empty
        post.house.advance(seconds=1)
        assert await worker.deliver_due() == Report(sms=1)


async def test_a_slow_sender_does_not_undo_what_another_settled(post: Post) -> None:
    await post.put()
    ((message, _),) = await post.house.outbox(PIN_HOLDER)
    async with post.database() as database:
        queue, now = Queue(database), post.house.now
        slow = await queue.claim(message.id, now, timedelta(seconds=1))
        fast = await queue.claim(message.id, now + timedelta(seconds=2), timedelta(seconds=1))
        assert slow is not None
        assert fast is not None
        assert not await queue.postpone(slow, now)
        assert await queue.settle(message.id, now) is MessageState.SENT
        assert not await queue.postpone(fast, now)
    assert await states(post) == [MessageState.SENT]


async def test_many_workers_send_each_message_once(post: Post) -> None:
    for _ in range(30):
        await post.put(NOTICE, kind=MessageKind.PASSWORD_CHANGED)
    for _ in range(10):
        await post.put(NOTICE, to=HOME, kind=MessageKind.PASSWORD_CHANGED)
    async with post.worker() as one, post.worker() as two, post.worker() as three:
        reports = await asyncio.gather(*(each.deliver_due() for each in (one, two, three)))
    assert sum(report.sms for report in reports) == 30
    assert sum(report.letters for report in reports) == 10
    assert len({message_id for message_id, _, _ in post.gateway.taken}) == 30
    assert len(post.gateway.taken) == 30
    assert len(post.letters("notices")) == 10


async def test_the_worker_runs_until_it_is_told_to_stop(post: Post) -> None:
    stop = asyncio.Event()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        post.house.advance(seconds=seconds)
        if len(waits) == 1:
            await post.put()
        if len(waits) == 3:
            stop.set()

    async with post.worker(sleep=sleep) as worker:
        await asyncio.wait_for(worker.run(stop), 10)
        assert worker.totals.sms == 1
    assert waits == [5.0, 5.0, 5.0]


async def test_stopping_ends_the_wait_and_takes_nothing_new(post: Post) -> None:
    for _ in range(20):
        await post.put(NOTICE, kind=MessageKind.PASSWORD_CHANGED)
    stop = asyncio.Event()

    async def stopping() -> None:
        stop.set()

    post.configure(sms={"concurrency": 2}, poll=3600.0)
    post.gateway.before = stopping
    async with post.worker() as worker:
        await asyncio.wait_for(worker.run(stop), 10)
    assert len(post.gateway.taken) == 2, "what was being sent is finished"


async def test_a_broken_database_raises_an_alarm_and_the_worker_goes_on(post: Post) -> None:
    await post.put()
    stop = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        async with post.database() as database, database.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE hidden RENAME TO messages")
        stop.set()

    async with post.worker(sleep=sleep) as worker:
        async with post.database() as database, database.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE messages RENAME TO hidden")
        await asyncio.wait_for(worker.run(stop), 10)
        assert worker.alarms["delivery_broken"] == 1
        assert await worker.deliver_due() == Report(sms=1)


async def test_a_letter_for_who_has_no_mobile_goes_the_whole_way(
    post: Post, core: AuthService
) -> None:
    async with post.database() as database, database.begin() as connection:
        case_file = await repository.find_file(connection, NO_MOBILE)
        assert case_file is not None
        case_file = await repository.with_people(connection, case_file)
    born = case_file.beneficiary
    assert born is not None
    assert born.birth_date is not None
    day_month = born.birth_date.day_month
    assert day_month is not None
    await ask_provisional(core, NO_MOBILE, day_month)
    async with post.worker() as worker:
        assert await worker.deliver_due() == Report(letters=1)
    (letter,) = post.letters("secrets")
    assert NO_MOBILE.matricule not in letter
    assert await is_in(core, NO_MOBILE, digits_of_8(letter))
    async with post.database() as database, database.begin() as connection:
        held = await repository.credentials_of(connection, case_file.id)
    assert set(held) == {Slot.LIVE}


async def test_what_waits_and_what_was_given_up_is_told_with_its_age(post: Post) -> None:
    await post.put()
    post.gateway.errors = [SmsError("down")]
    async with post.worker() as worker:
        post.house.advance(minutes=5)
        await worker.deliver_due()
        (waiting,) = worker.backlog
        assert (waiting.way, waiting.state) == (DeliveryChoice.SMS, MessageState.QUEUED)
        assert (waiting.messages, waiting.oldest) == (1, 300.0)

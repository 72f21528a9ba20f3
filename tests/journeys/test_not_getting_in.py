"""Journeys of callers who are refused, or have forgotten: 4, 6, 7, 8 and 9."""

import asyncio
from pathlib import Path

import pytest

from tests.journeys.place import NATIONAL, PARIS, Place, in_order, key
from tests.softphone import Softphone

NOT_LATE = 4.0
"""Seconds after which a `#` is no more taken for the end of the entry before it."""

pytestmark = [pytest.mark.journey, pytest.mark.socket]


async def refusal(place: Place, matricule: str, secret: str, recording: Path) -> list[str]:
    """What one caller on the Paris line hears after a secret that is refused once."""
    number = len(place.server.records()) + 1
    async with Softphone(place.uri(PARIS), record=recording) as phone:
        await phone.answered()
        await key(phone, matricule)
        await phone.keys(f"{secret},")
        await phone.hang_up()
    record = await place.server.record_number(number)
    assert record["authenticated"] is None
    assert place.by_ear(recording, ["refused", "main_menu"]) == ["refused"]
    prompts: list[str] = record["prompts"]
    return prompts[prompts.index("refused") :]


async def test_4_a_pin_is_refused_once_a_password_exists_in_the_same_words(
    place: Place, tmp_path: Path
) -> None:
    holder = place.holders["pin"]
    password = await place.create_password_on_the_web(holder)
    with_pin = await refusal(place, holder.matricule, f"{holder.secret}#", tmp_path / "pin.wav")
    wrong = await refusal(place, holder.matricule, place.other_than(password), tmp_path / "no.wav")
    nobody = await refusal(place, "9999999", place.other_than(password), tmp_path / "nobody.wav")
    assert with_pin == wrong == nobody
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await key(phone, holder.matricule, password)
        await phone.hang_up()
    assert (await place.server.record_number(4))["authenticated"] == "password"


@pytest.mark.parametrize(
    ("who", "told"),
    [("expired", "expired_password"), ("expired_provisional", "expired_provisional")],
)
async def test_6_a_right_but_expired_secret_is_told_so_and_is_not_in(
    place: Place, tmp_path: Path, who: str, told: str
) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders[who]
    async with Softphone(place.uri(NATIONAL), record=heard) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule)
        await phone.keys(f"{holder.secret},")
        await phone.hang_up()
    record = await place.server.record_number(1)
    prompts = [told, "expired_how_to", "expired_menu", "option_send_provisional"]
    assert in_order(record["prompts"], *prompts)
    assert in_order(place.by_ear(heard, prompts), *prompts)
    assert record["authenticated"] is None
    assert "main_menu" not in record["prompts"]


async def test_7_three_tries_then_goodbye_five_failures_lock_and_the_lock_ends(
    place_with_short_locks: Place,
) -> None:
    place = place_with_short_locks
    holder = place.holders["password"]
    wrong = place.other_than(holder.secret)
    async with Softphone(place.uri(NATIONAL)) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule, wrong, wrong, wrong)
        await phone.ended()
    record = await place.server.record_number(1)
    assert record["prompts"].count("refused") == 3
    assert in_order(record["prompts"], "too_many_tries", "advisor_closed", "goodbye")
    assert record["end_class"] == "server"
    async with Softphone(place.uri(NATIONAL)) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule, wrong, wrong, holder.secret)
        await phone.ended()
    record = await place.server.record_number(2)
    assert record["prompts"].count("refused") == 3, "locked: the right secret fails alike"
    assert record["authenticated"] is None
    assert place.failures(holder) == 5, "the try during the lock is not counted"
    await asyncio.sleep(place.lock_seconds)
    async with Softphone(place.uri(NATIONAL)) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule, holder.secret)
        await phone.hang_up()
    assert (await place.server.record_number(3))["authenticated"] == "password"


async def test_8_a_password_is_never_created_by_telephone(place: Place, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["pin"]
    before = place.credentials(holder)
    async with Softphone(place.uri(PARIS), record=heard) as phone:
        await phone.answered()
        await key(phone, holder.matricule, f"{holder.secret}#")
        await phone.keys("4")
        await phone.pause(18.0)  # the whole explanation, and the menu again
        await key(phone, "49205817")  # pressing on: no option of the menu takes a password
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert in_order(record["prompts"], "password_help", "password_help_where", "main_menu")
    said = ["password_help", "password_help_where", "main_menu"]
    assert in_order(place.by_ear(heard, said), *said)
    assert place.credentials(holder) == before


async def test_9_forgotten_by_sms_writes_one_pending_request_and_revokes_nothing(
    place: Place, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS), record=heard) as phone:
        await phone.answered()
        await key(phone, holder.matricule)
        await phone.pause(NOT_LATE)
        await key(phone, "#", holder.birth_day_month, "1", "1")
        await key(phone, f"{holder.secret}#")
        await phone.hang_up()
    record = await place.server.record_number(1)
    said = ["ask_birth_day_month", "forgotten_menu", "forgotten_done"]
    assert in_order(place.by_ear(heard, said), *said)
    assert in_order(record["prompts"], "forgotten_done", "ask_secret", "invite_create_password")
    assert record["authenticated"] == "pin", "the live secret goes on working"
    assert place.outbox(holder) == ["sms"]
    assert place.pending(holder) == 0, "the live secret's success revokes the pending one"


async def forgotten(place: Place, who: str, birth_day_month: str, choice: str) -> list[str]:
    """What a caller hears who has forgotten, from the request on."""
    number = len(place.server.records()) + 1
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        matricule = place.holders[who].matricule
        await key(phone, matricule)
        await phone.pause(NOT_LATE)
        await key(phone, "#", birth_day_month)
        await phone.keys(f"{choice},")
        await phone.hang_up()
    prompts: list[str] = (await place.server.record_number(number))["prompts"]
    return prompts[prompts.index("forgotten_done") :]


async def test_9_the_same_words_by_letter_too_soon_and_with_a_wrong_birth_date(
    place: Place,
) -> None:
    holder = place.holders["pin"]
    first = await forgotten(place, "pin", holder.birth_day_month, "2")
    assert place.outbox(holder) == ["letter"]
    assert place.pending(holder) == 1
    too_soon = await forgotten(place, "pin", holder.birth_day_month, "1")
    wrong = await forgotten(place, "pin", "3112", "1")
    assert first == too_soon == wrong
    assert place.outbox(holder) == ["letter"]


async def test_9_by_sms_without_a_mobile_becomes_a_letter_in_the_same_words(place: Place) -> None:
    with_mobile, without = place.holders["pin"], place.holders["letters_only"]
    first = await forgotten(place, "pin", with_mobile.birth_day_month, "1")
    second = await forgotten(place, "letters_only", without.birth_day_month, "1")
    assert first == second
    assert place.outbox(with_mobile) == ["sms"]
    assert place.outbox(without) == ["letter"]

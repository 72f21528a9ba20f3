"""Journey 10: silence, wrong keys, `*`, stray `#`, `0` out of hours, keys ahead, hanging up."""

from pathlib import Path

import pytest

from tests.journeys.place import NATIONAL, PARIS, Place, in_order, key
from tests.running import is_empty
from tests.softphone import Softphone

pytestmark = [pytest.mark.journey, pytest.mark.socket]


async def test_10_a_silent_caller_is_asked_again_three_times_then_thanked(
    impatient_place: Place,
) -> None:
    place = impatient_place
    async with Softphone(place.uri(PARIS), max_seconds=115) as phone:
        await phone.answered()
        ended = await phone.ended(within=110)
    assert ended["by"] == "them"
    record = await place.server.record_number(1)
    assert record["prompts"].count("ask_matricule") == 4
    assert record["prompts"].count("no_input") == 3
    assert record["prompts"][-1] == "goodbye"
    assert (record["end_class"], record["end_reason"]) == ("server", "completed")


async def test_10_wrong_keys_are_told_and_star_goes_back(place: Place, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS), record=heard) as phone:
        await phone.answered()
        await phone.pause(1.0)
        await phone.keys("12#")
        await phone.pause(8.0)  # the reason, and the question again
        await key(phone, holder.matricule, "*", "*")
        await phone.hang_up()
    record = await place.server.record_number(1)
    prompts = ["bad_matricule", "ask_matricule", "ask_secret", "ask_matricule", "help_menu"]
    assert in_order(record["prompts"], *prompts)
    assert in_order(place.by_ear(heard, prompts), *prompts)


async def test_10_a_stray_hash_after_seven_digits_does_not_mean_forgotten(place: Place) -> None:
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await key(phone, holder.matricule)
        await phone.keys("#,")
        await key(phone, f"{holder.secret}#")
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "pin"
    assert "ask_birth_day_month" not in record["prompts"]
    assert "secret_forgotten_hint" in record["prompts"], "the stray key does not cut the prompt"


async def test_10_zero_out_of_hours_tells_when_advisors_answer(place: Place) -> None:
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await key(phone, holder.matricule, f"{holder.secret}#")
        await phone.keys("0")
        await phone.pause(14.0)  # when advisors answer, and the menu again
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert in_order(record["prompts"], "advisor_closed", "hours_intro", "main_menu")


async def test_10_everything_keyed_ahead_counts(place: Place) -> None:
    holder = place.holders["password"]
    async with Softphone(place.uri(NATIONAL)) as phone:
        await phone.answered()
        await phone.keys(f"{holder.postal_code}{holder.matricule}{holder.secret}1")
        await phone.pause(3.0)
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "password"
    assert "payments_intro" in record["prompts"]


async def test_a_caller_is_put_through_when_advisors_are_there(
    open_for_advice: tuple[Place, Softphone],
) -> None:
    place, desk = open_for_advice
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await key(phone, holder.matricule, f"{holder.secret}#", "0")
        transfer = await phone.transfer()
        await desk.answered()
        record = await place.server.record_number(1)
    assert place.advisor in transfer["refer_to"]
    assert holder.matricule not in str(transfer), "only an encrypted trunk may carry it"
    assert (record["transferred_to"], record["transfer_status"]) == (place.advisor, 200)
    assert record["end_reason"] == "transferred"


async def test_a_refused_transfer_gets_an_apology_and_the_menu(
    open_for_advice: tuple[Place, Softphone],
) -> None:
    place, _ = open_for_advice
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS), refuse_transfer=True) as phone:
        await phone.answered()
        await key(phone, holder.matricule, f"{holder.secret}#", "0")
        await phone.transfer()
        await phone.pause(8.0)  # the apology, and the menu
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert in_order(record["prompts"], "advisor_unavailable", "main_menu")
    assert (record["transferred_to"], record["transfer_status"]) == (None, 603)


async def test_hold_and_back_keeps_the_call(place: Place) -> None:
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await phone.keys(holder.matricule)
        await phone.hold()
        await phone.pause(1.0)
        await phone.unhold()
        await key(phone, f"{holder.secret}#")
        await phone.hang_up()
    assert (await place.server.record_number(1))["authenticated"] == "pin"


async def test_10_hanging_up_in_the_middle_of_anything_leaves_nothing_behind(
    place: Place,
) -> None:
    holder = place.holders["pin"]
    moments = ["", "01", holder.matricule, f"{holder.matricule}{holder.secret}#"]
    for keys in moments:
        async with Softphone(place.uri(PARIS)) as phone:
            await phone.answered()
            if keys:
                await phone.keys(keys)
            await phone.hang_up()
    await place.server.record_number(len(moments))
    state = await place.server.settled()
    assert is_empty(state), state

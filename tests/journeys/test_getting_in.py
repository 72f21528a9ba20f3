"""Journeys of callers whose secret is right: 1, 2, 3, 5, 11 and 12."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from ivr.dialplan.speech import SPEAKERS
from tests.journeys.place import NATIONAL, PARIS, Holder, Place, in_order, key
from tests.listening import transcript
from tests.softphone import Softphone

pytestmark = [pytest.mark.journey, pytest.mark.socket]
SERVICES = ["main_menu", "option_payments", "option_requests"]


async def test_1_a_pin_holder_is_in_and_is_invited_to_create_a_password(
    place: Place, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS), record=heard) as phone:
        await phone.answered()
        await phone.keys(f",{holder.matricule},{holder.secret}#,")
        await phone.hang_up()
    record = await place.server.record_number(1)
    prompts = [
        *("welcome", "welcome_paris", "ask_matricule", "ask_secret", "secret_forgotten_hint"),
        *("invite_create_password", *SERVICES),
    ]
    assert in_order(record["prompts"], *prompts)
    assert in_order(place.by_ear(heard, prompts), *prompts)
    assert record["authenticated"] == "pin"
    assert record["matricule"] == holder.matricule[-3:]
    assert record["caf"] == "751"
    assert record["dtmf"] == ["rfc4733"]
    assert (record["end_class"], record["end_reason"]) == ("caller", "hung_up")
    assert record["rtp"]["received"] > 0
    assert record["rtp"]["lost"] == 0


async def test_2_a_pin_without_hash_submits_after_the_inter_digit_time(place: Place) -> None:
    holder = place.holders["pin"]
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await key(phone, holder.matricule)
        await phone.keys(holder.secret)
        last_key = phone.heard("key")[-1]
        # It may begin before the phone tells that all keys are done.
        sound = await phone.event("sound", after=phone.events.index(last_key))
        await phone.hang_up()
    assert 4.0 <= sound["t"] - last_key["t"] <= 8.0
    record = await place.server.record_number(1)
    assert record["authenticated"] == "pin"


async def test_3_a_password_holder_on_the_national_line_hears_three_payments(
    place: Place, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["password"]
    async with Softphone(place.uri(NATIONAL), record=heard) as phone:
        await phone.answered()
        await phone.prompt_end()
        await key(phone, holder.postal_code, holder.matricule)
        await phone.keys(holder.secret)
        last_key = phone.heard("key")[-1]
        # It may begin before the phone tells that all keys are done.
        sound = await phone.event("sound", after=phone.events.index(last_key))
        assert sound["t"] - last_key["t"] <= 2.0, "the 8th digit submits at once"
        await phone.keys("1,")
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "password"
    spoken = record["prompts"][record["prompts"].index("payments_intro") :]
    for kind in ("benefit_*", "day_*", "month_*", "euros"):
        assert spoken.count(kind) == 3, kind
    assert in_order(record["prompts"], "ask_postal_code", "ask_matricule", "payments_intro")
    # The record hides what the caller is paid; the ear tells whether it was said.
    payments = ["payments_intro", "benefit_apl", "benefit_af", "benefit_rsa", "main_menu"]
    assert place.by_ear(heard, payments)[-5:] == payments
    # The words of 312.40 that no other amount here has; some are too short for every ear.
    words = {"number_12", "number_40"}
    assert words < set(SPEAKERS["fr"].amount(Decimal("312.40")))
    assert words & set(place.by_ear(heard, sorted(words)))


async def test_5_an_applicant_with_a_provisional_password(place: Place, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    holder = place.holders["provisional"]
    async with Softphone(place.uri(NATIONAL), record=heard) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule)
        await phone.keys(f"{holder.secret},1,")
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "provisional"
    prompts = ["invite_change_provisional", *SERVICES, "no_information"]
    assert in_order(record["prompts"], *prompts)
    assert in_order(place.by_ear(heard, prompts), *prompts)


async def test_11_the_same_matricule_in_another_caf_has_its_own_secret_only(place: Place) -> None:
    paris, marseille = place.holders["pin"], place.holders["namesake"]
    assert paris.matricule == marseille.matricule
    async with Softphone(place.uri(NATIONAL)) as phone:
        await phone.answered()
        await key(phone, marseille.postal_code, marseille.matricule, f"{paris.secret}#")
        await key(phone, marseille.secret)
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert in_order(record["prompts"], "refused", "main_menu")
    assert (record["authenticated"], record["caf"]) == ("password", "131")


@pytest.mark.parametrize(
    ("way", "heard"),
    [("rfc4733", ["rfc4733"]), ("info", ["info"]), ("both", ["info", "rfc4733"])],
)
async def test_12_keys_by_events_by_info_and_by_both_at_once(
    place: Place, way: str, heard: list[str]
) -> None:
    holder = place.holders["password"]
    async with Softphone(place.uri(NATIONAL), way=way) as phone:
        await phone.answered()
        await key(phone, holder.postal_code, holder.matricule, holder.secret)
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "password"
    assert record["dtmf"] == heard


async def test_four_callers_at_once_do_not_disturb_each_other(place: Place) -> None:
    async def ring(holder: Holder) -> None:
        async with Softphone(place.uri(NATIONAL)) as phone:
            await phone.answered()
            await key(phone, holder.postal_code, holder.matricule, holder.secret)
            await phone.hang_up()

    holders = [place.holders[name] for name in ("password", "provisional", "namesake", "password")]
    await asyncio.gather(*map(ring, holders))
    await place.server.record_number(4)
    assert sorted(record["authenticated"] for record in place.server.records()) == [
        *["password"] * 3,
        "provisional",
    ]


def test_the_ear_would_notice_a_prompt_that_was_not_said(tmp_path: Path, place: Place) -> None:
    """A control: the transcript of one prompt's own recording holds that prompt and no other."""
    folder = place.prompts / "fr"
    expected = ["goodbye", "welcome", "refused", "main_menu"]
    said = transcript(folder / "goodbye.wav", folder, only=expected)
    assert [prompt for _, prompt in said] == ["goodbye"]

"""A caller who talks instead of keying is told so in kind words, once, and still gets in."""

from pathlib import Path

import numpy as np
import pytest

from tests.journeys.place import PARIS, Place, in_order, key
from tests.noises import coloured, coughs
from tests.softphone import Softphone
from tests.sounds import RATE, Sound, at_level, samples, spoken, write_wav

pytestmark = [pytest.mark.journey, pytest.mark.socket]

REQUEST = "Bonjour, je voudrais savoir quand je serai payée, s'il vous plaît."
NO_VOICE = 4.0
"""Seconds of noise that are heard before the caller keys."""


def said(text: str, voice: str = "fr+f2") -> Sound:
    return at_level(spoken(text, voice, 50, 160), -16.0)


async def test_a_caller_who_talks_hears_it_once_and_gets_in(place: Place, tmp_path: Path) -> None:
    holder = place.holders["pin"]
    heard, talk = tmp_path / "heard.wav", tmp_path / "talk.wav"
    write_wav(talk, said(REQUEST))
    async with Softphone(place.uri(PARIS), record=heard) as phone:
        await phone.answered()
        await phone.prompt_end()
        await phone.pause(0.5)  # what comes right after a prompt may be its echo
        await phone.say(talk)
        await phone.prompt_end()
        await phone.pause(0.5)
        await phone.say(talk)
        await phone.pause(4.0)
        await key(phone, holder.matricule, f"{holder.secret}#")
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["prompts"].count("use_keypad") == 1
    assert in_order(record["prompts"], "ask_matricule", "use_keypad", "ask_secret")
    assert "bad_matricule" not in record["prompts"]
    assert record["authenticated"] == "pin"
    assert "refused" not in record["prompts"]
    assert place.by_ear(heard, ["use_keypad"]) == ["use_keypad"]


async def test_noise_and_coughs_are_not_taken_for_talk(place: Place, tmp_path: Path) -> None:
    holder = place.holders["pin"]
    noise = tmp_path / "noise.wav"
    random = np.random.default_rng(7)
    sound = coloured(-30.0, 3.0, random)(samples(1000 * NO_VOICE))
    cough = coughs(2, random)
    sound[RATE : RATE + len(cough)] += cough
    write_wav(noise, sound)
    async with Softphone(place.uri(PARIS)) as phone:
        await phone.answered()
        await phone.prompt_end()
        await phone.pause(0.5)
        await phone.say(noise)
        await phone.pause(NO_VOICE)
        await key(phone, holder.matricule, f"{holder.secret}#")
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert "use_keypad" not in record["prompts"]
    assert record["authenticated"] == "pin"

"""Journeys 1 to 3 by tones in the sound: PJSIP's, and those of a recording that baresip plays."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.certificates import Authority
from tests.interop.baresip import Baresip
from tests.journeys.place import BREATH, NATIONAL, PARIS, Place, key
from tests.softphone import Softphone
from tests.sounds import Press, samples, tone, write_wav

pytestmark = [pytest.mark.journey, pytest.mark.socket]

PRESS = Press(low_dbm0=-12.0, twist_db=2.0, tone_ms=90, pause_ms=70)
WELCOME = 6.0
"""Seconds after which a recording begins to press keys."""
SILENCE = 5.5
"""Seconds in which an entry without `#` is taken, and the answer begins."""


async def holders_got_in(place: Place) -> None:
    """Three calls: two by PIN, one by password and on to three payments; all by tones."""
    records = [await place.server.record_number(number) for number in (1, 2, 3)]
    assert sorted(str(record["authenticated"]) for record in records) == ["password", "pin", "pin"]
    for record in records:
        assert record["dtmf"] == ["inband"]
        assert record["end_reason"] == "hung_up"
        by_pin = record["authenticated"] == "pin"
        wanted = "invite_create_password" if by_pin else "payments_intro"
        assert wanted in record["prompts"]


async def test_a_pjsip_phone_gets_in_by_tones(place: Place) -> None:
    first, second = place.holders["pin"], place.holders["letters_only"]
    third = place.holders["password"]

    async def pin_and_hash() -> None:
        async with Softphone(place.uri(PARIS), way="inband") as phone:
            await phone.answered()
            await phone.keys(f",{first.matricule},{first.secret}#,")
            await phone.hang_up()

    async def pin_alone() -> None:
        async with Softphone(place.uri(PARIS), way="inband", codec="pcmu") as phone:
            await phone.answered()
            await key(phone, second.matricule)
            await phone.keys(f"{second.secret},")
            await phone.hang_up()

    async def password() -> None:
        async with Softphone(place.uri(NATIONAL), way="inband", key_ms=60, gap_ms=60) as phone:
            await phone.answered()
            await phone.prompt_end()
            await key(phone, third.postal_code, third.matricule, third.secret)
            await phone.keys("1,")
            await phone.hang_up()

    await asyncio.gather(pin_and_hash(), pin_alone(), password())
    await holders_got_in(place)


async def test_baresip_gets_in_by_tones_of_a_recording(place: Place, tmp_path: Path) -> None:
    first, second = place.holders["pin"], place.holders["letters_only"]
    third = place.holders["password"]
    await asyncio.gather(
        ring(place, tmp_path / "1", PARIS, (first.matricule, BREATH), (f"{first.secret}#", 4.0)),
        ring(place, tmp_path / "2", PARIS, (second.matricule, BREATH), (second.secret, SILENCE)),
        ring(
            place,
            tmp_path / "3",
            NATIONAL,
            (third.postal_code, BREATH),
            (third.matricule, BREATH),
            (third.secret, BREATH),
            ("1", 8.0),
        ),
    )
    await holders_got_in(place)


async def ring(place: Place, folder: Path, line: str, *entries: tuple[str, float]) -> None:
    """Call and play tones: each entry, and then seconds of silence."""
    await asyncio.to_thread(folder.mkdir)
    parts = [np.zeros(samples(1000 * WELCOME))]
    for keys, seconds in entries:
        for one in keys:
            parts += [tone(one, PRESS), np.zeros(samples(PRESS.pause_ms))]
        parts.append(np.zeros(samples(1000 * seconds)))
    sound = np.concatenate(parts)
    write_wav(folder / "keys.wav", sound)
    phone = Baresip(
        folder,
        transport="udp",
        authorities=Authority(folder).file,
        source=folder / "keys.wav",
    )
    async with phone:
        await phone.dial(place.server.uri(line))
        await asyncio.sleep(len(sound) / 8000)
        await phone.hang_up()

"""The memory of recordings that the workers share: what is played stays, what is not is room."""

import mmap
import random

import numpy as np
import pytest

from ivr.media import g711
from ivr.prompt_bank import NoRoom, PromptBank, PromptMemory
from ivr.prompts import Samples


def tone(hertz: float, seconds: float = 0.1) -> Samples:
    """A sine at -12 dBFS."""
    samples = 8192 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 8000)) / 8000)
    return samples.astype(np.int16)


def heard(memory: PromptMemory, bank: PromptBank, prompt: str) -> tuple[bytes, bytes]:
    """What a worker that has mapped the memory plays, in both laws."""
    offset, length = bank.clip("fr", prompt)
    with mmap.mmap(memory.descriptor, 2 * memory.size, prot=mmap.PROT_READ) as mapped:
        begin = memory.size + offset
        return mapped[offset : offset + length], mapped[begin : begin + length]


def encoded(samples: Samples) -> tuple[bytes, bytes]:
    return g711.encode_alaw(samples).tobytes(), g711.encode_ulaw(samples).tobytes()


def test_a_clip_is_the_recording_in_both_laws() -> None:
    memory = PromptMemory(2000)
    bank = memory.put({("fr", "a"): tone(440), ("fr", "b"): tone(880)})
    assert heard(memory, bank, "a") == encoded(tone(440))
    assert heard(memory, bank, "b") == encoded(tone(880))
    with pytest.raises(KeyError):
        bank.clip("fr", "nobody_recorded_this")
    memory.close()


def test_a_newer_bank_disturbs_nothing_that_an_older_one_plays() -> None:
    memory = PromptMemory(2400)
    older = memory.put({("fr", "a"): tone(440), ("fr", "b"): tone(880)})
    newer = memory.put({("fr", "a"): tone(440), ("fr", "b"): tone(1000)})
    assert newer.clip("fr", "a") == older.clip("fr", "a")  # no room for it twice
    assert heard(memory, older, "b") == encoded(tone(880))
    assert heard(memory, newer, "b") == encoded(tone(1000))
    memory.close()


def test_room_that_nobody_hears_is_used_again() -> None:
    memory = PromptMemory(1600)
    for hertz in range(400, 2400, 100):
        bank = memory.put({("fr", "a"): tone(hertz), ("fr", "b"): tone(hertz + 50)})
        assert heard(memory, bank, "b") == encoded(tone(hertz + 50))
        memory.release(bank)
    memory.close()


def test_what_does_not_fit_leaves_all_as_it_was() -> None:
    memory = PromptMemory(1700)
    bank = memory.put({("fr", "a"): tone(440)})
    with pytest.raises(NoRoom):
        memory.put({("fr", "b"): tone(880), ("fr", "c"): tone(1000)})
    assert heard(memory, bank, "a") == encoded(tone(440))
    memory.put({("fr", "b"): tone(880)})
    memory.close()


def test_an_empty_recording_is_a_clip_of_nothing() -> None:
    memory = PromptMemory(1000)
    silence = np.zeros(0, np.int16)
    bank = memory.put({("fr", "a"): silence, ("fr", "b"): tone(440), ("en", "a"): silence})
    assert heard(memory, bank, "a") == (b"", b"")
    assert heard(memory, bank, "b") == encoded(tone(440))
    memory.close()


def test_any_order_of_coming_and_going_keeps_what_is_held() -> None:
    """And at the end all the room is one again."""
    chance = random.Random(7)
    memory = PromptMemory(8000)
    banks: list[tuple[PromptBank, Samples]] = []
    for _ in range(300):
        if banks and chance.random() < 0.5:
            memory.release(banks.pop(chance.randrange(len(banks)))[0])
        else:
            sound = tone(chance.randrange(300, 3000), chance.uniform(0.005, 0.15))
            try:
                banks.append((memory.put({("fr", "a"): sound}), sound))
            except NoRoom:
                continue
        assert all(heard(memory, bank, "a") == encoded(sound) for bank, sound in banks)
    for bank, _ in banks:
        memory.release(bank)
    memory.put({("fr", "a"): np.ones(8000, np.int16)})
    memory.close()

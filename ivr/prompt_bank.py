"""The recordings in memory that the media workers share, encoded once as A-law and as µ-law, so
that playing is copying.

What a reload brings is written beside what is there: the workers see it without being told, and
calls in progress go on hearing what they heard. Room that no version uses any more is used again.
"""

import bisect
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from ivr.media import g711
from ivr.prompts import RATE, Samples

SPARE_SECONDS = 3600
"""Room beyond twice the first recordings. Memory that nothing was written to costs nothing."""

PromptKey = tuple[str, str]  # language, prompt id


class NoRoom(Exception):  # noqa: N818 - told to the operator in one line
    """The recordings do not fit beside those that calls in progress hear."""


class PromptBank:
    """The prompts of one version of the operator's files: where each stands in the memory."""

    __slots__ = ("clips",)

    def __init__(self, clips: Mapping[PromptKey, tuple[int, int]]) -> None:
        self.clips = clips

    def clip(self, language: str, prompt: str) -> tuple[int, int]:
        """(offset, length) of a prompt in each half of the memory, in samples. Raises KeyError."""
        return self.clips[language, prompt]


@dataclass(slots=True)
class _Held:
    digest: bytes
    room: int
    users: int = 0


class PromptMemory:
    """A memory file: `size` bytes of A-law, then `size` of µ-law; a byte is a sample at 8 kHz.

    One user at a time: neither `put` nor `release` while another runs in a thread.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.descriptor = os.memfd_create("prompts")
        os.ftruncate(self.descriptor, 2 * size)
        self._held: dict[int, _Held] = {}  # by offset
        self._offsets: dict[bytes, int] = {}  # by digest
        self._free = [(0, size)]  # (offset, room), in order, apart from each other

    @classmethod
    def roomy(cls, recordings: Mapping[PromptKey, Samples]) -> "PromptMemory":
        """One with room for these, for as much again, and for an hour more."""
        samples = sum(map(len, recordings.values()))
        return cls(2 * samples + SPARE_SECONDS * RATE)

    def put(self, recordings: Mapping[PromptKey, Samples]) -> PromptBank:
        """Take recordings in, those that are there already as they stand. Raises `NoRoom`.

        `recordings`: int16 samples at 8 kHz by (language, prompt id).
        """
        clips: dict[PromptKey, tuple[int, int]] = {}
        try:
            for key, samples in recordings.items():
                clips[key] = self._hold(samples), len(samples)
        except NoRoom:
            self.release(PromptBank(clips))
            raise
        return PromptBank(clips)

    def release(self, bank: PromptBank) -> None:
        """Nobody hears this bank any more: what no other has is room again."""
        for offset, _ in bank.clips.values():
            held = self._held[offset]
            held.users -= 1
            if not held.users:
                del self._held[offset], self._offsets[held.digest]
                self._give_back(offset, held.room)

    def close(self) -> None:
        """Let go of our descriptor; whoever has mapped the memory keeps it."""
        os.close(self.descriptor)

    def _hold(self, samples: Samples) -> int:
        digest = hashlib.blake2b(samples.tobytes(), digest_size=16).digest()
        offset = self._offsets.get(digest)
        if offset is None:
            room = max(1, len(samples))  # so that no two stand at the same place
            offset = self._offsets[digest] = self._take(room)
            self._held[offset] = _Held(digest, room)
            os.pwrite(self.descriptor, g711.encode_alaw(samples).tobytes(), offset)
            os.pwrite(self.descriptor, g711.encode_ulaw(samples).tobytes(), self.size + offset)
        self._held[offset].users += 1
        return offset

    def _take(self, room: int) -> int:
        for index, (offset, free) in enumerate(self._free):
            if free > room:
                self._free[index] = (offset + room, free - room)
                return offset
            if free == room:
                del self._free[index]
                return offset
        raise NoRoom

    def _give_back(self, offset: int, room: int) -> None:
        index = bisect.bisect(self._free, (offset, room))
        if index < len(self._free) and self._free[index][0] == offset + room:
            room += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == offset:
            offset, before = self._free.pop(index - 1)
            room += before
            index -= 1
        self._free.insert(index, (offset, room))

"""What is asked twice with one key is done once."""

import asyncio

import pytest

from auth_core import AuthError, AuthService, KeyInUse, KeyReused
from tests.auth_core.conftest import House

BODY = b"nims 751 0123456"


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0

    async def __call__(self) -> str:
        self.done += 1
        await asyncio.sleep(0)
        return f"answer {self.done}"


async def test_the_second_time_the_first_answer_comes_again(
    core: AuthService, house: House
) -> None:
    work, once = Work(), core.idempotency.once
    assert await once("nims", "k1", BODY, work) == "answer 1"
    other = await house.open()
    assert await other.idempotency.once("nims", "k1", BODY, work) == "answer 1"
    await other.close()
    assert await once("nims", "k2", BODY, work) == "answer 2"
    assert await once("counter", "k1", BODY, work) == "answer 3"


async def test_a_key_is_good_for_one_request_only(core: AuthService) -> None:
    work = Work()
    await core.idempotency.once("nims", "k1", BODY, work)
    with pytest.raises(KeyReused):
        await core.idempotency.once("nims", "k1", b"another", work)
    assert work.done == 1


async def test_of_twenty_at_once_one_is_served(core: AuthService) -> None:
    work = Work()
    answers = await asyncio.gather(
        *(core.idempotency.once("nims", "k1", BODY, work) for _ in range(20)),
        return_exceptions=True,
    )
    assert work.done == 1
    assert all(answer == "answer 1" or isinstance(answer, KeyInUse) for answer in answers)


async def test_what_was_refused_may_be_asked_again(core: AuthService) -> None:
    async def refused() -> str:
        raise AuthError("add an address first")

    work = Work()
    with pytest.raises(AuthError, match="address"):
        await core.idempotency.once("nims", "k1", BODY, refused)
    assert await core.idempotency.once("nims", "k1", BODY, work) == "answer 1"


async def test_what_was_interrupted_is_never_done_twice(core: AuthService) -> None:
    async def broken() -> str:
        raise OSError("the disk is full")

    work = Work()
    with pytest.raises(OSError, match="disk"):
        await core.idempotency.once("nims", "k1", BODY, broken)
    with pytest.raises(KeyInUse):
        await core.idempotency.once("nims", "k1", BODY, work)
    assert work.done == 0


async def test_a_key_is_forgotten_after_a_day(core: AuthService, house: House) -> None:
    work = Work()
    await core.idempotency.once("nims", "k1", BODY, work)
    house.advance(hours=23, minutes=59)
    assert await core.idempotency.once("nims", "k1", BODY, work) == "answer 1"
    house.advance(minutes=1)
    assert await core.idempotency.once("nims", "k1", BODY, work) == "answer 2"

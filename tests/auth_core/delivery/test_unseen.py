"""Random secrets, delivered every way, then searched for in everything that was written."""

import json

from structlog.testing import capture_logs

from auth_core import AuthService
from auth_core.delivery.sms import SmsError
from auth_core.model import DeliveryChoice
from tests.auth_core.conftest import (
    APPLICANT,
    PIN_HOLDER,
    ask_provisional,
    digits_of_8,
)
from tests.auth_core.delivery.conftest import Post


async def test_after_delivery_a_secret_is_nowhere_but_in_its_letter(
    post: Post, core: AuthService
) -> None:
    secrets = []
    with capture_logs() as logs:
        async with post.worker() as worker:
            await ask_provisional(core, PIN_HOLDER)
            secrets.append(await post.house.provisional(PIN_HOLDER))
            await worker.deliver_due()
            post.house.advance(days=1)
            await ask_provisional(core, PIN_HOLDER, by=DeliveryChoice.LETTER)
            secrets.append(await post.house.provisional(PIN_HOLDER))
            await worker.deliver_due()
            post.house.advance(days=1)
            post.gateway.errors = [SmsError("status 400", refused=True)]
            await ask_provisional(core, PIN_HOLDER)
            secrets.append(await post.house.provisional(PIN_HOLDER))
            await worker.deliver_due()
            await worker.deliver_due()
            story = await core.show(PIN_HOLDER, "test")
    letters = post.letters()
    secrets += [digits_of_8(letter) for letter in letters]
    assert len(set(secrets)) == 4
    assert post.house.holders(*secrets) == []
    assert any("wal" in str(file) for file in post.house.written()), "the log of the database too"
    for secret in secrets:
        assert secret not in str(logs)
        assert secret not in str(story)
    assert [letter.count(secrets[1]) for letter in letters].count(1) == 1
    assert await core.verify_audit() is None


async def test_no_log_tells_where_a_message_went(post: Post, core: AuthService) -> None:
    post.gateway.errors = [SmsError("status 500"), SmsError("status 400", refused=True)]
    with capture_logs() as logs:
        async with post.worker() as worker:
            await ask_provisional(core, PIN_HOLDER)
            for _ in range(3):
                await worker.deliver_due()
                post.house.advance(hours=1)
    told = str(logs)
    assert "sms not taken" in told
    assert "letter written" in told
    for canary in ("639980123", "Moreau", "MOREAU", "Roquette", PIN_HOLDER.matricule):
        assert canary not in told


async def test_the_demo_shows_what_would_go_out(post: Post, core: AuthService) -> None:
    """Without a gateway, text messages lie as files: the one other place that holds secrets."""
    await ask_provisional(core, APPLICANT, "0000")
    await ask_provisional(core, PIN_HOLDER)
    secret = await post.house.provisional(PIN_HOLDER)
    async with post.worker(real_gateway=True) as worker:
        assert (await worker.deliver_due()).sms == 1
    (file,) = post.settings.sms_folder.glob("*.json")
    assert secret in json.loads(file.read_text())["text"]
    assert post.house.holders(secret) == [file]

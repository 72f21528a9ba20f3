"""The HTTP gateway on a real socket, and the files that stand in for one."""

import asyncio
import json
import stat
import urllib.parse
from pathlib import Path

import pytest

from auth_core.delivery.http_gateway import HttpGateway
from auth_core.delivery.settings import SmsSettings
from auth_core.delivery.sms import FileGateway, SmsError, gateway
from auth_core.delivery.worker import Report
from tests.auth_core.conftest import PIN_HOLDER
from tests.auth_core.delivery.conftest import SECRET_TEXT, HttpStub, Post

ID = "0123456789abcdef0123456789abcdef"
TEXT = 'Votre mot de passe : 40718263. "À bientôt" {à vous}\n'


async def send(settings: SmsSettings) -> None:
    client = HttpGateway(settings)
    try:
        await client.send(ID, "+33639980123", TEXT)
    finally:
        await client.close()


@pytest.mark.socket
async def test_the_request_is_what_the_config_says(http_stub: HttpStub) -> None:
    settings = SmsSettings.model_validate(
        {
            "url": http_stub.url,
            "headers": {"Authorization": "Bearer token"},
            "body": {"messages": [{"to": "{number}", "content": "{text}", "ref": "{id}"}], "n": 1},
        }
    )
    await send(settings)
    ((headers, body),) = http_stub.requests
    assert headers["authorization"] == "Bearer token"
    assert headers["idempotency-key"] == ID
    assert headers["content-type"] == "application/json"
    expected = {"messages": [{"to": "+33639980123", "content": TEXT, "ref": ID}], "n": 1}
    assert json.loads(body) == expected


@pytest.mark.socket
async def test_a_form_is_sent_as_a_form(http_stub: HttpStub) -> None:
    await send(SmsSettings.model_validate({"url": http_stub.url, "encoding": "form"}))
    ((headers, body),) = http_stub.requests
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(urllib.parse.parse_qsl(body.decode())) == {"to": "+33639980123", "text": TEXT}


@pytest.mark.socket
@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
async def test_only_2xx_acknowledges(http_stub: HttpStub, status: int) -> None:
    http_stub.statuses = [status]
    http_stub.headers = {"location": http_stub.url}
    with pytest.raises(SmsError, match=str(status)) as error:
        await send(SmsSettings.model_validate({"url": http_stub.url}))
    assert not error.value.refused
    assert len(http_stub.requests) == 1, "a redirection is not followed: it carries a secret"


@pytest.mark.socket
async def test_a_refusal_that_the_config_names_is_final(http_stub: HttpStub) -> None:
    http_stub.statuses = [422]
    with pytest.raises(SmsError) as error:
        await send(SmsSettings.model_validate({"url": http_stub.url, "refusals": [422]}))
    assert error.value.refused


@pytest.mark.socket
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("999999", 3600.0),
        ("9" * 5000, 0.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        ("-1", 0.0),
        ("²", 0.0),
    ],
)
async def test_the_gateway_says_when_to_come_back(
    http_stub: HttpStub, value: str, seconds: float
) -> None:
    http_stub.statuses = [503]
    http_stub.headers = {"Retry-After": value}
    with pytest.raises(SmsError) as error:
        await send(SmsSettings.model_validate({"url": http_stub.url}))
    assert error.value.retry_after == seconds


@pytest.mark.socket
async def test_no_answer_in_time_is_no_acknowledgement(http_stub: HttpStub) -> None:
    http_stub.statuses = [0]
    with pytest.raises(SmsError, match=r"no answer in time|Timeout") as error:
        await send(SmsSettings.model_validate({"url": http_stub.url, "timeout": 0.2}))
    assert "40718263" not in str(error.value)


@pytest.mark.socket
async def test_nobody_there_is_told_without_the_message(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    with pytest.raises(SmsError) as error:
        await send(SmsSettings.model_validate({"url": url}))
    assert "40718263" not in repr(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__, "a traceback must not show the request"


@pytest.mark.socket
async def test_errors_then_success_deliver_once(post: Post, http_stub: HttpStub) -> None:
    http_stub.statuses = [500, 502]
    post.configure(sms={"url": http_stub.url})
    await post.put()
    async with post.worker(real_gateway=True) as worker:
        assert await worker.deliver_due() == Report(retried=1)
        post.house.advance(hours=1)
        assert await worker.deliver_due() == Report(retried=1)
        post.house.advance(hours=1)
        assert await worker.deliver_due() == Report(sms=1)
    assert http_stub.bodies() == [{"to": "+33639980123", "text": SECRET_TEXT}]
    assert len({headers["idempotency-key"] for headers, _ in http_stub.requests}) == 1


@pytest.mark.socket
async def test_a_message_taken_without_an_answer_is_sent_again_under_the_same_key(
    post: Post, http_stub: HttpStub
) -> None:
    http_stub.statuses = [0]
    post.configure(sms={"url": http_stub.url, "timeout": 0.2})
    await post.put()
    async with post.worker(real_gateway=True) as worker:
        assert await worker.deliver_due() == Report(retried=1)
        post.house.advance(hours=1)
        assert await worker.deliver_due() == Report(sms=1)
    assert len(http_stub.requests) == 2
    ((message, _),) = await post.house.outbox(PIN_HOLDER)
    assert list(http_stub.messages) == [message.id]


async def test_without_a_gateway_messages_are_files_of_the_owner(tmp_path: Path) -> None:
    sink = gateway(SmsSettings(), tmp_path / "sms")
    assert isinstance(sink, FileGateway)
    await asyncio.gather(*(sink.send(ID, "+33639980123", TEXT) for _ in range(2)))
    (file,) = (tmp_path / "sms").iterdir()
    assert json.loads(file.read_text()) == {"id": ID, "number": "+33639980123", "text": TEXT}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_file_that_cannot_be_written_is_no_acknowledgement(tmp_path: Path) -> None:
    (tmp_path / "sms").write_text("in the way")
    with pytest.raises(SmsError, match="cannot be written"):
        await FileGateway(tmp_path / "sms").send(ID, "+33639980123", TEXT)

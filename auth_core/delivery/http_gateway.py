"""Text messages by HTTP."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from auth_core.delivery.settings import SmsSettings
from auth_core.delivery.sms import SmsError

LONGEST_RETRY_AFTER = 3600


class HttpGateway:
    """A gateway that takes one message a request and acknowledges it with a status 2xx."""

    def __init__(self, settings: SmsSettings) -> None:
        """`settings.url` must be given."""
        self._settings = settings
        proxy = settings.proxy.get_secret_value() if settings.proxy is not None else None
        # The environment's proxies are not taken: what carries secrets goes where config says.
        self._client = httpx.AsyncClient(timeout=settings.timeout, proxy=proxy, trust_env=False)

    async def send(self, message_id: str, number: str, text: str) -> None:
        """Raises SmsError."""
        settings = self._settings
        values = {"id": message_id, "number": number, "text": text}
        body = _filled(settings.body, values)
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        headers[settings.idempotency_header] = message_id
        try:
            async with (
                asyncio.timeout(settings.timeout),
                self._client.stream(
                    settings.method,
                    str(settings.url),
                    headers=headers,
                    json=body if settings.encoding == "json" else None,
                    data=body if settings.encoding == "form" else None,
                ) as response,
            ):
                status, answer_headers = response.status_code, response.headers
        except TimeoutError:
            raise SmsError("no answer in time") from None
        except httpx.HTTPError as error:
            raise SmsError(type(error).__name__) from None
        if not 200 <= status < 300:
            raise SmsError(
                f"status {status}",
                refused=status in settings.refusals,
                retry_after=_seconds(answer_headers.get("retry-after", "")),
            )

    async def close(self) -> None:
        await self._client.aclose()


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """`value` with its texts' placeholders filled, at every depth."""
    if isinstance(value, str):
        return value.format(**values)
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return value


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds (RFC 9110 §10.2.3), at most an hour; a date counts as unsaid."""
    text = retry_after.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        return 0.0
    return float(min(int(text), LONGEST_RETRY_AFTER))

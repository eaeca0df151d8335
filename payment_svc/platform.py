"""The external platform, which is told about every payment by a signed webhook (standardwebhooks.com)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self
from uuid import UUID

import aiohttp
from standardwebhooks import Webhook
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from chassis import NeedsPersonError
from contracts.event import Event

ATTEMPTS = 3
TIMEOUT = aiohttp.ClientTimeout(total=5)

_GONE = "platform-says-gone"
# The platform does not understand what it is sent. To send the same again does not help; to mend one of the two does.
_NOT_UNDERSTOOD = (400, 413, 422)


class PlatformUnavailableError(Exception):
    """The platform did not take a delivery, but may take it later."""


class NotUnderstoodError(NeedsPersonError):
    """The platform does not understand a delivery, and will not before somebody mends something."""


class Platform:
    """A client of the platform; the connections live as long as the context."""

    def __init__(self, url: str, secrets: Callable[[], Sequence[str]]) -> None:
        """`secrets` says what signs a delivery; while one takes the place of another, both do."""
        self._url = url
        self._secrets = secrets

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # how many there are at once is not its to say
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=TIMEOUT,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def deliver(self, delivery_id: UUID, kind: str, event: Event) -> str | None:
        """Deliver an event as a webhook of this type; returns why it is refused for good, or None when it is taken.

        `delivery_id` is the same in every attempt, and the platform stores a delivery once by its id. Raises
        PlatformUnavailableError when some attempts in a row have found it unable, and NotUnderstoodError.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PlatformUnavailableError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=1),
            reraise=True,
        )
        return await retrying(self._attempt, delivery_id, _body(kind, event))

    async def _attempt(self, delivery_id: UUID, body: str) -> str | None:
        status = await self._post(body, self._headers(str(delivery_id), body))
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        if status == HTTPStatus.GONE:
            return _GONE
        if status in _NOT_UNDERSTOOD:
            raise NotUnderstoodError(f"the platform answered {status}: mend it or this service, then redrive")
        raise PlatformUnavailableError(f"the platform answered {status}")

    async def _post(self, body: str, headers: dict[str, str]) -> int:
        try:
            async with self._client.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()  # an answer that is read to its end leaves its connection to the next request
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PlatformUnavailableError(f"{type(error).__name__}: {error}") from error

    def _headers(self, delivery_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(Webhook(one).sign(delivery_id, now, body) for one in self._secrets()),
        }


def _body(kind: str, event: Event) -> str:
    return f'{{"type":"{kind}","data":{event.model_dump_json()}}}'

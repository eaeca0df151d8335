"""The external platform, which is told about every payment by a signed webhook (standardwebhooks.com)."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx2
from standardwebhooks import Webhook
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from contracts.checkout import Completed

ATTEMPTS = 3
TIMEOUT = 5.0

# The platform has understood and will never take this very delivery; every other answer may change.
_FINAL = {400: "bad-request", 410: "gone", 413: "too-large", 422: "unprocessable"}


class PlatformUnavailableError(Exception):
    """The platform did not take a delivery, but may take it later."""


class Platform:
    """A client of the platform; the connections live as long as the context."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._webhook = Webhook(secret)
        # To load the certificates that the world trusts takes three megabytes; over plain HTTP nobody looks at them.
        self._client = httpx2.AsyncClient(timeout=TIMEOUT, verify=url.startswith("https:"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def deliver(self, delivery_id: UUID, completed: Completed) -> str | None:
        """Deliver a paid payment; gives back why the platform refuses it for good, or None when it took it.

        `delivery_id` is the same in every attempt, and the platform stores a delivery once by its id. Raises
        PlatformUnavailableError when some attempts in a row have found it unable.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PlatformUnavailableError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.2, max=1),
            reraise=True,
        )
        return await retrying(self._attempt, delivery_id, _body(completed))

    async def _attempt(self, delivery_id: UUID, body: str) -> str | None:
        try:
            answer = await self._client.post(self._url, content=body, headers=self._headers(str(delivery_id), body))
        except httpx2.HTTPError as error:
            raise PlatformUnavailableError(f"{type(error).__name__}: {error}") from error
        if answer.is_success:
            return None
        if answer.status_code in _FINAL:
            return f"platform-says-{_FINAL[answer.status_code]}"
        raise PlatformUnavailableError(f"the platform answered {answer.status_code}")

    def _headers(self, delivery_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery_id, now, body),
        }


def _body(completed: Completed) -> str:
    return f'{{"type":"payment.paid","data":{completed.model_dump_json()}}}'

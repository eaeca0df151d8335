"""Broker numbers: what the broker's HTTP API says of queues, asked at most every two seconds."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import structlog

from chassis.errors import describe
from window.settings import QUEUE, Settings

log = structlog.get_logger(__name__)

FRESH_SECONDS, TIMEOUT = 2.0, 3.0
_COLUMNS = "name,messages,message_bytes,consumers,effective_policy_definition,message_stats.publish,message_stats.ack"
FULL = 0.98
"""A queue that holds so much of what it may has dropped something, or is about to"""


@dataclass(frozen=True, slots=True)
class QueueNumbers:
    """A queue as the broker last counted it."""

    messages: int
    consumers: int
    fill: float
    """How much of what it may hold it holds, from 0 to 1"""
    published: int = 0
    """How many messages have come into it, since the broker counts"""
    acknowledged: int = 0
    """How many were taken out of it, since then"""


class BrokerNumbers:
    """Asks the broker with the window's own user; knows nothing while it does not answer, and never fails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = f"/api/queues/{quote(settings.vhost, safe='')}"
        self._nodes = deque(settings.management_urls)
        """The one that answered last comes first"""
        self._known: Mapping[str, QueueNumbers] | None = None
        self._asked_at = -FRESH_SECONDS
        self._asking = asyncio.Lock()

    async def queues(self) -> Mapping[str, QueueNumbers] | None:
        """All queues by name; None while nobody knows."""
        async with self._asking:
            if _now() - self._asked_at >= FRESH_SECONDS:
                found = await self._ask(f"{self._path}?columns={_COLUMNS}")
                self._known = None if found is None else {one["name"]: _numbers(one) for one in found}
                self._asked_at = _now()
        return self._known

    async def bound(self) -> set[str] | None:
        """The exchanges that the window's queue is bound to; None while nobody knows."""
        found = await self._ask(f"{self._path}/{QUEUE}/bindings")
        return None if found is None else {one["source"] for one in found if one["source"]}

    def _trusted(self) -> ssl.SSLContext | bool:
        """What is believed of whoever answers; the file is read anew, as its certificate will be another one day."""
        file = self._settings.management_ca_file
        return True if file is None else ssl.create_default_context(cafile=file)

    async def _ask(self, path: str) -> Any:
        """What the first node says that answers."""
        for _ in range(len(self._nodes)):
            try:
                return await self._ask_node(f"{self._nodes[0]}{path}")
            except (httpx2.HTTPError, OSError, ValueError) as error:
                log.debug("broker not asked", error=describe(error))
                self._nodes.rotate(-1)
        return None

    async def _ask_node(self, url: str) -> Any:
        login = self._settings.api_login()
        async with httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False, auth=login, verify=self._trusted()) as client:
            answer = await client.get(url)
            return [] if answer.status_code == httpx2.codes.NOT_FOUND else answer.raise_for_status().json()


def _numbers(queue: Mapping[str, Any]) -> QueueNumbers:
    limits = queue.get("effective_policy_definition") or {}
    fills = [
        queue.get(have, 0) / limits[limit]
        for have, limit in (("messages", "max-length"), ("message_bytes", "max-length-bytes"))
        if limits.get(limit)
    ]
    counts = queue.get("message_stats") or {}
    return QueueNumbers(
        messages=queue.get("messages", 0),
        consumers=queue.get("consumers", 0),
        fill=max(fills, default=0.0),
        published=counts.get("publish", 0),
        acknowledged=counts.get("ack", 0),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()

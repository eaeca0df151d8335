"""A broker that somebody else runs: users and policies of ours are made there through its HTTP API."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from chassis.addresses import each_of
from chassis.choreography.rights import USER_LIMITS, VHOST_LIMITS
from stack.credentials import ADMIN, Credentials
from stack.errors import StackError
from stack.servers import definitions
from stack.services import WINDOW, Told


@dataclass(frozen=True)
class ForeignBroker:
    """A broker that somebody else runs, named by `RABBITMQ_URL`, with its HTTP API if that is known."""

    amqp_url: str
    management_url: str
    credentials: Credentials
    services: tuple[Told, ...]

    def url(self, user: str = ADMIN) -> str:
        """The AMQP URL of a user; the one that was given, if users of our own cannot be made."""
        if user == ADMIN or not self.management_url:
            return self.amqp_url
        parts = urlsplit(self.amqp_url)
        place = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{user}:{self.credentials.broker_password(user)}@{place}").geturl()

    async def create_users(self) -> None:
        """Make one user and one policy per service through the HTTP API, or bring existing ones up to date."""
        if not self.management_url:
            return
        try:
            await self._put_users_and_policies()
        except httpx2.HTTPStatusError as error:
            # Without the URL: the password is in it.
            answer = error.response
            raise StackError(
                f"RABBITMQ_MANAGEMENT_URL: {answer.status_code} {answer.reason_phrase}; mend it"
            ) from error
        except httpx2.HTTPError as error:
            raise StackError(f"RABBITMQ_MANAGEMENT_URL: {error}; mend it, or unset it") from error

    async def _put_users_and_policies(self) -> None:
        *others, last = each_of(self.management_url)
        for url in others:
            with contextlib.suppress(httpx2.TransportError):
                await self._put_all(url)
                return
        await self._put_all(last)

    async def _put_all(self, management_url: str) -> None:
        vhost = urlsplit(self.amqp_url).path.removeprefix("/") or quote("/", safe="")
        async with httpx2.AsyncClient(base_url=management_url, trust_env=False) as api:
            for service in self.services:
                await self._put_user(api, vhost, service)
            await self._put_window(api, vhost)
            for name, policy in definitions.limits(self.services).items():
                await _put(api, f"policies/{vhost}/{name}", policy)
            for name, limit in VHOST_LIMITS.items():
                await _put(api, f"vhost-limits/{vhost}/{name}", {"value": limit})

    async def _put_user(self, api: httpx2.AsyncClient, vhost: str, service: Told) -> None:
        name = service.name
        await _put(api, f"users/{name}", definitions.user(self.credentials.broker_password(name)))
        await _put(api, f"permissions/{vhost}/{name}", definitions.rights(service))
        for right in definitions.topic_rights(service):
            await _put(api, f"topic-permissions/{vhost}/{name}", right)
        await _put_user_limits(api, name)

    async def _put_window(self, api: httpx2.AsyncClient, vhost: str) -> None:
        """The user of the window, and the queue that it may not declare itself."""
        told = definitions.user(self.credentials.broker_password(WINDOW), definitions.WINDOW_TAGS)
        await _put(api, f"users/{WINDOW}", told)
        await _put(api, f"permissions/{vhost}/{WINDOW}", definitions.WINDOW_RIGHTS)
        await _put_user_limits(api, WINDOW)
        queue = definitions.WINDOW_QUEUE
        await _put(api, f"queues/{vhost}/{queue}", definitions.QUEUE)
        for exchange in definitions.window_hears(self.services):
            await _put(api, f"exchanges/{vhost}/{exchange}", definitions.EXCHANGE)
            bound = await api.post(f"/api/bindings/{vhost}/e/{exchange}/q/{queue}", json=definitions.BINDING)
            bound.raise_for_status()


async def _put_user_limits(api: httpx2.AsyncClient, name: str) -> None:
    for limit, value in USER_LIMITS.items():
        await _put(api, f"user-limits/{name}/{limit}", {"value": value})


async def _put(api: httpx2.AsyncClient, path: str, what: Mapping[str, Any]) -> None:
    (await api.put(f"/api/{path}", json=what)).raise_for_status()

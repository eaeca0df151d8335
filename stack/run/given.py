"""Servers that somebody else runs, as the environment gives them to a stack: a broker, or databases of services."""

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import aiormq
import asyncpg
from aiormq.exceptions import AMQPError

from chassis.addresses import each_of
from stack.errors import StackError
from stack.services import PROCESSES, SERVICES, WINDOW

_TIMEOUT = 10.0
_DATABASE = ("postgresql", "postgres")
_SCHEMES = {
    "RABBITMQ_URL": ("amqp", "amqps"),
    "RABBITMQ_MANAGEMENT_URL": ("http", "https"),
} | {f"{service.upper()}_DATABASE_URL": _DATABASE for service in PROCESSES}


@dataclass(frozen=True)
class Given:
    """The URLs that the environment names, by their variables."""

    urls: Mapping[str, str]

    @classmethod
    def by(cls, environment: Mapping[str, str]) -> Self:
        """Those of an environment; raises `StackError` if one is no URL of its kind."""
        urls = {name: environment[name] for name in _SCHEMES if environment.get(name)}
        for name, url in urls.items():
            _require_url(name, url)
        return cls(urls)

    @property
    def broker(self) -> str:
        """The AMQP URL of a broker, empty if none is given."""
        return self.urls.get("RABBITMQ_URL", "")

    @property
    def management(self) -> str:
        """The URL of the broker's HTTP API, empty if none is given."""
        return self.urls.get("RABBITMQ_MANAGEMENT_URL", "")

    @property
    def databases(self) -> dict[str, str]:
        """The URLs of databases by the names of their services."""
        given = {service: self.urls.get(f"{service.upper()}_DATABASE_URL", "") for service in PROCESSES}
        return {service: url for service, url in given.items() if url}

    @property
    def has_window(self) -> bool:
        """Whether the window can be had: its queue has to be declared, and it needs a database of its own."""
        databases = self.databases
        return (not self.broker or bool(self.management)) and (
            WINDOW in databases or any(service not in databases for service in SERVICES)
        )

    async def require_answers(self) -> None:
        """Sign in everywhere; raises `StackError` with the name of the first variable that leads nowhere."""
        for service, url in self.databases.items():
            await _require_answer(f"{service.upper()}_DATABASE_URL", url, _sign_in_to_database(url))
        if self.broker:
            await _require_answer("RABBITMQ_URL", self.broker, _sign_in_to_broker(self.broker))


def _require_url(name: str, url: str) -> None:
    # Without quoting it: a password may be in it.
    schemes = _SCHEMES[name]
    if not all(_is_url(one, schemes) for one in each_of(url)):
        raise StackError(f"{name} is wrong: it has to begin with {schemes[0]}:// and to name a host; or unset it")


def _is_url(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def _require_answer(name: str, url: str, signing_in: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            await signing_in
    except (OSError, AMQPError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        place = urlsplit(url).netloc.rpartition("@")[2]
        reason = str(error) or f"no answer within {_TIMEOUT:.0f} s"
        raise StackError(f"{name}: {place} does not let us in: {reason}; mend it, or unset it") from error


async def _sign_in_to_database(url: str) -> None:
    await (await asyncpg.connect(url)).close()


async def _sign_in_to_broker(url: str) -> None:
    *others, last = each_of(url)
    for one in others:
        with contextlib.suppress(OSError, AMQPError):
            await _sign_in_to_node(one)
            return
    await _sign_in_to_node(last)


async def _sign_in_to_node(url: str) -> None:
    # A connection of aio-pika that failed wants to close itself later, when no loop may run any more.
    await (await aiormq.connect(url)).close()

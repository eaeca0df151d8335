"""The system under test, as a client reaches it."""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from stack.signing import SigningKey
from stack.tokens import claims as claims_of
from tests.end_to_end.databases import Databases

_TIMEOUT = 60.0
# The servers close connections that were idle for 5 s; a client must not reuse one in that very moment.
_LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=2.0)


@dataclass(frozen=True)
class System:
    """A running stack: its addresses, a client, its databases."""

    environment: Mapping[str, str]
    http: httpx2.AsyncClient
    databases: Databases

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, environment: Mapping[str, str]) -> AsyncIterator[Self]:
        """The system that an env file describes, while the context lasts."""
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=False) as http,
            Databases.of(environment) as databases,
        ):
            yield cls(environment, http, databases)

    def url(self, service: str, path: str = "") -> str:
        """The address of something that a service offers; `platform` is the external one."""
        return self.environment[f"{service.upper()}_URL"] + path

    def token(
        self, user: str, *, key: SigningKey | None = None, expires_in: float = 3600, **claims: str | list[str] | None
    ) -> str:
        """A bearer token like those that `make token` prints, or one that differs where a test says so."""
        known = claims_of(user) | {"exp": int(time.time() + expires_in), **claims}
        signing = key or SigningKey.of(self.environment["TOKEN_SIGNING_KEY"])
        return signing.sign({name: value for name, value in known.items() if value is not None})

    async def ask(
        self, method: str, service: str, path: str, token: str | None = None, **options: Any
    ) -> httpx2.Response:
        """The answer to one request."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.http.request(method, self.url(service, path), headers=headers, **options)

    async def watch(self, service: str, path: str, at: str | None = None) -> httpx2.Response:
        """What whoever watches the system is answered, by a service or by another process of it."""
        bearer = {"Authorization": f"Bearer {self.token('prometheus', scope='monitor')}"}
        return await self.http.get(f"{at}{path}" if at else self.url(service, path), headers=bearer)

"""Another process of a service that runs, with limits that one client can reach."""

import contextlib
from collections.abc import AsyncIterator, Mapping

import httpx2

from tests.end_to_end.eventually import eventually
from tests.end_to_end.starting import HERE, free_port, started
from tests.end_to_end.system import System

STRICT = {
    "USER_REQUESTS": "5",
    "ADDRESS_REQUESTS": "15",
    "USER_STREAMS": "2",
    "MAX_SEATS": "4",
    "MAX_CONNECTIONS": "120",
    "ADDRESS_CONNECTIONS": "80",
}
"""Limits that are meant for strangers"""


@contextlib.asynccontextmanager
async def strict(environment: Mapping[str, str], system: System, service: str) -> AsyncIterator[str]:
    """The address of another process of a service, with the limits that are meant for strangers."""
    prefix, port = service.upper(), free_port()
    names = [f"{prefix}_DATABASE_URL", f"{prefix}_RABBITMQ_URL", "TOKEN_KEYS"]
    limits = {f"{prefix}_{name}": value for name, value in STRICT.items()}
    more = {"PAYMENT_PLATFORM_URL": environment["PLATFORM_URL"], "PAYMENT_PLATFORM_SECRET": "whsec_" + 32 * "A"}
    settings = {name: environment[name] for name in names} | limits | {f"{prefix}_PORT": str(port)} | more
    url = f"http://{HERE}:{port}"
    async with started(settings, service):

        async def ready() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return (await system.http.get(f"{url}/livez")).is_success and (
                    await system.watch(service, "/readyz", at=url)
                ).json()["database"] == "ok"
            return False

        await eventually(ready)
        yield url

"""A process of a service inside the test: its application over the real database, whose COMMITs can get lost."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

import payment_svc.main
import point_svc.main
import reservation_svc.main
from chassis.errors import CommitUnknownError
from chassis.run import Runtime
from chassis.store.postgres import Postgres
from chassis.store.session import Session
from chassis.web.app import create_app

SERVICES: Mapping[str, Any] = {
    "point": point_svc.main,
    "reservation": reservation_svc.main,
    "payment": payment_svc.main,
}
NOT_ASKED: Mapping[str, Mapping[str, Any]] = {
    "payment": {"platform_url": "http://127.0.0.1:1", "platform_secret": "whsec_bm90IGFza2Vk"}
}


class Unanswered(Postgres):
    """Commits, and then loses the connection before it is told so, as often as `lost` says."""

    lost = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A session that may not know its end."""
        async with super().session() as session:
            commit = session.commit

            async def unanswered() -> None:
                await commit()
                if self.lost:
                    self.lost -= 1
                    raise CommitUnknownError("the connection was lost")

            session.commit = unanswered  # type: ignore[method-assign]  # this very session
            yield session


@asynccontextmanager
async def door(environment: Mapping[str, str], service: str) -> AsyncIterator[tuple[httpx2.AsyncClient, Unanswered]]:
    """A client of a process that answers requests and runs no step, and the source of its transactions."""
    module = SERVICES[service]
    url = environment[f"{service.upper()}_DATABASE_URL"]
    definition = module.definition(
        module.Settings(
            database_url=url,
            rabbitmq_url=environment[f"{service.upper()}_RABBITMQ_URL"],
            token_keys=environment["TOKEN_KEYS"],
            **NOT_ASKED.get(service, {}),
        )
    )
    app = create_app(definition)
    runtime = Runtime(definition.service, definition.settings, definition.dependencies)
    app.state.runtime, runtime.waits_for = runtime, None
    source = runtime.requests._database._source = Unanswered(url, 3)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://door") as client:
        yield client, source
    await source.close()

"""Upkeep: brings the database of a service up to date before it begins, and has old rows go while it runs."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from yarl import URL

from chassis.run.startup import prepare
from chassis.settings import ServiceSettings
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.store.retention import Purge, Retention, purging, unless_parked
from chassis.store.roles import Roles

POOL = 2


class Upkeep:
    """What is done with the database of a service under other roles than its own, where there are some."""

    def __init__(
        self,
        settings: ServiceSettings,
        parked: Callable[[], Awaitable[float]],
        retentions: tuple[Retention, ...] = (),
        rights: Mapping[str, str] | None = None,
    ) -> None:
        inbox = Retention("inbox", "at", timedelta(days=settings.inbox_days))
        suspects = Retention("suspect", "at", inbox.age)
        said = Retention("said", "at", timedelta(hours=settings.said_hours))
        service, retention = settings.database_url, settings.retention_url or settings.database_url
        self._owner = (settings.migration_url or service).get_secret_value()
        self._roles: Roles | None = None
        if settings.migration_url is not None:
            self._roles = Roles(
                service=_user(service),
                retention=_user(retention),
                erasure=f"{_user(service)}_erasure",
                retentions=(inbox, suspects, said, *retentions),
                rights=rights or {},
            )
        self.purges: tuple[Purge, ...] = (unless_parked(parked, inbox), purging(said, suspects, *retentions))
        # What the broker has confirmed is forgotten by transactions of the service, whose role may.
        self.database = Database(Postgres(retention.get_secret_value(), POOL), Departures())

    async def prepare(self, migrations: Path, waits_for: Callable[[str], None]) -> None:
        """Wait for the database, migrate it, give its roles their rights; raises MigrationError."""
        await prepare(self._owner, migrations, self._roles, waits_for)


def _user(url: SecretStr) -> str:
    return URL(url.get_secret_value()).user or ""

"""Upkeep: brings the database of a service up to date before it begins, and has old rows go while it runs."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

from yarl import URL

from chassis.addresses import first_of
from chassis.run.startup import Ensure, WaitsFor, begin, migrate
from chassis.settings import ServiceSettings
from chassis.store.retention import Purge, Retention, purging, unless_parked
from chassis.store.roles import Roles


class Upkeep:
    """What is done with the database of a service besides its work."""

    def __init__(
        self, settings: ServiceSettings, retentions: tuple[Retention, ...] = (), rights: Mapping[str, str] | None = None
    ) -> None:
        self._url = settings.database_url.get_secret_value()
        self._inbox = Retention("inbox", "at", timedelta(days=settings.inbox_days))
        suspects = Retention("suspect", "at", self._inbox.age)
        said = Retention("said", "at", timedelta(hours=settings.said_hours))
        operations = Retention("operation", "at", timedelta(days=settings.operation_days))
        self._others = (said, suspects, operations, *retentions)
        self._roles = Roles(URL(first_of(self._url)).user or "", (self._inbox, *self._others), rights or {})

    def purges(self, parked: Callable[[], Awaitable[float]]) -> tuple[Purge, ...]:
        """How old rows go, where `parked` says how many messages of the service are parked."""
        return unless_parked(parked, self._inbox), purging(*self._others)

    async def migrate(self, owner_url: str | None, migrations: Path, ensure: Ensure) -> None:
        """Wait for the database, migrate it as its owner, give its roles their rights; raises MigrationError.

        Without an owner, the role of the service does everything.
        """
        await migrate(owner_url or self._url, migrations, self._roles, lambda _: None, ensure)

    async def prepare(self, migrations: Path, waits_for: WaitsFor) -> None:
        """Wait for the database and its migration, which is done here if the role may; raises MigrationError."""
        await begin(self._url, migrations, self._roles, waits_for)

"""A database that lacks some of the safeguards."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis.choreography.envelope import Envelope
from chassis.store.outbox import Outgoing
from chassis.store.session import Row
from tests.memory.committed import INBOX, OUTBOX, Name
from tests.memory.isolation import MemoryServer
from tests.memory.store import MemorySession, MemorySource
from tests.simulation.scenario import Safeguard


class UnguardedSource(MemorySource):
    """Opens sessions that lack them."""

    def __init__(self, server: MemoryServer, without: frozenset[Safeguard]) -> None:
        super().__init__(server)
        self.without = without

    def open(self) -> MemorySession:
        """A session that lacks them too."""
        return UnguardedSession(self, self.without)


class UnguardedSession(MemorySession):
    """A transaction without what is switched off."""

    def __init__(self, source: MemorySource, without: frozenset[Safeguard]) -> None:
        super().__init__(source)
        self._without = without
        self.is_unique = Safeguard.UNIQUE_CONSTRAINTS not in without

    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """Reads only, if row locks are switched off."""
        return await super().select(model, column, keys, lock=lock and Safeguard.ROW_LOCKS not in self._without)

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Remembers nothing, if the inbox is switched off."""
        fresh = await super().accept(step, arrived)
        return {one.event_id for one in arrived} if Safeguard.INBOX in self._without else fresh

    async def put(self, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
        """Keeps nothing, if the outbox is switched off."""
        await super().put([] if Safeguard.OUTBOX in self._without else messages, confirmed)

    def write(self, name: Name, key: Any, row: Any) -> None:
        """Commits at once what a class stands for, if the atomic commit is switched off."""
        super().write(name, key, row)
        if Safeguard.ATOMIC_COMMIT in self._without and name not in (INBOX, OUTBOX):
            server = self.source.server
            server.committed = server.committed.after({name: {key: row}}, {})

    def lock_order(self, name: Name, keys: list[Any]) -> Iterable[Any]:
        """Every other transaction takes the rows the other way round, if the order is switched off."""
        is_reversed = Safeguard.ORDERED_LOCKS in self._without and name != INBOX and self.isolated.number % 2
        return reversed(keys) if is_reversed else keys

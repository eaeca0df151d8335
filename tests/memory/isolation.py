"""What transactions side by side see of each other, and when one waits for another: READ COMMITTED.

A row is locked by one transaction at a time, until its end; whoever wants it waits, and sees the latest commit then. A
unique key that an open transaction writes or has written over is waited for by whoever inserts it. A transaction that
would wait for itself in the end is refused (40P01); PostgreSQL refuses one of the same circle, perhaps another one.

Left out: shared locks. A reference waits for whoever has the row that it refers to, and does not keep others from it.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg

from tests.memory.committed import NO_ROWS, Committed, Key, Name, Rows
from tests.memory.constraints import Values, same_to_a_constraint
from tests.memory.drive import turn


class MemoryServer:
    """What all transactions on one database share: what is committed, and who has locked what."""

    def __init__(self, committed: Committed | None = None) -> None:
        self.committed = committed or Committed()
        self.locks: dict[Key, Isolated] = {}
        self.open: list[Isolated] = []
        """The transactions that have not ended, in the order in which they began"""
        self.begun = 0
        """How many transactions there were"""
        self.deadlocks: list[str] = []
        """What would have waited for itself"""

    def copy(self) -> "MemoryServer":
        """The same moment once more; no transaction may be open."""
        assert not self.open
        other = MemoryServer(self.committed)
        other.begun, other.deadlocks = self.begun, list(self.deadlocks)
        return other

    def times_said(self, what: UUID) -> int:
        """How often something was said, also by transactions that have not ended."""
        return max([self.committed.said.get(what, 0), *(one.said.get(what, 0) for one in self.open)])


class Isolated:
    """An open transaction: it sees what is committed at the moment of each statement, and what it has done itself."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._changes: dict[Name, dict[Any, Any]] = {}
        self._locked: list[Key] = []
        self._waits_for: Isolated | None = None
        self.said: dict[UUID, int] = {}
        self.is_open = True
        """Whether it has neither committed nor been rolled back"""
        self.number = server.begun
        server.begun += 1
        server.open.append(self)

    @property
    def is_waiting(self) -> bool:
        """Whether it cannot go on before another transaction has ended."""
        return self._waits_for is not None and self._waits_for.is_open

    def rows(self, name: Name) -> Rows:
        """The rows of a table as this transaction sees them now."""
        committed = self._server.committed.tables.get(name, NO_ROWS)
        return committed.after(self._changes.get(name, {}))

    def get(self, name: Name, key: Any) -> Any:
        """A row as this transaction sees it now, or None."""
        mine = self._changes.get(name, {})
        return mine[key] if key in mine else self._server.committed.tables.get(name, NO_ROWS).get(key)

    def write(self, name: Name, key: Any, row: Any) -> None:
        """Insert, change or (with None) delete a row, which is locked or new."""
        self._changes.setdefault(name, {})[key] = row

    def is_locked(self, name: Name, key: Any) -> bool:
        """Whether another transaction has locked a row."""
        return self._server.locks.get((name, key), self) is not self

    async def lock(self, name: Name, key: Any) -> None:
        """Lock a row until the end; wait for whoever has it."""
        await self.until_unlocked(name, key)
        if (name, key) not in self._server.locks:
            self._server.locks[name, key] = self
            self._locked.append((name, key))
            await turn()  # a statement locks row by row, and others do so meanwhile

    async def until_unlocked(self, name: Name, key: Any) -> None:
        """Wait until no other transaction has locked a row."""
        await self._until(lambda: self._holder(name, key))

    async def until_unrivalled(self, name: Name, key: Any, values: Values | None = None) -> None:
        """Wait for other transactions that have written a row with the same primary key, or the same unique values."""
        await self._until(lambda: next(self._rivals(name, key, values), None))

    def end(self, *, commit: bool) -> None:
        """Make the changes what is committed, or forget them, and let go of all rows."""
        if not self.is_open:
            return
        if commit:
            self._server.committed = self._server.committed.after(self._changes, self.said)
        self.is_open = False
        self._server.open.remove(self)
        for key in self._locked:
            del self._server.locks[key]

    def _holder(self, name: Name, key: Any) -> "Isolated | None":
        holder = self._server.locks.get((name, key))
        return None if holder is self else holder

    def _rivals(self, name: Name, key: Any, values: Values | None) -> "Iterator[Isolated]":
        for other in self._server.open:
            if other is not self and name in other._changes and other._has_written(name, key, values):
                yield other

    def _has_written(self, name: Name, key: Any, values: Values | None) -> bool:
        changes = self._changes[name]
        if key in changes or values is None or isinstance(name, str):
            return key in changes
        before = self._server.committed.tables.get(name, NO_ROWS)
        versions = [row for other in changes for row in (changes[other], before.get(other)) if row is not None]
        return any(same_to_a_constraint(name, values, version) for version in versions)

    async def _until(self, somebody: "Callable[[], Isolated | None]") -> None:
        """Wait as long as there is somebody to wait for; raises asyncpg.DeadlockDetectedError."""
        while (other := somebody()) is not None:
            self._waits_for = other
            self._refuse_a_circle()
            await turn()
        self._waits_for = None

    def _refuse_a_circle(self) -> None:
        other = self._waits_for
        while other is not None and other is not self and other.is_open:
            other = other._waits_for
        if other is self:
            self._waits_for = None
            self._server.deadlocks.append("two transactions wait for each other")
            raise asyncpg.DeadlockDetectedError("deadlock detected")

"""Transactions that a test opens side by side, and ends in the order that it likes."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from chassis.store.session import Session
from point_svc.models import Wallet
from tests.end_to_end.eventually import eventually
from tests.end_to_end.stores import ANN, Store

Result = TypeVar("Result")


class EndedOnPurpose(Exception):  # noqa: N818  # no error
    """Rolls a transaction back."""


class Side:
    """One of several transactions, which ends when the test says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._context = store.source.session()
        self._is_open = False
        self.session: Session

    async def begin(self) -> "Side":
        """Begin."""
        self.session = await self._context.__aenter__()
        self._is_open = True
        return self

    async def commit(self) -> None:
        """Commit and end."""
        self._is_open = False
        await self.session.commit()
        await self._context.__aexit__(None, None, None)

    async def roll_back(self) -> None:
        """Undo everything and end, unless it has ended."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(EndedOnPurpose):
                await self._context.__aexit__(EndedOnPurpose, EndedOnPurpose(), None)

    async def end(self, how: str) -> None:
        """Commit or roll back."""
        await (self.commit() if how == "commit" else self.roll_back())

    async def waits(self, statement: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Begin a statement, and see that it waits for somebody."""
        task = asyncio.create_task(statement)
        await eventually(self._store.waiting)
        assert not task.done()
        return task

    async def wallet(self, user_id: str = ANN, *, lock: bool = True) -> Wallet:
        """A wallet as it is seen by a statement."""
        (found,) = await self.session.select(Wallet, "user_id", [user_id], lock=lock)
        return found

    async def put(self, balance: int) -> None:
        """Lock and change ann's wallet."""
        wallet = await self.wallet()
        wallet.balance = balance
        await self.session.update(Wallet, [wallet])

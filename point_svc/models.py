"""The wallet and its history."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import new_id
from chassis.store import state_field, timestamp_field

RIGHTS = {"point_history": "SELECT, INSERT, UPDATE (entry_id)", "tombstone": "SELECT, INSERT, UPDATE (at)"}
"""What the service may do with what is only ever added to. To lock a row one must be allowed to change something of it;
a trigger keeps the key of an entry as it is."""


class Table(SQLModel, registry=registry()):
    """The base of the tables of this service."""


class EntryType(StrEnum):
    """What moved the balance."""

    CHARGE = "CHARGE"
    USE = "USE"
    REFUND = "REFUND"


class PointHistory(Table, table=True):
    """One movement of a balance; a checkout spends once and is refunded once."""

    __tablename__ = "point_history"
    __table_args__ = (
        sa.UniqueConstraint("checkout_id", "type"),
        sa.Index("ix_point_history_user_id_entry_id", "user_id", "entry_id"),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
    )

    entry_id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: str = Field(max_length=64)
    type: EntryType = state_field(EntryType)
    amount: int = Field(sa_type=sa.BigInteger)
    balance_after: int = Field(sa_type=sa.BigInteger)
    checkout_id: UUID | None = None
    created_at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC))


class Tombstone(Table, table=True):
    """A checkout that was undone before it had spent, so that it never will."""

    checkout_id: UUID = Field(primary_key=True)
    at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC), index=True)


class Wallet(Table, table=True):
    """What a user has, in points; never below zero, and always the sum of its history."""

    __table_args__ = (sa.CheckConstraint("balance >= 0", name="balance_not_negative"),)

    user_id: str = Field(primary_key=True, max_length=64)
    balance: int = Field(default=0, sa_type=sa.BigInteger)

    def charge(self, amount: int) -> PointHistory:
        """Put in `amount` points."""
        return self._move(EntryType.CHARGE, amount, amount, None)

    def use(self, amount: int, checkout_id: UUID) -> PointHistory:
        """Take out `amount` points for a checkout."""
        return self._move(EntryType.USE, -amount, amount, checkout_id)

    def refund(self, amount: int, checkout_id: UUID) -> PointHistory:
        """Put back what a checkout took."""
        return self._move(EntryType.REFUND, amount, amount, checkout_id)

    def _move(self, kind: EntryType, change: int, amount: int, checkout_id: UUID | None) -> PointHistory:
        self.balance += change
        return PointHistory(
            user_id=self.user_id, type=kind, amount=amount, balance_after=self.balance, checkout_id=checkout_id
        )

"""The reservation: one row per seat, grouped by the payment that pays for all of them."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import new_id
from chassis.store import state_field, timestamp_field


class Table(SQLModel, registry=registry()):
    """The base of the tables of this service."""


class Status(StrEnum):
    """How far a reservation has come."""

    REQUESTED = "REQUESTED"
    TEMP = "TEMP"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Reservation(Table, table=True):
    """A user's claim to one seat. While it is confirmed, it names the checkout that owns it."""

    __table_args__ = (
        sa.UniqueConstraint("payment_id", "seat_id"),
        sa.Index("ix_reservation_due", "expires_at", postgresql_where=sa.text("status = 'TEMP'")),
        sa.Index("ix_reservation_requested", "created_at", postgresql_where=sa.text("status = 'REQUESTED'")),
    )

    reservation_id: UUID = Field(default_factory=new_id, primary_key=True)
    payment_id: UUID
    user_id: str = Field(max_length=64)
    seat_id: int
    status: Status = state_field(Status, default=Status.REQUESTED)
    price: int | None = Field(default=None, sa_type=sa.BigInteger)
    expires_at: datetime | None = timestamp_field(default=None)
    checkout_id: UUID | None = None
    reason: str | None = Field(default=None, max_length=64)
    created_at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC))

    def open(self, price: int, expires_at: datetime) -> None:
        """The seat is held until `expires_at`, for `price` points."""
        self.status, self.price, self.expires_at = Status.TEMP, price, expires_at

    def confirm(self, checkout_id: UUID) -> None:
        """The checkout takes the reservation."""
        self.status, self.checkout_id = Status.CONFIRMED, checkout_id

    def revert(self) -> None:
        """The checkout lets go of the reservation; the hold's clock has never stopped."""
        self.status, self.checkout_id = Status.TEMP, None

    def end(self, status: Status, reason: str) -> None:
        """Nothing more can come of the reservation."""
        self.status, self.reason = status, reason

    def is_confirmed_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout owns the reservation."""
        return self.status == Status.CONFIRMED and self.checkout_id == checkout_id

    def is_open(self, now: datetime) -> bool:
        """Whether the reservation can be confirmed."""
        return self.status == Status.TEMP and self.expires_at is not None and now < self.expires_at

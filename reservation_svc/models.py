"""The reservation: one row per seat, grouped by the payment that pays for all of them."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import ask_again, new_id
from chassis.store import Personal, state_field, timestamp_field

LATE_ENOUGH = sa.text("now() + interval '10 minutes'")
"""When the clock asks about a hold of a version that did not know about asking"""


OVER = "status IN ('REJECTED', 'EXPIRED', 'CANCELLED') AND ask_at IS NULL AND checkout_id IS NULL"
"""Of which holds nothing is left and nothing more will come. What was bought stays, also when it was given back: the
clock of the refund may ask again"""
OVER_BEFORE = "status IN ('REJECTED', 'EXPIRED', 'CANCELLED') AND ask_at IS NULL"
"""The same in the release before, which knows of no refunds"""


PERSONAL = Personal(
    busy="""
        SELECT 1 FROM reservation
        WHERE user_id = $1 AND (status IN ('REQUESTED', 'TEMP') OR ask_at IS NOT NULL)
        LIMIT 1
        """
)
"""What is to be known of users before they are erased: a hold goes on until it is paid, or everything is given back"""


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
        sa.Index("ix_reservation_ask_at", "ask_at", postgresql_where=sa.text("ask_at IS NOT NULL")),
        sa.Index("ix_reservation_ended", "created_at", postgresql_where=sa.text(OVER)),
        # For the release before, and dropped by the next one.
        sa.Index("ix_reservation_over", "created_at", postgresql_where=sa.text(OVER_BEFORE)),
        sa.Index("ix_reservation_held", "user_id", postgresql_where=sa.text("status IN ('REQUESTED', 'TEMP')")),
        sa.Index("ix_reservation_requested", "created_at", postgresql_where=sa.text("status = 'REQUESTED'")),
    )

    reservation_id: UUID = Field(default_factory=new_id, primary_key=True)
    payment_id: UUID
    user_id: str = Field(max_length=64)
    seat_id: int
    status: Status = state_field(Status, default=Status.REQUESTED)
    price: int | None = Field(default=None, sa_type=sa.BigInteger)
    expires_at: datetime | None = timestamp_field(default=None)
    ask_at: datetime | None = timestamp_field(default=None, sa_column_kwargs={"server_default": LATE_ENOUGH})
    """When the clock asks next what has become of a hold that is not open and not closed"""
    checkout_id: UUID | None = None
    undone_id: UUID | None = None
    """The last checkout that was taken back, and so may not confirm any more"""
    reason: str | None = Field(default=None, max_length=64)
    created_at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC))

    def open(self, price: int, expires_at: datetime) -> None:
        """The seat is held until `expires_at`, for `price` points."""
        self.status, self.price, self.expires_at, self.ask_at = Status.TEMP, price, expires_at, None

    def confirm(self, checkout_id: UUID) -> None:
        """The checkout takes the reservation."""
        self.status, self.checkout_id = Status.CONFIRMED, checkout_id

    def revert(self, checkout_id: UUID) -> None:
        """The checkout lets go of the reservation, and never has it again; the hold's clock has never stopped."""
        if self.is_confirmed_by(checkout_id):
            self.status, self.checkout_id = Status.TEMP, None
        if self.checkout_id is None:
            self.undone_id = checkout_id

    def expire(self, now: datetime) -> None:
        """The time of the hold is up; the clock goes on asking until everything is given back."""
        if self.status == Status.REQUESTED:
            self.expires_at = now
        if self.status in (Status.REQUESTED, Status.TEMP):
            self.reason = "hold-expired" if self.status == Status.TEMP else "deadline-passed"
            self.status = Status.EXPIRED
        self.ask_at = ask_again(self.expires_at or now, now)

    def give_up(self, reason: str, now: datetime) -> None:
        """Nobody wants the hold any more, or can have it; the clock asks until everything is given back.

        Seats that were asked for may still be held until the deadline of the request, so it asks after that at least.
        """
        if self.status == Status.REQUESTED:
            self.expires_at = self.ask_at
        else:
            self.expires_at, self.ask_at = now, ask_again(now, now)
        self.status, self.reason = Status.CANCELLED, reason

    def cancel(self, reason: str) -> None:
        """What the checkout had confirmed is no more; the checkout is remembered."""
        self.status, self.reason = Status.CANCELLED, reason

    def close(self, reason: str) -> None:
        """Nothing of the reservation is left anywhere; the clock still asks once where something may come."""
        if self.status == Status.REQUESTED:
            self.status, self.reason = Status.REJECTED, reason
        if self.status != Status.CANCELLED or self.ask_at != self.expires_at:
            self.ask_at = None

    def is_due(self, now: datetime) -> bool:
        """Whether the clock has to act: the time of the hold is up, or nobody has said that it is open or closed."""
        if self.status == Status.TEMP:
            return not self.is_open(now)
        is_waiting = self.status in (Status.REQUESTED, Status.EXPIRED, Status.CANCELLED)
        return is_waiting and self.ask_at is not None and self.ask_at <= now

    def is_confirmed_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout owns the reservation."""
        return self.status == Status.CONFIRMED and self.checkout_id == checkout_id

    def is_cancelled_of(self, checkout_id: UUID) -> bool:
        """Whether this checkout owned the reservation until it was taken back."""
        return self.status == Status.CANCELLED and self.checkout_id == checkout_id

    def was_confirmed_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout owns the reservation, or did until it was taken back."""
        return self.is_confirmed_by(checkout_id) or self.is_cancelled_of(checkout_id)

    @property
    def is_over(self) -> bool:
        """Whether the hold has ended, and not because it was paid."""
        is_cancelled = self.status == Status.CANCELLED and self.checkout_id is None
        return is_cancelled or self.status in (Status.EXPIRED, Status.REJECTED)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is left of it, and nothing is on its way back."""
        return self.ask_at is None and self.status in (Status.REJECTED, Status.EXPIRED, Status.CANCELLED)

    @property
    def is_on_its_way(self) -> bool:
        """Whether the hold is requested or open, and not paid."""
        return self.status in (Status.REQUESTED, Status.TEMP)

    def is_open(self, now: datetime) -> bool:
        """Whether the reservation can be confirmed."""
        return self.status == Status.TEMP and self.expires_at is not None and now < self.expires_at

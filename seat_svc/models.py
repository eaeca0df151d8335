"""The catalogue: concerts, their dates, and who holds which seat."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis.store import state_field, timestamp_field

RIGHTS = {"concert": "SELECT"}
"""What the service may do with what somebody else puts there"""
CALLED_OFF = "called-off"
"""Why all seats of an evening are revoked that will not be"""
OPEN = "status IN ('AVAILABLE', 'OCCUPIED')"
"""Which seats are open: neither sold nor withdrawn"""


class Table(SQLModel, registry=registry()):
    """The base of the tables of this service."""


class SeatStatus(StrEnum):
    """Who may have a seat. WITHDRAWN is off sale by an operator's word, whoever held it meanwhile."""

    AVAILABLE = "AVAILABLE"
    OCCUPIED = "OCCUPIED"
    RESERVED = "RESERVED"
    WITHDRAWN = "WITHDRAWN"


class DateStatus(StrEnum):
    """Whether a date still has seats that are not sold, and whether there will be anything to hear."""

    AVAILABLE = "AVAILABLE"
    SOLD_OUT = "SOLD_OUT"
    CALLED_OFF = "CALLED_OFF"


class Concert(Table, table=True):
    """A concert, on one or more dates."""

    concert_id: int = Field(primary_key=True)
    title: str = Field(max_length=200)


class ConcertDate(Table, table=True):
    """One evening of a concert. No sale touches its row: whether it is sold out, its seats say."""

    __tablename__ = "concert_date"
    __table_args__ = (sa.Index("ix_concert_date_concert_id_date_id", "concert_id", "date_id"),)

    date_id: int = Field(primary_key=True)
    concert_id: int = Field(foreign_key="concert.concert_id")
    starts_at: datetime = timestamp_field()
    status: DateStatus = state_field(
        DateStatus, default=DateStatus.AVAILABLE, sa_column_kwargs={"server_default": "AVAILABLE"}
    )
    """For the release before, as `open_seats`: out of date, read by nobody, and dropped by the next release"""
    open_seats: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    called_off_at: datetime | None = timestamp_field(default=None)


class Seat(Table, table=True):
    """One seat on one date; `holder` is the payment in whose name it is occupied or reserved."""

    __table_args__ = (
        sa.CheckConstraint("price > 0", name="price_positive"),
        sa.Index("ix_seat_date_id_seat_id", "date_id", "seat_id"),
        sa.Index("ix_seat_open", "date_id", postgresql_where=sa.text(OPEN)),
        sa.Index("ix_seat_revoke_at", "revoke_at", postgresql_where=sa.text("revoke_at IS NOT NULL")),
    )

    seat_id: int = Field(primary_key=True)
    date_id: int = Field(foreign_key="concert_date.date_id")
    label: str = Field(max_length=16)
    price: int = Field(sa_type=sa.BigInteger)
    status: SeatStatus = state_field(SeatStatus, default=SeatStatus.AVAILABLE)
    holder: UUID | None = Field(default=None, index=True)
    refused_id: UUID | None = None
    """The last checkout that is too late for the seat, whatever it says"""
    revoked: str | None = Field(default=None, max_length=64)
    """Why nobody can keep the seat or have it, if so"""
    revoke_at: datetime | None = timestamp_field(default=None)
    """When its holder is told so next, as long as it has one"""

    def hold(self, payment_id: UUID) -> None:
        """The seat is occupied in the name of the payment."""
        self.status, self.holder = SeatStatus.OCCUPIED, payment_id

    def release(self) -> None:
        """Nobody holds the seat any more; a withdrawn one stays withdrawn."""
        self.holder, self.revoke_at = None, None
        if self.status == SeatStatus.OCCUPIED:
            self.status = SeatStatus.AVAILABLE

    def vacate(self) -> None:
        """Nobody has the seat any more that was sold; one that was revoked is off sale."""
        self.holder, self.revoke_at = None, None
        self.status = SeatStatus.WITHDRAWN if self.revoked else SeatStatus.AVAILABLE

    def revoke(self, now: datetime) -> None:
        """The seat is off sale; whoever has bought it cannot keep it, and will be told."""
        self.revoked, self.revoke_at = "seat-withdrawn", now

    def reserve(self) -> None:
        """The seat is its holder's for good."""
        self.status = SeatStatus.RESERVED

    def refuse(self, checkout_id: UUID) -> None:
        """The checkout may not buy the seat any more; its holder may, with another checkout."""
        self.refused_id = checkout_id

    def withdraw(self) -> None:
        """The seat is off sale; its holder is remembered, in case it returns."""
        self.status = SeatStatus.WITHDRAWN

    def put_back(self) -> None:
        """The seat is on sale again, or its holder's again."""
        self.unrevoke()
        self.status = SeatStatus.OCCUPIED if self.holder else SeatStatus.AVAILABLE

    def unrevoke(self) -> None:
        """Whoever has bought the seat can keep it after all, unless a refund is under way already."""
        self.revoked, self.revoke_at = None, None

    @property
    def is_called_off(self) -> bool:
        """Whether its evening is called off."""
        return self.revoked == CALLED_OFF

    def belongs_to(self, payment_id: UUID) -> bool:
        """Whether the seat is this payment's, held or sold, or withdrawn meanwhile."""
        return self.holder == payment_id

    def is_held_by(self, payment_id: UUID) -> bool:
        """Whether the seat is occupied in the name of this payment."""
        return self.status == SeatStatus.OCCUPIED and self.holder == payment_id

    def is_reserved_by(self, payment_id: UUID) -> bool:
        """Whether the seat has been sold to this payment."""
        return self.status == SeatStatus.RESERVED and self.holder == payment_id


class Vacancy(Table, table=True):
    """What was decided about a refund: its seats were given back, or kept where there is a `reason`."""

    refund_id: UUID = Field(primary_key=True)
    payment_id: UUID
    seats: str = Field(sa_type=sa.Text)
    """What was given back, apart by blanks"""
    reason: str | None = Field(default=None, max_length=64)
    at: datetime = timestamp_field(index=True)

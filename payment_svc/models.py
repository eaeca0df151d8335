"""The payment, the checkouts that try to pay it, and what became of its delivery."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from chassis import ask_again
from chassis.store import Personal, state_field, timestamp_field
from contracts.event import overdue_at
from contracts.refund import Asker

PERSONAL = Personal(
    bodies=(("delivery", "refused"), ("notice", "refused")),
    busy="""
        SELECT 1 FROM checkout
        WHERE user_id = $1 AND (status = 'PENDING' OR status = 'COMPLETED' AND NOT EXISTS (
            SELECT FROM delivery WHERE delivery.checkout_id = checkout.checkout_id
        ))
        UNION ALL
        SELECT 1 FROM payment JOIN checkout ON checkout.checkout_id = last_outcome_id
        WHERE payment.user_id = $1 AND NOT EXISTS (SELECT FROM notice WHERE notice_id = last_outcome_id)
        UNION ALL
        SELECT 1 FROM refund
        WHERE user_id = $1 AND (status = 'PENDING' OR status = 'COMPLETED' AND NOT EXISTS (
            SELECT FROM notice WHERE notice.notice_id = refund.refund_id
        ))
        LIMIT 1
        """,
)
"""What is to be known of users before they are erased: a checkout or refund goes on until the platform has been told"""


class Table(SQLModel, registry=registry()):
    """The base of the tables of this service."""


class PaymentStatus(StrEnum):
    """How far a payment has come.

    PROCESSING and REFUNDING are semantic locks: the payment is spoken for by its checkout, or by its refund.
    """

    PUBLISHED = "PUBLISHED"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


class CheckoutStatus(StrEnum):
    """How a checkout ended, if it did."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class RefundStatus(StrEnum):
    """How a refund ended, if it did."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class DeliveryStatus(StrEnum):
    """What the external platform made of a payment."""

    SENT = "SENT"
    FAILED = "FAILED"


def listed(seat_ids: Iterable[int]) -> str:
    """Seats in one text: the same for the same seats."""
    return " ".join(map(str, sorted(seat_ids)))


class Payment(Table, table=True):
    """What a user owes for held seats; `checkout_id` is the checkout that has locked or paid it."""

    __table_args__ = (sa.CheckConstraint("total_price > 0", name="total_price_positive"),)

    payment_id: UUID = Field(primary_key=True)
    user_id: str = Field(max_length=64)
    total_price: int = Field(sa_type=sa.BigInteger)
    seats: str | None = Field(default=None, sa_type=sa.Text)
    """Which seats it is for, in the words of `listed`; nothing where older code has made it"""
    status: PaymentStatus = state_field(PaymentStatus, default=PaymentStatus.PUBLISHED)
    checkout_id: UUID | None = None
    undone_id: UUID | None = None
    """The last checkout that was taken back, and so may not pay any more"""
    refund_id: UUID | None = None
    """The last refund: it has locked the payment, has given it back, or was refused"""
    last_outcome_id: UUID | None = None
    """The last checkout that has failed to pay it, or is bound to: the platform is told of it before anything later"""
    created_at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC))
    paid_at: datetime | None = timestamp_field(default=None)

    def lock(self, checkout_id: UUID) -> None:
        """The checkout speaks for the payment from now on."""
        self.status, self.checkout_id = PaymentStatus.PROCESSING, checkout_id

    def pay(self, now: datetime) -> None:
        """The payment is paid by the checkout that has locked it."""
        self.status, self.paid_at = PaymentStatus.PAID, now

    def revert(self, checkout_id: UUID) -> None:
        """What the checkout has paid is locked again and not paid; what it has not paid, it never will."""
        if self.is_paid_by(checkout_id):
            self.status, self.paid_at = PaymentStatus.PROCESSING, None
        if self.checkout_id == checkout_id:
            self.undone_id = checkout_id

    def unlock(self) -> None:
        """The checkout has failed, and nobody speaks for the payment any more."""
        self.status, self.checkout_id, self.last_outcome_id = PaymentStatus.PUBLISHED, None, self.checkout_id

    def cancel(self) -> None:
        """The payment can never be paid; a checkout under way still has to come back to close itself."""
        if self.status == PaymentStatus.PROCESSING:
            self.last_outcome_id = self.checkout_id
        self.status = PaymentStatus.CANCELLED

    def give_back(self, refund_id: UUID) -> None:
        """The refund speaks for what is paid from now on."""
        self.status, self.refund_id = PaymentStatus.REFUNDING, refund_id

    def keep(self) -> None:
        """The refund is refused, and what is paid stays paid."""
        self.status = PaymentStatus.PAID

    def refund(self) -> None:
        """What was paid is given back, for good."""
        self.status = PaymentStatus.REFUNDED

    def is_for(self, seat_ids: Iterable[int]) -> bool:
        """Whether these are its seats, in any order, as far as it knows them."""
        return self.seats in (None, listed(seat_ids))

    def is_locked_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout holds the semantic lock."""
        return self.status == PaymentStatus.PROCESSING and self.checkout_id == checkout_id

    def is_paid_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout has paid."""
        return self.status == PaymentStatus.PAID and self.checkout_id == checkout_id

    def was_paid_by(self, checkout_id: UUID) -> bool:
        """Whether this checkout has paid, whatever was given back since."""
        has_been = (PaymentStatus.PAID, PaymentStatus.REFUNDING, PaymentStatus.REFUNDED)
        return self.status in has_been and self.checkout_id == checkout_id

    def is_given_back_of(self, checkout_id: UUID) -> bool:
        """Whether what this checkout has paid is being given back, or was."""
        return self.was_paid_by(checkout_id) and self.status != PaymentStatus.PAID

    def is_refunded_by(self, refund_id: UUID) -> bool:
        """Whether this refund speaks for the payment, and has not given it back yet."""
        return self.status == PaymentStatus.REFUNDING and self.refund_id == refund_id


class Checkout(Table, table=True):
    """One attempt of a user to pay a payment: the resource that the REST interface shows."""

    __table_args__ = (
        sa.Index("ix_checkout_pending", "created_at", postgresql_where=sa.text("status = 'PENDING'")),
        sa.Index("ix_checkout_deadline", "deadline", postgresql_where=sa.text("status = 'PENDING'")),
        sa.Index("ix_checkout_finished_at", "finished_at"),
    )

    checkout_id: UUID = Field(primary_key=True)
    payment_id: UUID
    user_id: str = Field(max_length=64)
    amount: int = Field(sa_type=sa.BigInteger)
    deadline: datetime = timestamp_field()
    ask_at: datetime | None = timestamp_field(default=None)
    """When the clock asks again what has become of it, once it has asked"""
    follows: UUID | None = None
    """The checkout of the same payment of which the platform is told first"""
    status: CheckoutStatus = state_field(CheckoutStatus, default=CheckoutStatus.PENDING)
    reason: str | None = Field(default=None, max_length=64)
    created_at: datetime = timestamp_field()
    finished_at: datetime | None = timestamp_field(default=None)

    def is_overdue(self, now: datetime) -> bool:
        """Whether the clock has to ask, for the first time or again: every service finds that it is late."""
        is_time = overdue_at(self.deadline) <= now and (self.ask_at is None or self.ask_at <= now)
        return self.status == CheckoutStatus.PENDING and is_time

    def ask(self, now: datetime) -> None:
        """The clock asks, and will again."""
        self.ask_at = ask_again(self.deadline, now)

    def complete(self, now: datetime) -> None:
        """The checkout reached its end."""
        self.status, self.finished_at = CheckoutStatus.COMPLETED, now

    def fail(self, reason: str, now: datetime) -> None:
        """The checkout is undone, because of `reason`."""
        self.status, self.reason, self.finished_at = CheckoutStatus.FAILED, reason, now


class Refund(Table, table=True):
    """One attempt to give a paid payment back, by its buyer, an operator, or because its seats were revoked."""

    __table_args__ = (
        sa.Index("ix_refund_pending", "created_at", postgresql_where=sa.text("status = 'PENDING'")),
        sa.Index("ix_refund_ask_at", "ask_at", postgresql_where=sa.text("status = 'PENDING'")),
        sa.Index("ix_refund_finished_at", "finished_at"),
    )

    refund_id: UUID = Field(primary_key=True)
    checkout_id: UUID
    payment_id: UUID
    user_id: str = Field(max_length=64)
    amount: int = Field(sa_type=sa.BigInteger)
    asked_by: Asker = state_field(Asker)
    cause: str = Field(max_length=64)
    """Why somebody wants it"""
    ask_at: datetime = timestamp_field()
    """When the clock asks next what has become of it"""
    status: RefundStatus = state_field(RefundStatus, default=RefundStatus.PENDING)
    reason: str | None = Field(default=None, max_length=64)
    """Why it was refused"""
    created_at: datetime = timestamp_field()
    finished_at: datetime | None = timestamp_field(default=None)

    def is_overdue(self, now: datetime) -> bool:
        """Whether the clock has to ask, for the first time or again."""
        return self.status == RefundStatus.PENDING and self.ask_at <= now

    def ask(self, now: datetime) -> None:
        """The clock asks, and will again."""
        self.ask_at = ask_again(self.created_at, now)

    def complete(self, now: datetime) -> None:
        """Everything is given back."""
        self.status, self.finished_at = RefundStatus.COMPLETED, now

    def fail(self, reason: str, now: datetime) -> None:
        """Nothing is given back, because of `reason`."""
        self.status, self.reason, self.finished_at = RefundStatus.FAILED, reason, now


class Delivery(Table, table=True):
    """A payment that the external platform has answered for good."""

    __table_args__ = (sa.Index("ix_delivery_refused", "delivered_at", postgresql_where=sa.text("status = 'FAILED'")),)

    checkout_id: UUID = Field(primary_key=True)
    payment_id: UUID
    status: DeliveryStatus = state_field(DeliveryStatus)
    reason: str | None = Field(default=None, max_length=64)
    refused: str | None = Field(default=None, sa_type=sa.Text)
    """The event that the platform refused to be told of, as JSON"""
    delivered_at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC), index=True)


class Notice(Table, table=True):
    """Another outcome that the external platform has answered for good, by the id of what ended."""

    __table_args__ = (sa.Index("ix_notice_refused", "at", postgresql_where=sa.text("status = 'FAILED'")),)

    notice_id: UUID = Field(primary_key=True)
    payment_id: UUID
    kind: str = Field(max_length=32)
    """What it was told, as the type of the webhook"""
    status: DeliveryStatus = state_field(DeliveryStatus)
    reason: str | None = Field(default=None, max_length=64)
    refused: str | None = Field(default=None, sa_type=sa.Text)
    """The event that the platform refused to be told of, as JSON"""
    at: datetime = timestamp_field(default_factory=lambda: datetime.now(UTC), index=True)

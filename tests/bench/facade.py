"""The starting point: one service over one database, where a checkout is one transaction.

Written as a careful engineer would: every row that is judged is locked first, in one order for all, nobody counts
seats that are left, statements are what SQLAlchemy batches best, nothing is read twice. Where there was a choice, it is
the one that costs less: there is no table for the Idempotency-Key (a payment can be paid only once, so a request that
is repeated takes no money twice), and no outbox (a crash after the commit loses a delivery). The external platform is
told as the four services tell it, with the same client, key and signature, and what it answered is stored; that comes
after the answer to the fan, so that nobody waits for it, and counts all the same: a checkout is done when its delivery
is stored, here and there.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import col, select

from chassis.ids import new_id
from chassis.store.postgres import engine as engine_of
from chassis.web.bearer import CurrentUser
from chassis.web.idempotency import metadata as keys
from chassis.web.problem import Problem, not_found
from contracts.checkout import Completed
from payment_svc.api import CheckoutState, Order
from payment_svc.models import Checkout, Delivery, DeliveryStatus, Payment, PaymentStatus
from payment_svc.platform import Platform
from point_svc.models import Wallet
from reservation_svc.models import Reservation
from seat_svc.models import Seat
from tests.bench import serving
from tests.bench.serving import LIFETIME, Settings


class Facade:
    """Does a checkout as a whole, and tells the platform."""

    def __init__(self, settings: Settings) -> None:
        url = settings.database_url.get_secret_value()
        self.engine = engine_of(url, pool_size=settings.database_pool, max_overflow=0)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self.platform = Platform(settings.platform_url, settings.platform_secret.get_secret_value().split)

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: Settings) -> AsyncIterator["Facade"]:
        """A facade with open connections, while the context lasts."""
        facade = cls(settings)
        async with facade.platform:
            yield facade
        await facade.engine.dispose()

    async def check_out(self, payment_id: UUID, user_id: str) -> tuple[Checkout, Completed]:
        """Pay for held seats, all or nothing; raises Problem."""
        async with self.sessions() as session:
            attempt, completed = await _pay(session, payment_id, user_id, datetime.now(UTC))
            await session.commit()
        return attempt, completed

    async def deliver(self, completed: Completed) -> None:
        """Tell the platform, and store that it knows."""
        refusal = await self.platform.deliver(completed.checkout_id, "payment.paid", completed)
        status = DeliveryStatus.FAILED if refusal else DeliveryStatus.SENT
        answered = Delivery(
            checkout_id=completed.checkout_id, payment_id=completed.payment_id, status=status, reason=refusal
        )
        async with self.sessions() as session:
            session.add(answered)
            await session.commit()


async def _pay(session: AsyncSession, payment_id: UUID, user_id: str, now: datetime) -> tuple[Checkout, Completed]:
    owed = await session.get(Payment, payment_id, with_for_update=True)
    if owed is None or owed.user_id != user_id:
        raise not_found("payment")
    held = select(Reservation).where(Reservation.payment_id == payment_id).order_by(col(Reservation.reservation_id))
    reservations = (await session.scalars(held.with_for_update())).all()
    seats = await _seats(session, [row.seat_id for row in reservations])
    wallet = await session.get(Wallet, user_id, with_for_update=True)
    if wallet is None:
        raise not_found("wallet")
    if reason := _objection(owed, reservations, seats, wallet, now):
        raise Problem(HTTPStatus.CONFLICT, "The payment cannot be paid.", reason)
    return _done(session, owed, reservations, seats, wallet, now)


async def _seats(session: AsyncSession, seat_ids: Sequence[int]) -> Sequence[Seat]:
    query = select(Seat).where(col(Seat.seat_id).in_(seat_ids)).order_by(col(Seat.seat_id))
    return (await session.scalars(query.with_for_update())).all()


def _objection(
    owed: Payment, reservations: Sequence[Reservation], seats: Sequence[Seat], wallet: Wallet, now: datetime
) -> str | None:
    """Why the payment cannot be paid, if so."""
    if owed.status != PaymentStatus.PUBLISHED:
        return f"payment-{owed.status.lower()}"
    if not reservations or any(not row.is_open(now) for row in reservations):
        return "hold-expired"
    if len(seats) < len(reservations) or not all(row.is_held_by(owed.payment_id) for row in seats):
        return "seat-lost"
    if not owed.total_price == sum(row.price for row in seats) == sum(row.price or 0 for row in reservations):
        return "wrong-amount"
    return "insufficient-points" if wallet.balance < owed.total_price else None


def _done(
    session: AsyncSession,
    owed: Payment,
    reservations: Sequence[Reservation],
    seats: Sequence[Seat],
    wallet: Wallet,
    now: datetime,
) -> tuple[Checkout, Completed]:
    attempt = Checkout(
        checkout_id=new_id(),
        payment_id=owed.payment_id,
        user_id=owed.user_id,
        amount=owed.total_price,
        deadline=now + LIFETIME,
        created_at=now,
    )
    session.add(attempt)
    session.add(wallet.use(owed.total_price, attempt.checkout_id))
    for row in reservations:
        row.confirm(attempt.checkout_id)
    owed.lock(attempt.checkout_id)
    owed.pay(now)
    for seat in seats:
        seat.reserve()
    attempt.complete(now)
    return attempt, _completed(attempt, [seat.seat_id for seat in seats], now)


def _completed(attempt: Checkout, seat_ids: Sequence[int], now: datetime) -> Completed:
    """What the platform is told."""
    return Completed(
        checkout_id=attempt.checkout_id,
        payment_id=attempt.payment_id,
        user_id=attempt.user_id,
        amount=attempt.amount,
        seat_ids=tuple(seat_ids),
        completed_at=now,
    )


async def create_tables(url: str) -> None:
    """Create the tables of all four services and that of the keys in one database, with the concert of all dates."""
    engine = engine_of(url, poolclass=sa.NullPool)
    async with engine.begin() as connection:
        for known in (*(model.metadata for model in (Wallet, Reservation, Payment, Seat)), keys):
            await connection.run_sync(known.create_all)
        await connection.execute(sa.text("INSERT INTO concert VALUES (1, 'The One Transaction')"))
    await engine.dispose()


def create_app(settings: Settings) -> FastAPI:
    """The facade behind the same interface as payment_svc; nothing is opened before it starts."""
    app = serving.create_app(settings, Facade.of)

    @app.post("/checkouts")
    async def check_out(order: Order, user_id: CurrentUser, facade: Used, later: BackgroundTasks) -> CheckoutState:
        """Pay. The answer comes when the seats are sold; the platform is told after that."""
        attempt, completed = await facade.check_out(order.payment_id, user_id)
        later.add_task(facade.deliver, completed)
        shown = attempt.model_dump(include=set(CheckoutState.model_fields))
        return CheckoutState.model_validate(shown | {"status": attempt.status.lower()})

    return app


Used = Annotated[Facade, Depends(serving.current)]


if __name__ == "__main__":
    serving.serve(create_app)
